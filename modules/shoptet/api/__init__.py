"""HTTP in: what tenants' programs ask of their shops, and what the shops tell."""

from modules.shoptet.api._rest import router
from modules.shoptet.api._webhooks import install, receive, receive_addon_event

__all__ = ["install", "receive", "receive_addon_event", "router"]

"""HTTP in: what tenants' programs ask, what a mail's reader says, what the mail provider tells."""

from modules.notifications.api._live import live_events
from modules.notifications.api._rest import router
from modules.notifications.api._ses import receive_ses
from modules.notifications.api._unsubscribe import unsubscribe

__all__ = ["live_events", "receive_ses", "router", "unsubscribe"]

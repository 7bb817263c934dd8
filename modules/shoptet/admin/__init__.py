"""The operators' screens of shops and of what was read from them."""

from modules.shoptet.admin._addons import AddonAdmin
from modules.shoptet.admin._executions import ParkedRecordAdmin, SnapshotExecutionAdmin
from modules.shoptet.admin._home import home
from modules.shoptet.admin._shops import ShopAdmin
from modules.shoptet.admin._webhooks import WebhookEventAdmin

__all__ = ["AddonAdmin", "ParkedRecordAdmin", "ShopAdmin", "SnapshotExecutionAdmin", "WebhookEventAdmin", "home"]

from modules.shoptet.services._cursors import CursorLost
from modules.shoptet.services._orders import SyncPaused, fetch_new_orders
from modules.shoptet.services._shops import UnsafeAddress, add_shop, connect, describe_shop

__all__ = ["CursorLost", "SyncPaused", "UnsafeAddress", "add_shop", "connect", "describe_shop", "fetch_new_orders"]

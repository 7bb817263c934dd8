from modules.shoptet.services._cursors import CursorLost
from modules.shoptet.services._order_run import SyncPaused
from modules.shoptet.services._orders import AlreadyRunning, fetch_new_orders
from modules.shoptet.services._requests import request_all_orders, request_orders
from modules.shoptet.services._shops import UnsafeAddress, add_shop, connect, describe_shop

__all__ = [
    "AlreadyRunning",
    "CursorLost",
    "SyncPaused",
    "UnsafeAddress",
    "add_shop",
    "connect",
    "describe_shop",
    "fetch_new_orders",
    "request_all_orders",
    "request_orders",
]

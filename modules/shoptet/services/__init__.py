from modules.shoptet.services._addons import (
    AddonAddresses,
    AddonUnknown,
    add_addon,
    addon_addresses,
    install_addon,
    open_shop,
)
from modules.shoptet.services._cursors import CursorLost
from modules.shoptet.services._customers import catch_up_customer_deletions, fetch_new_customers
from modules.shoptet.services._details import catch_up_deletions, refresh_orders
from modules.shoptet.services._imports import process_snapshot
from modules.shoptet.services._kinds import KINDS
from modules.shoptet.services._orders import fetch_new_orders
from modules.shoptet.services._product_details import catch_up_product_deletions
from modules.shoptet.services._product_reconciliation import reconcile_products, rehearse_product_reconciliation
from modules.shoptet.services._products import import_master_products, prefill_target
from modules.shoptet.services._reconciliation import Rehearsal, reconcile_orders, rehearse_reconciliation
from modules.shoptet.services._requests import (
    request_all_orders,
    request_all_products,
    request_orders,
    request_products,
    request_reading,
    request_readings,
)
from modules.shoptet.services._runs import AlreadyRunning, SyncPaused
from modules.shoptet.services._shops import UnsafeAddress, add_shop, connect, describe_shop, refuse_unsafe
from modules.shoptet.services._snapshots import (
    SnapshotClosed,
    ask_for_snapshot,
    check_snapshot,
    download_snapshot,
    give_up,
    request_snapshot,
    watch_snapshots,
)
from modules.shoptet.services._statuses import refresh_statuses
from modules.shoptet.services._stocks import fetch_stocks
from modules.shoptet.services._storefronts import NotAMaster, fill_from
from modules.shoptet.services._webhook_handling import (
    handle_again,
    handle_refused_again,
    handle_webhooks,
    request_handling,
)
from modules.shoptet.services._webhook_keys import register_webhooks, renew_webhook_key, webhook_url
from modules.shoptet.services._webhooks import WebhookRefused, prune_webhooks, receive_addon_event, receive_webhook

__all__ = [
    "KINDS",
    "AddonAddresses",
    "AddonUnknown",
    "AlreadyRunning",
    "CursorLost",
    "NotAMaster",
    "Rehearsal",
    "SnapshotClosed",
    "SyncPaused",
    "UnsafeAddress",
    "WebhookRefused",
    "add_addon",
    "add_shop",
    "addon_addresses",
    "ask_for_snapshot",
    "catch_up_customer_deletions",
    "catch_up_deletions",
    "catch_up_product_deletions",
    "check_snapshot",
    "connect",
    "describe_shop",
    "download_snapshot",
    "fetch_new_customers",
    "fetch_new_orders",
    "fetch_stocks",
    "fill_from",
    "give_up",
    "handle_again",
    "handle_refused_again",
    "handle_webhooks",
    "import_master_products",
    "install_addon",
    "open_shop",
    "prefill_target",
    "process_snapshot",
    "prune_webhooks",
    "receive_addon_event",
    "receive_webhook",
    "reconcile_orders",
    "reconcile_products",
    "refresh_orders",
    "refresh_statuses",
    "refuse_unsafe",
    "register_webhooks",
    "rehearse_product_reconciliation",
    "rehearse_reconciliation",
    "renew_webhook_key",
    "request_all_orders",
    "request_all_products",
    "request_handling",
    "request_orders",
    "request_products",
    "request_reading",
    "request_readings",
    "request_snapshot",
    "watch_snapshots",
    "webhook_url",
]

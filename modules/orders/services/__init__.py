"""Everything that writes orders; sources call these and no table."""

from modules.orders.services._bulk import import_orders_in_bulk
from modules.orders.services._imports import (
    confirm_fetched,
    describe_channel,
    import_orders,
    mark_deleted,
    open_channel,
    rename_statuses,
)

__all__ = [
    "confirm_fetched",
    "describe_channel",
    "import_orders",
    "import_orders_in_bulk",
    "mark_deleted",
    "open_channel",
    "rename_statuses",
]

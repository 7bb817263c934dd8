"""Every change to customers: whose orders are, who is one person, what the figures say, what to expect."""

from modules.customers.services._attach import attach_orders
from modules.customers.services._deletions import mark_accounts_deleted
from modules.customers.services._merges import AlreadyUndone, UnableToMerge, merge_customers, undo_merge
from modules.customers.services._metrics import finish_recalculation, measure, recalculate_metrics
from modules.customers.services._predictions import fit_models, forget_predictions, predict_next
from modules.customers.services._profiles import import_profiles
from modules.customers.services._sending import (
    CHUNK,
    QUEUE,
    SentBatch,
    chunked,
    request_attachment,
    request_backfill,
    request_predictions,
    request_recalculation,
    request_sync,
    send_backfill,
    send_recalculation,
    send_sync,
)

__all__ = [
    "CHUNK",
    "QUEUE",
    "AlreadyUndone",
    "SentBatch",
    "UnableToMerge",
    "attach_orders",
    "chunked",
    "finish_recalculation",
    "fit_models",
    "forget_predictions",
    "import_profiles",
    "mark_accounts_deleted",
    "measure",
    "merge_customers",
    "predict_next",
    "recalculate_metrics",
    "request_attachment",
    "request_backfill",
    "request_predictions",
    "request_recalculation",
    "request_sync",
    "send_backfill",
    "send_recalculation",
    "send_sync",
    "undo_merge",
]

from uuid import UUID

from modules.shoptet import selectors
from modules.shoptet.models import SnapshotExecution
from modules.shoptet.services._order_run import OrderRun
from modules.shoptet.services._runs import Report, Runner, finish_run, open_run

CURSOR = "orders.change_time"
KIND = SnapshotExecution.Kind.ORDERS_INCREMENTAL


def fetch_new_orders(
    *,
    shop_id: int,
    holder: str,
    report: Report,
    trigger: str = SnapshotExecution.Trigger.SCHEDULE,
    job_id: UUID | None = None,
    fallback_lookback_hours: int | None = None,
    most_details: int | None = None,
) -> SnapshotExecution | None:
    """Bring a shop's new, changed and deleted orders in; return the log entry, None for a shop switched off.

    `holder` names who runs; the same one may come back at once after a crash. `report(done, total, text)` is
    called after each page. Each page of 50 is a transaction of its own, the cursor moves at the very end: safe
    to kill at any moment and to repeat. Raises AlreadyRunning, ShoptetError (logged and shown at the shop),
    SyncPaused after about `most_details` fetched orders, CursorLost. Source: seed 1, 4.1.
    """
    shop = selectors.get_shop(shop_id)
    if not shop.is_active:
        return None
    with open_run(shop=shop, cursor=CURSOR, kind=KIND, runner=Runner(holder, trigger, job_id)) as run:
        reading = OrderRun(shop, run.hold, run.execution, report, most_details)
        finish_run(run, position_at=reading.run(fallback_lookback_hours=fallback_lookback_hours))
    return run.execution

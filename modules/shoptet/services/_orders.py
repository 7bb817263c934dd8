from contextlib import suppress
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from modules.jobs.domain import JobCancelled
from modules.kernel import clock
from modules.shoptet import selectors
from modules.shoptet.clients import RateLimited, ShoptetError
from modules.shoptet.models import Shop, SnapshotExecution
from modules.shoptet.services import _cursors as cursors
from modules.shoptet.services import _executions as executions
from modules.shoptet.services._order_run import OrderRun, SyncPaused
from modules.shoptet.services._product_run import ProductRun
from modules.shoptet.services._reading import Reading, Report


class AlreadyRunning(Exception):
    """Somebody else reads this shop right now."""


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
    return read_under_cursor(
        OrderRun,
        shop=selectors.get_shop(shop_id),
        holder=holder,
        report=report,
        trigger=trigger,
        job_id=job_id,
        fallback_lookback_hours=fallback_lookback_hours,
        most_details=most_details,
    )


def read_under_cursor(
    run: type[OrderRun] | type[ProductRun],
    *,
    shop: Shop,
    holder: str,
    report: Report,
    trigger: str,
    job_id: UUID | None,
    fallback_lookback_hours: int | None,
    most_details: int | None,
) -> SnapshotExecution | None:
    """Let `run` read a shop while nobody else moves its cursor; see `fetch_new_orders`."""
    if not shop.is_active:
        return None
    if shop.paused_until and shop.paused_until > clock.now():
        raise RateLimited(shop.paused_until)
    hold = cursors.take_cursor(shop=shop, name=run.cursor_name, holder=holder)
    if hold is None:
        raise AlreadyRunning(_("Another run reads this shop right now."))
    try:
        execution = executions.begin_execution(
            shop=shop, kind=run.log_kind, trigger=trigger, job_id=job_id, started_at=clock.now()
        )
        _run_logged(run(shop, hold, execution, report, most_details), fallback_lookback_hours=fallback_lookback_hours)
    finally:
        cursors.release_cursor(hold)
    execution.refresh_from_db()
    return execution


def _run_logged(run: Reading, *, fallback_lookback_hours: int | None) -> None:
    """Run, and leave what happened in the pipeline log and at the shop, where its owner looks."""
    try:
        run.run(fallback_lookback_hours=fallback_lookback_hours)
    except SyncPaused:
        raise  # the entry stays open for the run that goes on
    except RateLimited as error:
        _write_end(run, status=executions.Status.WAITING, error=str(error), paused_until=error.retry_at)
        raise
    except Exception as error:
        _write_end(run, status=executions.Status.ERROR, error=_reason(error))
        raise


def _reason(error: Exception) -> str:
    if isinstance(error, ShoptetError):
        return str(error)
    if isinstance(error, JobCancelled):
        return _("Cancelled.")
    return _("Something broke in Backroom: %r") % error


def _write_end(run: Reading, *, status: str, error: str, paused_until: datetime | None = None) -> None:
    """Write how a run failed; one that lost its hold leaves the log to whoever has it now."""
    is_over = status == executions.Status.ERROR
    with suppress(cursors.CursorLost), transaction.atomic():
        cursors.keep_cursor(run.hold)
        finished_at = clock.now() if is_over else None
        executions.close_execution(run.execution, status=status, finished_at=finished_at, error=error)
        executions.tell_shop(run.shop, last_error=error if is_over else "", paused_until=paused_until)

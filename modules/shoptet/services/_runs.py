"""One reading of a shop: under a hold on its cursor, with its line in the pipeline log, whatever is read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from modules.jobs.domain import JobCancelled
from modules.kernel import clock
from modules.shoptet.clients import RateLimited, ShoptetError
from modules.shoptet.models import Shop, SnapshotExecution
from modules.shoptet.services import _cursors as cursors
from modules.shoptet.services import _executions as executions

MAX_PASSES = 5  # over a list that keeps changing under the reader
MAX_PARKED_RETRIES = 100  # per run

Report = Callable[[int, int, str], None]  # done, total, text


class SyncPaused(Exception):
    """The run has done its share; call again, what is stored is not fetched twice."""


class AlreadyRunning(Exception):
    """Somebody else reads this shop right now."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Who reads, and why; the same `holder` may come back at once after a crash."""

    holder: str
    trigger: str
    job_id: UUID | None


@dataclass(frozen=True, slots=True)
class Run:
    """A reading that has begun."""

    shop: Shop
    hold: cursors.Hold
    execution: SnapshotExecution


@contextmanager
def open_run(*, shop: Shop, cursor: str, kind: str, runner: Runner) -> Iterator[Run]:
    """Yield a reading of `kind`; leave how it failed in the pipeline log and at the shop, where its owner looks.

    Whoever reads ends it well with `finish_run`. Raises AlreadyRunning, RateLimited while the shop wants a pause.
    """
    if shop.paused_until and shop.paused_until > clock.now():
        raise RateLimited(shop.paused_until)
    hold = cursors.take_cursor(shop=shop, name=cursor, holder=runner.holder)
    if hold is None:
        raise AlreadyRunning(_("Another run reads this shop right now."))
    try:
        execution = executions.begin_execution(
            shop=shop, kind=kind, trigger=runner.trigger, job_id=runner.job_id, started_at=clock.now()
        )
        run = Run(shop, hold, execution)
        with _logged(run):
            yield run
    finally:
        cursors.release_cursor(hold)
    execution.refresh_from_db()


def finish_run(run: Run, *, position_at: datetime | None = None) -> None:
    """Move the cursor, if it is to move, and close the log entry together; who lost the hold does neither."""
    with transaction.atomic():
        cursors.keep_cursor(run.hold)
        if position_at:
            cursors.move_cursor(run.hold, to=position_at)
        now = clock.now()
        executions.close_execution(run.execution, status=executions.Status.COMPLETED, finished_at=now)
        executions.announce_completed(run.execution, now=now)
        executions.tell_shop(run.shop, kind=run.execution.kind, error="", paused_until=None)


@contextmanager
def _logged(run: Run) -> Iterator[None]:
    try:
        yield
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


def _write_end(run: Run, *, status: str, error: str, paused_until: datetime | None = None) -> None:
    """Write how a run failed; one that lost its hold leaves the log to whoever has it now."""
    is_over = status == executions.Status.ERROR
    with suppress(cursors.CursorLost), transaction.atomic():
        cursors.keep_cursor(run.hold)
        finished_at = clock.now() if is_over else None
        executions.close_execution(run.execution, status=status, finished_at=finished_at, error=error)
        executions.tell_shop(
            run.shop, kind=run.execution.kind, error=error if is_over else "", paused_until=paused_until
        )

"""What keeps jobs moving: rescue, promote, ring. Any process may run it, at any time, twice at once."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction

from modules.jobs import clients, domain
from modules.jobs.domain import CrashedTooOften, Failure, Outcome
from modules.jobs.services._batches import settle_batches
from modules.jobs.services._bells import choose_bells
from modules.jobs.services._gates import LOCK
from modules.jobs.services._ledger import Ending, move

CHUNK = 500  # jobs one statement moves at most


@dataclass(frozen=True)
class Pass:
    """What one pass of the dispatcher did."""

    rescued: int = 0
    quarantined: int = 0
    timed_out: int = 0
    promoted: int = 0
    rung: int = 0
    settled: int = 0
    """Batches that sent a callback or ended, which nobody had noticed."""


def dispatch(*, may_rescue: bool = True, may_settle: bool = True) -> Pass:
    """Bring back the jobs of dead workers, wake those that are due, ring for those that wait; return the counts.

    Safe to repeat and to run in many processes. `may_rescue=False` leaves leases alone, for a process that
    has just lost the database: the others lost it too and need a moment to renew theirs. `may_settle=False`
    leaves batches alone, for one that passes more often than each of a thousand open batches wants to be asked.
    """
    with transaction.atomic():
        if not _locked():
            return Pass()
        quarantined, rescued, timed_out = _rescue() if may_rescue else (0, 0, 0)
        promoted = _promote()
        bells = choose_bells()
    clients.ring(bells, lane_length=settings.JOBS["LANE_LENGTH"])
    return Pass(rescued, quarantined, timed_out, promoted, len(bells), settle_batches() if may_settle else 0)


def _locked() -> bool:
    """Return whether this process dispatches now; frozen in the middle of it, it loses the lock after a lease.

    Nobody waits for the disk: a pass that is lost in a crash of PostgreSQL is made again.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT pg_try_advisory_xact_lock(%s),
                set_config('idle_in_transaction_session_timeout', %s, TRUE),
                set_config('synchronous_commit', 'off', TRUE)""",
            [LOCK, f"{settings.JOBS['LEASE_SECONDS']}s"],
        )
        return bool(cursor.fetchone()[0])


_LOST = "NOT EXISTS (SELECT 1 FROM jobs_worker WHERE jobs_worker.id = worker_id AND lease_until > clock_timestamp())"
_LATE = "deadline_at < clock_timestamp()"


def _rescue() -> tuple[int, int, int]:
    """Return how many jobs were quarantined, rescued, and found over their time."""
    most = settings.JOBS["MAX_CRASHES"]
    error = CrashedTooOften(f"The worker died {most} times while it ran this job.")
    _stop_cancelled()
    quarantined = move(
        domain.QUARANTINE,
        where=f"crashes + 1 >= %(most)s AND {_LOST}",
        params={"most": most},
        ending=Ending(Outcome.CRASHED, Failure.of(error)),
        limit=CHUNK,
    )
    rescued = move(domain.RESCUE, where=_LOST, params={}, ending=Ending(Outcome.CRASHED), limit=CHUNK)
    return len(quarantined), len(rescued), _time_out()


def _stop_cancelled() -> None:
    """End what was asked to stop and was stopped, by its worker's death or by its time: it does not come back."""
    asked = f"cancel_requested_at IS NOT NULL AND ({_LOST} OR {_LATE})"
    move(domain.STOP, where=asked, params={}, ending=Ending(Outcome.CANCELLED), limit=CHUNK)


def _time_out() -> int:
    ending = Ending(Outcome.TIMED_OUT, Failure.of(TimeoutError("The job ran over its time limit.")))
    failed = move(domain.FAIL, where=f"{_LATE} AND attempt >= max_attempts", params={}, ending=ending, limit=CHUNK)
    retried = move(domain.RETRY, where=_LATE, params={"delay": timedelta(seconds=15)}, ending=ending, limit=CHUNK)
    return len(failed) + len(retried)


def _promote() -> int:
    return len(move(domain.PROMOTE, where="run_at <= clock_timestamp()", params={}, limit=CHUNK, order="run_at"))

"""What keeps jobs moving: rescue, promote, ring. Any process may run it, at any time, twice at once."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from modules.jobs import clients, domain
from modules.jobs.clients import Bell, BrokerDown
from modules.jobs.domain import CrashedTooOften, Failure, Outcome, State
from modules.jobs.services._ledger import Ending, move

LOCK = 0x6261636B  # one dispatcher at a time; the lock ends with the transaction, so poolers may sit between
CHUNK = 500  # jobs one statement moves at most


@dataclass(frozen=True)
class Pass:
    """What one pass of the dispatcher did."""

    rescued: int = 0
    quarantined: int = 0
    timed_out: int = 0
    promoted: int = 0
    rung: int = 0


def dispatch(*, may_rescue: bool = True) -> Pass:
    """Bring back the jobs of dead workers, wake those that are due, ring for those that wait; return the counts.

    Safe to repeat and to run in many processes. `may_rescue=False` leaves leases alone, for a process that
    has just lost the database: the others lost it too and need a moment to renew theirs.
    """
    with transaction.atomic():
        if not _locked():
            return Pass()
        quarantined, rescued, timed_out = _rescue() if may_rescue else (0, 0, 0)
        promoted = _promote()
    return Pass(rescued, quarantined, timed_out, promoted, _ring_waiting())


def _locked() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


_LOST = "NOT EXISTS (SELECT 1 FROM jobs_worker WHERE jobs_worker.id = worker_id AND lease_until > clock_timestamp())"


def _rescue() -> tuple[int, int, int]:
    """Return how many jobs were quarantined, rescued, and found over their time."""
    most = settings.JOBS["MAX_CRASHES"]
    error = CrashedTooOften(f"The worker died {most} times while it ran this job.")
    quarantined = move(
        domain.QUARANTINE,
        where=f"crashes + 1 >= %(most)s AND {_LOST}",
        params={"most": most},
        ending=Ending(Outcome.CRASHED, Failure.of(error)),
        limit=CHUNK,
    )
    rescued = move(domain.RESCUE, where=_LOST, params={}, ending=Ending(Outcome.CRASHED), limit=CHUNK)
    return len(quarantined), len(rescued), _time_out()


def _time_out() -> int:
    late = "deadline_at < clock_timestamp()"
    ending = Ending(Outcome.TIMED_OUT, Failure.of(TimeoutError("The job ran over its time limit.")))
    failed = move(domain.FAIL, where=f"{late} AND attempt >= max_attempts", params={}, ending=ending, limit=CHUNK)
    retried = move(domain.RETRY, where=late, params={"delay": timedelta(seconds=15)}, ending=ending, limit=CHUNK)
    return len(failed) + len(retried)


def _promote() -> int:
    return len(move(domain.PROMOTE, where="run_at <= clock_timestamp()", params={}, limit=CHUNK, order="run_at"))


def _ring_waiting() -> int:
    """Ring for what waits, as far as each lane has room, and again for bells that got lost; return how many."""
    bells: list[Bell] = []
    try:
        for queue in _queues_waiting():
            waiting = clients.lane(queue)
            bells += _take(queue, room=settings.JOBS["LANE_LENGTH"] - len(waiting))
            bells += _lost(queue, waiting)
    except BrokerDown:
        return 0  # nothing is lost: rows stay as they are until a later pass finds the broker again
    clients.ring(bells, lane_length=settings.JOBS["LANE_LENGTH"])
    return len(bells)


_UNRUNG = f"state = '{State.QUEUED}' AND dispatched_at IS NULL"
_STALE = f"state = '{State.QUEUED}' AND dispatched_at < clock_timestamp() - make_interval(secs => %(seconds)s)"

# Steps from queue to queue along the index; a DISTINCT would read every waiting row.
_QUEUES_WAITING = f"""
    WITH RECURSIVE step AS (
        (SELECT queue FROM jobs_job WHERE {_UNRUNG} ORDER BY queue LIMIT 1)
        UNION ALL
        SELECT (SELECT job.queue FROM jobs_job job WHERE {_UNRUNG} AND job.queue > step.queue
                ORDER BY job.queue LIMIT 1)
        FROM step WHERE step.queue IS NOT NULL)
    SELECT queue FROM step WHERE queue IS NOT NULL
    UNION SELECT DISTINCT queue FROM jobs_job WHERE {_STALE}"""

_NEXT = f"""
    SELECT id FROM jobs_job WHERE {_UNRUNG} AND queue = %(queue)s
    ORDER BY priority, id LIMIT %(room)s FOR UPDATE SKIP LOCKED"""

_LOST_BELLS = f"""
    SELECT id FROM jobs_job WHERE {_STALE} AND queue = %(queue)s
        AND NOT (id::text || ':' || fence) = ANY(%(waiting)s)
    ORDER BY dispatched_at LIMIT %(room)s FOR UPDATE SKIP LOCKED"""


def _queues_waiting() -> list[str]:
    """Return the queues that have jobs to ring for."""
    with connection.cursor() as cursor:
        cursor.execute(_QUEUES_WAITING, {"seconds": settings.JOBS["BELL_SECONDS"]})
        return [row[0] for row in cursor.fetchall()]


def _take(queue: str, *, room: int) -> list[Bell]:
    """Mark the next jobs of a queue, by priority and then by age, as rung for; return their bells."""
    return _mark(_NEXT, {"queue": queue, "room": room}) if room > 0 else []


def _lost(queue: str, waiting: list[str]) -> list[Bell]:
    """Return the bells that were rung a while ago and are not in the lane: lost, or in a dead worker's hands."""
    numbers = {"room": settings.JOBS["LANE_LENGTH"], "seconds": settings.JOBS["BELL_SECONDS"]}
    return _mark(_LOST_BELLS, {"queue": queue, "waiting": waiting, **numbers})


def _mark(selection: str, params: dict[str, Any]) -> list[Bell]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE jobs_job SET dispatched_at = clock_timestamp() WHERE id = ANY(ARRAY({selection}))
            RETURNING id, fence, actor, queue, priority""",
            params,
        )
        rows = sorted(cursor.fetchall(), key=lambda row: (row[4], row[0]))
    return [Bell(*row[:4]) for row in rows]

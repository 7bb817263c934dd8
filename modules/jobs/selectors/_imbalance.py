"""What is not where the ledger believes it to be."""

from django.conf import settings
from django.db import connection
from django.db.models import Q

from modules.jobs import clients
from modules.jobs.clients import BrokerDown
from modules.jobs.domain import State
from modules.jobs.models import Job
from modules.jobs.selectors._counts import WAITING_STATES
from modules.jobs.selectors._gates import PAUSED

MOST_UNHEARD = 10_000  # bells that are looked for


def ledger_imbalance() -> dict[str, int | None]:
    """Return how many jobs are not where they should be, by what is wrong; all 0 when the dispatcher does its work.

    `abandoned` run in a worker that is dead, `overdue` run past their deadline, `asleep` should have been
    woken, `unheard` have a bell that is in no lane (None when the broker is away).
    """
    with connection.cursor() as cursor:
        cursor.execute(_IMBALANCE, {"seconds": settings.JOBS["BELL_SECONDS"] * 3})
        abandoned, overdue, asleep = cursor.fetchone()
    return {"abandoned": abandoned, "overdue": overdue, "asleep": asleep, "unheard": _unheard()}


# One dispatcher's pass takes half a second; what is still wrong after some seconds is not being repaired.
_GRACE = "clock_timestamp() - make_interval(secs => %(seconds)s)"

_IMBALANCE = f"""SELECT
    (SELECT count(*) FROM jobs_job WHERE state = '{State.RUNNING}' AND NOT EXISTS (
        SELECT 1 FROM jobs_worker WHERE jobs_worker.id = worker_id AND lease_until > {_GRACE})),
    (SELECT count(*) FROM jobs_job WHERE state = '{State.RUNNING}' AND deadline_at < {_GRACE}),
    (SELECT count(*) FROM jobs_job
        WHERE state IN ({WAITING_STATES}) AND run_at < {_GRACE})"""

# Nobody has to hear a job that is paused: its bell is rung when somebody resumes it.
_RUNG_AND_STALE = f"""SELECT queue, id || ':' || fence FROM jobs_job
    WHERE state = '{State.QUEUED}' AND dispatched_at < {_GRACE} AND NOT {PAUSED} LIMIT {MOST_UNHEARD}"""


def _unheard() -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(_RUNG_AND_STALE, {"seconds": settings.JOBS["BELL_SECONDS"] * 3})
        rows = cursor.fetchall()
    # A job may wait in a lane that is not its queue's: those whose worker died are run apart.
    pools: dict[str, list[str]] = settings.JOBS["POOLS"]
    lanes = {queue for queue, _ in rows} | {queue for pool in pools.values() for queue in pool} if rows else set()
    try:
        heard = {key for queue in lanes for key in clients.lane(queue)}
    except BrokerDown:
        return None
    return sum(key not in heard for _, key in rows)


def newest_rung(queue: str, *, limit: int, is_apart: bool) -> list[str]:
    """Return the keys of the queue's bells that rang last and that no worker has answered, the oldest first.

    `is_apart`: it is the queue that runs the crashed jobs of all others.
    """
    here = Q(queue=queue) | Q(crashes__gt=0) if is_apart else Q(queue=queue)
    rung = Job.objects.filter(here, state=State.QUEUED, dispatched_at__isnull=False)
    newest = rung.order_by("-dispatched_at", "-id").values_list("id", "fence")[:limit]
    return [f"{job_id}:{fence}" for job_id, fence in reversed(list(newest))]

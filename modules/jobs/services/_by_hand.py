"""What runs next where jobs are run by hand, without a broker: by a command, in a shell, in a test."""

from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from modules.jobs.clients import Bell
from modules.jobs.domain import State
from modules.jobs.selectors import PAUSED
from modules.jobs.services._bells import CANDIDATE, OPEN, mark, read_candidates
from modules.jobs.services._gates import LOCK, Candidate, Closed, choose, read_gates

_READY = f"""SELECT {CANDIDATE} FROM jobs_job WHERE state = '{State.QUEUED}' AND NOT {PAUSED}
    AND (%(of)s::text[] = '{{}}' OR queue = ANY(%(of)s))"""
_IN_ORDER = "ORDER BY priority, id LIMIT %(most)s"
MOST = 100  # that are looked at before gates are found shut


def next_bell(queues: Sequence[str] = ()) -> Bell | None:
    """Return the bell of the job that should start next in these queues (all when empty), or None.

    By priority, then by age. A job that nobody has rung for yet gets its bell here, if its gates are open.
    """
    first: dict[str, Any] = {"of": list(queues), "most": 1}
    best = read_candidates(f"{_READY} {_IN_ORDER}", first)
    rung = read_candidates(f"{_READY} AND dispatched_at IS NOT NULL {_IN_ORDER}", first)
    if best == rung:
        return _bell(best[0]) if best else None
    return _pass_gates(list(queues), rung)


def _pass_gates(queues: list[str], rung: list[Candidate]) -> Bell | None:
    """Let the first waiting job through that may go, unless a rung one comes before it."""

    def candidates(closed: Closed) -> list[Candidate]:
        sql = f"{_READY} AND dispatched_at IS NULL AND {OPEN} {_IN_ORDER}"
        return read_candidates(sql, {"of": queues, "most": MOST, **closed})

    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        gates = read_gates()
        waiting = choose(candidates, gates=gates, room=1)
        best = min([*rung, *waiting], key=lambda job: (job.priority, job.id), default=None)
        if best is None or best in rung:
            return _bell(best) if best else None
        gates.windows.save()
        return next(iter(mark([best])), None)


def _bell(job: Candidate) -> Bell:
    return Bell(job.id, job.fence, job.actor, job.queue)

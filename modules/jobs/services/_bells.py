"""Which waiting jobs get their bell now: by priority, in turns among tenants, past open gates, into short lanes."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from modules.jobs import clients
from modules.jobs.clients import Bell, BrokerDown
from modules.jobs.domain import State
from modules.jobs.services._gates import Candidate, Gates, choose, read_gates, save_uses
from modules.kernel import clock
from modules.kernel.ids import made_at

QUARANTINE = "quarantine"  # the queue whose only pool runs jobs one by one
CHUNK = 500  # crashed jobs that are looked at in one pass


def choose_bells() -> list[Bell]:
    """Mark and return the bells to ring now: for what waits, and again for what got lost."""
    gates = read_gates(now=clock.now())
    threads = _threads_by_queue()
    bells: list[Bell] = []
    try:
        for queue in _queues_waiting():
            lane = clients.lane(queue)
            room = lane_room(threads.get(queue, 0)) - len(lane)
            bells += _next_bells(queue, gates=gates, room=room)
            bells += _lost_bells(queue, _STALE, gates=gates, lane=lane)
            bells += _crashed_bells(queue, gates=gates, is_apart=QUARANTINE in threads, lane=lane)
    except BrokerDown:
        return []  # nothing is lost: rows that were marked here are rung for when their bells count as lost
    save_uses(gates)
    return bells


def lane_room(threads: int) -> int:
    """Return how many bells a lane may hold that so many threads serve."""
    most: int = settings.JOBS["LANE_LENGTH"]
    return min(most, max(threads, 4) * int(settings.JOBS["LANE_PER_THREAD"]))


def _threads_by_queue() -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT queue, sum(threads) FROM jobs_worker, unnest(queues) AS queue
            WHERE lease_until > clock_timestamp() GROUP BY queue"""
        )
        return dict(cursor.fetchall())


_UNRUNG = f"state = '{State.QUEUED}' AND dispatched_at IS NULL AND crashes = 0"
_CRASHED = f"state = '{State.QUEUED}' AND crashes > 0"
_OPEN = """NOT actor = ANY(%(actor)s) AND NOT resource = ANY(%(resource)s)
            AND NOT coalesce(tenant_id, 0)::text = ANY(%(tenant)s)"""
_RUNG_LONG_AGO = "dispatched_at < clock_timestamp() - make_interval(secs => %(seconds)s)"
_STALE = f"state = '{State.QUEUED}' AND crashes = 0 AND {_RUNG_LONG_AGO}"
_CANDIDATE = "id, fence, actor, queue, tenant_id, resource, priority"

# Steps from queue to queue along the index; a DISTINCT would read every waiting row.
_QUEUES_WAITING = f"""
    WITH RECURSIVE step AS (
        (SELECT queue FROM jobs_job WHERE {_UNRUNG} ORDER BY queue LIMIT 1)
        UNION ALL
        SELECT (SELECT job.queue FROM jobs_job job WHERE {_UNRUNG} AND job.queue > step.queue
                ORDER BY job.queue LIMIT 1)
        FROM step WHERE step.queue IS NOT NULL)
    SELECT queue FROM step WHERE queue IS NOT NULL
    UNION SELECT DISTINCT queue FROM jobs_job WHERE {_STALE}
    UNION SELECT DISTINCT queue FROM jobs_job WHERE {_CRASHED}"""

# The same steps through a queue's priorities and tenants: from each the oldest jobs, which then take turns.
# A tenant's turn counts from what it has in flight, so that a newcomer goes before the next of a busy one.
_NEXT = f"""
    WITH RECURSIVE line AS (
        (SELECT priority AS rank, coalesce(tenant_id, 0) AS tenant FROM jobs_job
         WHERE {_UNRUNG} AND queue = %(queue)s ORDER BY priority, coalesce(tenant_id, 0) LIMIT 1)
        UNION ALL
        SELECT next.rank, next.tenant FROM line CROSS JOIN LATERAL (
            SELECT priority AS rank, coalesce(tenant_id, 0) AS tenant FROM jobs_job
            WHERE {_UNRUNG} AND queue = %(queue)s AND (priority, coalesce(tenant_id, 0)) > (line.rank, line.tenant)
            ORDER BY priority, coalesce(tenant_id, 0) LIMIT 1) next),
    busy AS (
        SELECT coalesce(tenant_id, 0) AS tenant, count(*) AS jobs FROM jobs_job
        WHERE queue = %(queue)s
            AND (state = '{State.RUNNING}' OR (state = '{State.QUEUED}' AND dispatched_at IS NOT NULL))
        GROUP BY coalesce(tenant_id, 0))
    SELECT {_CANDIDATE} FROM line CROSS JOIN LATERAL (
        SELECT {_CANDIDATE}, row_number() OVER (ORDER BY id) AS place FROM jobs_job
        WHERE {_UNRUNG} AND queue = %(queue)s AND priority = line.rank AND coalesce(tenant_id, 0) = line.tenant
            AND {_OPEN}
        ORDER BY id LIMIT %(room)s) job
    LEFT JOIN busy ON busy.tenant = line.tenant
    ORDER BY priority, place + coalesce(busy.jobs, 0), id LIMIT %(most)s"""


def _queues_waiting() -> list[str]:
    """Return the queues that have jobs to ring for."""
    with connection.cursor() as cursor:
        cursor.execute(_QUEUES_WAITING, {"seconds": settings.JOBS["BELL_SECONDS"]})
        return [row[0] for row in cursor.fetchall()]


def _next_bells(queue: str, *, gates: Gates, room: int) -> list[Bell]:
    """Mark the next jobs of a queue, by priority, turn and age, as rung for; return their bells."""
    if room <= 0:
        return []

    def candidates(closed: dict[str, list[str]]) -> list[Candidate]:
        found = _candidates(_NEXT, {"queue": queue, "room": room, "most": room * 4, **closed})
        # Where there is room for less than ten, chance gives the patient their tenth of all turns.
        first = random.randrange(10)  # noqa: S311 -- spreads turns
        return with_patience(found, now=gates.now, seconds=settings.JOBS["PATIENCE_SECONDS"], turns_before=first)

    return _mark(choose(candidates, gates=gates, room=room))


def with_patience(found: list[Candidate], *, now: datetime, seconds: float, turns_before: int = 0) -> list[Candidate]:
    """Return the jobs with every tenth turn given to the oldest one that has waited for so long.

    `turns_before`: how many of the first ten turns are over already.
    """
    waited = [job for job in found if now - made_at(job.id) > timedelta(seconds=seconds)]
    impatient, line = iter(sorted(waited, key=lambda job: job.id)), iter(found)
    placed: dict[Any, Candidate] = {}
    for turn in range(turns_before, turns_before + len(found)):
        first, second = (impatient, line) if turn % 10 == 9 else (line, impatient)
        job = _next_unplaced(first, placed) or _next_unplaced(second, placed)
        if job:
            placed[job.id] = job
    return list(placed.values())


def _next_unplaced(line: Iterator[Candidate], placed: dict[Any, Candidate]) -> Candidate | None:
    return next((job for job in line if job.id not in placed), None)


def _crashed_bells(queue: str, *, gates: Gates, is_apart: bool, lane: list[str]) -> list[Bell]:
    """Mark jobs whose worker died; they are run apart, each alone, where somebody serves the quarantine."""
    sql = f"""SELECT {_CANDIDATE} FROM jobs_job
        WHERE {_CRASHED} AND queue = %(queue)s AND dispatched_at IS NULL AND {_OPEN} ORDER BY id LIMIT {CHUNK}"""
    chosen = choose(lambda closed: _candidates(sql, {"queue": queue, **closed}), gates=gates, room=CHUNK)
    lanes = [*lane, *clients.lane(QUARANTINE)]
    bells = _mark(chosen) + _lost_bells(queue, f"{_CRASHED} AND {_RUNG_LONG_AGO}", gates=gates, lane=lanes)
    return [replace(bell, queue=QUARANTINE) for bell in bells] if is_apart else bells


def _lost_bells(queue: str, which: str, *, gates: Gates, lane: list[str]) -> list[Bell]:
    """Mark again what was rung for a while ago and is in no lane: lost, or in a dead worker's hands.

    It counts as in flight since it was rung for the first time, so limits are not asked again.
    """
    sql = f"""SELECT {_CANDIDATE} FROM jobs_job WHERE {which} AND queue = %(queue)s
        ORDER BY dispatched_at LIMIT %(room)s"""
    waiting = set(lane)
    room = len(waiting) + settings.JOBS["LANE_LENGTH"]
    found = _candidates(sql, {"queue": queue, "room": room, "seconds": float(settings.JOBS["BELL_SECONDS"])})
    return _mark([job for job in found if f"{job.id}:{job.fence}" not in waiting and not gates.is_paused(job)])


def _candidates(sql: str, params: dict[str, Any]) -> list[Candidate]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [Candidate(*row) for row in cursor.fetchall()]


def _mark(jobs: list[Candidate]) -> list[Bell]:
    """Note that the jobs' bells ring now; return the bells of those that nobody else has taken meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE jobs_job SET dispatched_at = clock_timestamp() WHERE id = ANY(ARRAY(
                SELECT id FROM jobs_job WHERE id = ANY(%(ids)s) AND state = '{State.QUEUED}'
                FOR UPDATE SKIP LOCKED)) RETURNING id""",
            {"ids": [job.id for job in jobs]},
        )
        marked = {row[0] for row in cursor.fetchall()}
    return [Bell(job.id, job.fence, job.actor, job.queue) for job in jobs if job.id in marked]

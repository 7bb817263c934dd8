"""Which waiting jobs get their bell now: by priority, in turns among tenants, past open gates, into short lanes."""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.db import connection

from modules.jobs import clients
from modules.jobs.clients import Bell, BrokerDown, LaneBroken
from modules.jobs.domain import State
from modules.jobs.selectors import PAUSED
from modules.jobs.services._gates import Candidate, Closed, Gates, choose, read_gates
from modules.jobs.services._turns import Turns, save_turns

QUARANTINE = "quarantine"  # the queue whose only pool runs jobs one by one
CHUNK = 500  # crashed jobs that are looked at in one pass


def choose_bells() -> list[Bell]:
    """Mark and return the bells to ring now: for what waits, and again for what got lost."""
    gates = read_gates()
    if gates.paused:
        _unring_paused()
    threads = _threads_by_queue()
    queues = _queues_waiting()
    bells: list[Bell] = []
    # Without a broker nothing is lost: rows that were marked here are rung for when their bells count as lost.
    with suppress(BrokerDown):
        for waiting in queues:
            bells += _bells_of(waiting, gates=gates, threads=threads)
    gates.windows.save()
    save_turns([waiting.turns for waiting in queues], now=gates.now)
    return bells


def _bells_of(waiting: "_Waiting", *, gates: Gates, threads: dict[str, int]) -> list[Bell]:
    queue = waiting.turns.queue
    lane = _lane(queue)
    bells = _next_bells(waiting.turns, gates=gates, room=lane_room(threads.get(queue, 0)) - len(lane))
    if waiting.has_stale:
        bells += _lost_bells(queue, _STALE, lane=lane)
    if waiting.has_crashed:
        bells += _crashed_bells(queue, gates=gates, is_apart=QUARANTINE in threads, lane=lane)
    return bells


def _lane(queue: str) -> list[str]:
    """Return the keys of the bells in a lane, which becomes one again if something else has taken its name."""
    try:
        return clients.lane(queue)
    except LaneBroken:
        clients.mend_lane(queue)
        return []


def _unring_paused() -> None:
    """Let what is paused wait without a bell, or it would hold limits that others could use.

    Whoever hears such a bell starts nothing. When somebody resumes the job, it passes its gates again.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE jobs_job SET dispatched_at = NULL
            WHERE state = '{State.QUEUED}' AND dispatched_at IS NOT NULL AND {PAUSED}"""
        )


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
OPEN = """NOT actor = ANY(%(actors)s) AND NOT resource = ANY(%(resources)s) AND NOT queue = ANY(%(queues)s)
            AND NOT coalesce(tenant_id::text, '') = ANY(%(tenants)s)"""
_RUNG_LONG_AGO = "dispatched_at < clock_timestamp() - make_interval(secs => %(seconds)s)"
_STALE = f"state = '{State.QUEUED}' AND crashes = 0 AND {_RUNG_LONG_AGO}"
CANDIDATE = "id, fence, actor, queue, tenant_id, resource, priority"

# Steps from queue to queue along the index; a DISTINCT would read every waiting row.
_QUEUES_WAITING = f"""
    WITH RECURSIVE step AS (
        (SELECT queue FROM jobs_job WHERE {_UNRUNG} ORDER BY queue LIMIT 1)
        UNION ALL
        SELECT (SELECT job.queue FROM jobs_job job WHERE {_UNRUNG} AND job.queue > step.queue
                ORDER BY job.queue LIMIT 1)
        FROM step WHERE step.queue IS NOT NULL)
    SELECT queue, bool_or(is_stale), bool_or(is_crashed),
        coalesce(max(since_patience), 0), coalesce(max(last_tenants::text), '{{}}')
    FROM (
        SELECT queue, FALSE AS is_stale, FALSE AS is_crashed FROM step WHERE queue IS NOT NULL
        UNION SELECT queue, TRUE, FALSE FROM jobs_job WHERE {_STALE}
        UNION SELECT queue, FALSE, TRUE FROM jobs_job WHERE {_CRASHED}) AS waiting
    LEFT JOIN jobs_queueturn USING (queue) GROUP BY queue ORDER BY max(served_at) NULLS FIRST, queue"""

# The same steps through a queue's priorities and tenants: from each the oldest jobs, which then take turns.
# A tenant's turn counts from what it has in flight, so that a newcomer goes before the next of a busy one; among
# equals it is with whoever comes after the tenant that had the last one. Beside that line, those who have waited
# for too long, whatever their priority.
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
        GROUP BY coalesce(tenant_id, 0)),
    pair AS (
        SELECT line.rank, line.tenant, jobs,
            line.tenant <= coalesce((%(last)s::jsonb ->> line.rank::text)::bigint, -1) AS had_turn,
            CASE WHEN %(is_deep)s THEN %(room)s ELSE least(%(room)s, greatest(1, 1 + %(patient)s - jobs
                + ceil((%(most)s + sum(jobs) OVER alike) / count(*) OVER alike)))::int END AS depth
        FROM line CROSS JOIN LATERAL (
            SELECT coalesce(max(busy.jobs), 0) AS jobs FROM busy WHERE busy.tenant = line.tenant) AS flight
        WHERE NOT line.tenant::text = ANY(%(tenants)s)
        WINDOW alike AS (PARTITION BY line.rank)),
    found AS MATERIALIZED (
        SELECT job.*, place + jobs AS turn, had_turn, tenant, place = depth AND depth < %(room)s AS is_cut
        FROM pair CROSS JOIN LATERAL (
            SELECT {CANDIDATE}, run_at, row_number() OVER (ORDER BY id) AS place FROM jobs_job
            WHERE {_UNRUNG} AND queue = %(queue)s AND priority = pair.rank AND coalesce(tenant_id, 0) = pair.tenant
                AND {OPEN}
            ORDER BY id LIMIT pair.depth) job)
    SELECT {CANDIDATE}, turn, is_cut, is_patient FROM (
        (SELECT *, FALSE AS is_patient FROM found
         ORDER BY priority, turn, had_turn, tenant, id LIMIT %(most)s)
        UNION ALL
        (SELECT *, TRUE FROM found WHERE run_at < clock_timestamp() - make_interval(secs => %(patience)s)
         ORDER BY run_at, id LIMIT CASE WHEN %(patient)s > 0 THEN %(room)s + %(patient)s ELSE 0 END)) AS lines
    ORDER BY is_patient, CASE WHEN is_patient THEN run_at END, CASE WHEN is_patient THEN id END,
        priority, turn, had_turn, tenant, id"""


@dataclass(frozen=True)
class _Waiting:
    """A queue with something to ring for."""

    turns: Turns
    has_stale: bool
    has_crashed: bool


def _queues_waiting() -> list[_Waiting]:
    with connection.cursor() as cursor:
        cursor.execute(_QUEUES_WAITING, {"seconds": settings.JOBS["BELL_SECONDS"]})
        return [
            _Waiting(Turns.of(queue, *turns), has_stale, has_crashed)
            for queue, has_stale, has_crashed, *turns in cursor.fetchall()
        ]


def _next_bells(turns: Turns, *, gates: Gates, room: int) -> list[Bell]:
    """Mark the next jobs of a queue, by priority, turn and age, as rung for; return their bells."""
    if room <= 0 or gates.is_shut(("queue", turns.queue)):
        return []
    line = _Line(turns, room=room)
    chosen = choose(line.next, gates=gates, room=room)
    turns.note(chosen, room=room)
    return mark(chosen)


class _Line:
    """A queue's next jobs. Of each tenant no more are read than it takes for all to have their turns."""

    def __init__(self, turns: Turns, *, room: int) -> None:
        self._turns, self._room = turns, room
        self._params: dict[str, Any] = {
            "queue": turns.queue,
            "room": room,
            "most": room * 4,
            "patience": float(settings.JOBS["PATIENCE_SECONDS"]),
            "patient": turns.patient_turns(room),
            "last": json.dumps(turns.last_tenants),
            "is_deep": False,
        }

    def next(self, closed: Closed) -> list[Candidate]:
        """Return the next jobs in turn that no closed gate holds back, and enough of them."""
        found = self._read(closed)
        if not self._params["is_deep"] and self._is_short([entry for entry in found if not entry.is_patient]):
            self._params["is_deep"] = True
            found = self._read(closed)
        line = [entry.job for entry in found if not entry.is_patient]
        return self._turns.arrange(line, [entry.job for entry in found if entry.is_patient])

    def _read(self, closed: Closed) -> list["_Entry"]:
        with connection.cursor() as cursor:
            cursor.execute(_NEXT, {**self._params, **closed})
            return [
                _Entry(Candidate(*job), turn, is_cut, is_patient)
                for *job, turn, is_cut, is_patient in cursor.fetchall()
            ]

    def _is_short(self, line: list["_Entry"]) -> bool:
        """Return whether a job that was not read, of a tenant with few neighbors, might come before one that was."""
        last = line[: self._room][-1:]
        return any(
            entry.is_cut and (len(line) < self._room or (entry.job.priority, entry.turn + 1) < last[0].place)
            for entry in line
        )


@dataclass(frozen=True)
class _Entry:
    job: Candidate
    turn: int
    is_cut: bool
    """Whether more of its tenant may wait behind it."""
    is_patient: bool

    @property
    def place(self) -> tuple[int, int]:
        return self.job.priority, self.turn


def _crashed_bells(queue: str, *, gates: Gates, is_apart: bool, lane: list[str]) -> list[Bell]:
    """Mark jobs whose worker died; they are run apart, each alone, where somebody serves the quarantine."""
    sql = f"""SELECT {CANDIDATE} FROM jobs_job
        WHERE {_CRASHED} AND queue = %(queue)s AND dispatched_at IS NULL AND {OPEN} ORDER BY id LIMIT {CHUNK}"""
    chosen = choose(lambda closed: read_candidates(sql, {"queue": queue, **closed}), gates=gates, room=CHUNK)
    lanes = [*lane, *_lane(QUARANTINE)]
    bells = mark(chosen) + _lost_bells(queue, f"{_CRASHED} AND {_RUNG_LONG_AGO}", lane=lanes)
    return [replace(bell, queue=QUARANTINE) for bell in bells] if is_apart else bells


def _lost_bells(queue: str, which: str, *, lane: list[str]) -> list[Bell]:
    """Mark again what was rung for a while ago and is in no lane: lost, or in a dead worker's hands.

    It counts as in flight since it was rung for the first time, so limits are not asked again.
    """
    sql = f"""SELECT {CANDIDATE} FROM jobs_job WHERE {which} AND queue = %(queue)s
        ORDER BY dispatched_at LIMIT %(room)s"""
    waiting = set(lane)
    room = len(waiting) + settings.JOBS["LANE_LENGTH"]
    found = read_candidates(sql, {"queue": queue, "room": room, "seconds": float(settings.JOBS["BELL_SECONDS"])})
    return mark([job for job in found if f"{job.id}:{job.fence}" not in waiting])


def read_candidates(sql: str, params: dict[str, Any]) -> list[Candidate]:
    """Return the jobs that a query finds whose columns are CANDIDATE."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [Candidate(*row) for row in cursor.fetchall()]


def mark(jobs: list[Candidate]) -> list[Bell]:
    """Note that the jobs' bells ring now; return the bells of those that nobody else has taken meanwhile."""
    if not jobs:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE jobs_job SET dispatched_at = clock_timestamp() WHERE id = ANY(ARRAY(
                SELECT id FROM jobs_job WHERE id = ANY(%(ids)s) AND state = '{State.QUEUED}'
                FOR UPDATE SKIP LOCKED)) RETURNING id""",
            {"ids": [job.id for job in jobs]},
        )
        marked = {row[0] for row in cursor.fetchall()}
    return [Bell(job.id, job.fence, job.actor, job.queue) for job in jobs if job.id in marked]

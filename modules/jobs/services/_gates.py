"""Pauses and limits: what stands between a waiting job and its bell. Read once a pass, by one dispatcher at a time."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from modules.jobs.domain import State
from modules.jobs.models import Limit, Pause
from modules.jobs.selectors import PAUSED
from modules.jobs.services._rates import Windows

SNAPSHOT_SECONDS = 1.0  # how old the sender's view of the gates may be
LOCK = 0x6261636B  # one lets jobs through at a time; it ends with the transaction, so poolers may sit between

Key = tuple[str, str]
"""A gate: its kind and its value, like ("queue", "low")."""

Closed = dict[str, list[str]]
"""Values of gates that nobody passes now, by kind in the plural: the parameters of a query for the others."""


@dataclass(frozen=True)
class Candidate:
    """A job that waits for its bell, with what gates look at."""

    id: Any
    fence: int
    actor: str
    queue: str
    tenant_id: int | None
    resource: str
    priority: int

    def gates(self) -> list[Key]:
        """Return the gates that the job must pass."""
        gates = [("queue", self.queue), ("actor", self.actor)]
        if self.tenant_id is not None:
            gates.append(("tenant", str(self.tenant_id)))
        if self.resource:
            gates.append(("resource", self.resource))
        return gates


@dataclass
class Gates:
    """The gates as they are now, and what this pass has let through."""

    now: datetime
    """By PostgreSQL's clock, because hosts' clocks differ."""
    paused: set[Key]
    limits: dict[Key, list[Limit]]
    windows: Windows
    in_flight: Counter[Key] = field(default_factory=Counter)

    def closed(self, job: Candidate) -> Key | None:
        """Return the first gate that holds the job back, or None."""
        return next((key for key in job.gates() if self.is_shut(key)), None)

    def let_through(self, job: Candidate) -> None:
        """Count a job that gets its bell."""
        for key in job.gates():
            self.in_flight[key] += 1
            for limit in self._limits_of(key):
                if limit.rate_count:
                    self.windows.ring(limit, key[1], bell=(str(job.id), job.fence))

    def is_shut(self, key: Key) -> bool:
        """Return whether a gate is paused or used up."""
        return key in self.paused or any(self._is_full(limit, key) for limit in self._limits_of(key))

    def known_shut(self) -> "Closed":
        """Return the gates that are known to be shut before anybody tries them."""
        kinds = {limit.pk: limit.kind for limits in self.limits.values() for limit in limits}
        known = {*self.paused, *self.in_flight, *((kinds[pk], value) for pk, value in self.windows.uses())}
        shut: Closed = {"queues": [], "actors": [], "tenants": [], "resources": []}
        for kind, value in known:
            if self.is_shut((kind, value)):
                shut[f"{kind}s"].append(value)
        return shut

    def _limits_of(self, key: Key) -> list[Limit]:
        return [*self.limits.get(key, ()), *self.limits.get((key[0], "*"), ())]

    def _is_full(self, limit: Limit, key: Key) -> bool:
        if limit.max_running is not None and self.in_flight[key] >= limit.max_running:
            return True
        return bool(limit.rate_count) and self.windows.room(limit, key[1]) <= 0


def read_gates() -> Gates:
    """Return the gates; two small queries, one more where there are limits, and two where they have rates."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp(), kind, value FROM (SELECT) AS once LEFT JOIN jobs_pause ON TRUE")
        rows = cursor.fetchall()
    now, limits = rows[0][0], list(Limit.objects.all())
    paused = {(kind, value) for _, kind, value in rows if kind}
    gates = Gates(now, paused=paused, limits={}, windows=Windows(limits, now=now))
    for limit in limits:
        gates.limits.setdefault((limit.kind, limit.value), []).append(limit)
    if limits:
        gates.in_flight = _count_in_flight()
    return gates


def _count_in_flight() -> Counter[Key]:
    """Count the jobs that run or have their bell rung, by every gate they passed; who is paused cannot start."""
    counts: Counter[Key] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT queue, actor, tenant_id, resource, count(*) FROM jobs_job
            WHERE state = '{State.RUNNING}'
                OR (state = '{State.QUEUED}' AND dispatched_at IS NOT NULL AND NOT {PAUSED})
            GROUP BY queue, actor, tenant_id, resource"""
        )
        for queue, actor, tenant_id, resource, count in cursor.fetchall():
            for key in Candidate(None, 0, actor, queue, tenant_id, resource, 0).gates():
                counts[key] += count
    return counts


def choose(candidates: Callable[[Closed], Iterable[Candidate]], *, gates: Gates, room: int) -> list[Candidate]:
    """Return at most `room` jobs that may have their bell, and count them.

    `candidates` returns the next jobs in turn, without those behind the gates named in its argument: a
    full gate is asked about once, not once for each of the ten thousand jobs that stand behind it.
    """
    chosen: dict[Any, Candidate] = {}
    closed = gates.known_shut()
    while len(chosen) < room:
        shut_before = sum(map(len, closed.values()))
        for job in candidates(closed):
            if len(chosen) == room or job.id in chosen:
                continue
            if (key := gates.closed(job)) is None:
                gates.let_through(job)
                chosen[job.id] = job
            elif key[1] not in closed[f"{key[0]}s"]:
                closed[f"{key[0]}s"].append(key[1])
        if sum(map(len, closed.values())) == shut_before:
            break
    return list(chosen.values())


class _Snapshot:
    """The gates as a sender sees them: only whether there are any, and how much room a queue's lane has."""

    def __init__(self) -> None:
        self.read_at = float("-inf")
        self.keys: set[Key] = set()

    def refresh(self) -> None:
        if time.monotonic() - self.read_at < SNAPSHOT_SECONDS:
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT kind, value FROM jobs_pause UNION SELECT kind, value FROM jobs_limit")
            self.keys = set(cursor.fetchall())
        self.read_at = time.monotonic()


_snapshot = _Snapshot()


def is_gated(*, queue: str, actor: str, tenant_id: int | None, resource: str) -> bool:
    """Return whether any gate stands on the job's way, so that only the dispatcher may ring for it."""
    _snapshot.refresh()
    if not _snapshot.keys:  # as nearly always; bulk sends ask for each job
        return False
    job = Candidate(None, 0, actor, queue, tenant_id, resource, 0)
    return any(key in _snapshot.keys or (key[0], "*") in _snapshot.keys for key in job.gates())


def pause(*, kind: str, value: str, reason: str = "", paused_by: str = "", now: datetime) -> bool:
    """Close a gate and return True, or False when it is closed already. Running jobs go on to their end."""
    fields = {"reason": reason, "paused_by": paused_by, "paused_at": now}
    return Pause.objects.get_or_create(kind=kind, value=value, defaults=fields)[1]


def resume(*, kind: str, value: str) -> bool:
    """Open a gate and return True, or False when it was open. What waits behind it is rung for at once."""
    if not Pause.objects.filter(kind=kind, value=value).delete()[0]:
        return False
    column = {"queue": "queue", "actor": "actor", "tenant": "tenant_id::text", "resource": "resource"}[kind]
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE jobs_job SET dispatched_at = NULL WHERE state = '{State.QUEUED}' AND {column} = %s", [value]
        )
    return True


def set_limit(
    *,
    kind: str,
    value: str,
    max_running: int | None = None,
    rate_count: int | None = None,
    rate_seconds: int | None = None,
) -> Limit:
    """Set how many may run behind a gate at once and how many may start in a time; value * means each by itself."""
    fields = {"max_running": max_running, "rate_count": rate_count, "rate_seconds": rate_seconds}
    return Limit.objects.update_or_create(kind=kind, value=value, defaults=fields)[0]


def remove_limit(*, kind: str, value: str) -> bool:
    """Take a limit away; return False when there was none."""
    return bool(Limit.objects.filter(kind=kind, value=value).delete()[0])

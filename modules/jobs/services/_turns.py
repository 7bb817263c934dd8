"""Whose turn it is in each queue; a pass of the dispatcher goes on where the one before it stopped."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from modules.jobs.models import QueueTurn
from modules.jobs.services._gates import Candidate

TURNS_BEFORE_PATIENCE = 9
MOST_PRIORITIES = 50  # whose last tenant is remembered; a queue with more of them forgets some


@dataclass
class Turns:
    """The turns of one queue."""

    queue: str
    since_patience: int = 0
    """Turns since one was given to whoever had waited longest; 9 is enough for the next such one."""
    last_tenants: dict[str, int] = field(default_factory=dict)
    """Who had the last turn, by priority; 0 for jobs of nobody."""
    was_served: bool = False
    was_short: bool = False
    """Whether somebody waits on: only then does it matter who is next."""
    _seen: int = 0
    _out_of_turn: set[Any] = field(default_factory=set)

    @classmethod
    def of(cls, queue: str, since_patience: int, last_tenants: str) -> "Turns":
        """Return the turns as the database has them."""
        return cls(queue, since_patience, json.loads(last_tenants))

    def patient_turns(self, room: int) -> int:
        """Return how many of the next turns are for those who have waited longest."""
        return (self.since_patience + room) // (TURNS_BEFORE_PATIENCE + 1)

    def arrange(self, line: Iterable[Candidate], patient: Iterable[Candidate]) -> list[Candidate]:
        """Return all of both in the order of their turns: after nine of `line` one of `patient`, if any is left."""
        in_line, waiting = iter(line), iter(patient)
        placed: dict[Any, Candidate] = {}
        since = self.since_patience
        while True:
            is_out_of_turn = since >= TURNS_BEFORE_PATIENCE
            job = _next(waiting, placed) if is_out_of_turn else None
            is_out_of_turn = job is not None
            job = job or _next(in_line, placed)
            if job is None:
                break
            since = 0 if is_out_of_turn else since + 1
            placed[job.id] = job
            if is_out_of_turn:
                self._out_of_turn.add(job.id)
        placed.update({job.id: job for job in waiting if job.id not in placed})
        self._seen = max(self._seen, len(placed))
        return list(placed.values())

    def note(self, chosen: list[Candidate], *, room: int) -> None:
        """Remember who got a turn."""
        self.was_served = bool(chosen)
        self.was_short = len(chosen) == room or len(chosen) < self._seen
        for job in chosen:
            if job.id in self._out_of_turn:
                self.since_patience = 0
                continue
            self.since_patience = min(self.since_patience + 1, TURNS_BEFORE_PATIENCE)
            self.last_tenants.pop(str(job.priority), None)
            self.last_tenants[str(job.priority)] = job.tenant_id or 0


def save_turns(queues: list[Turns], *, now: datetime) -> None:
    """Keep whose turn is next, where more waits than got its bell; part of the pass's transaction.

    A limit may span queues: the one that was served longest ago comes first in the next pass.
    """
    if not any(turns.was_short for turns in queues):
        return
    QueueTurn.objects.bulk_create(
        [
            QueueTurn(
                queue=turns.queue,
                since_patience=turns.since_patience,
                last_tenants=dict([*turns.last_tenants.items()][-MOST_PRIORITIES:]),
                served_at=now,
            )
            for turns in queues
            if turns.was_served
        ],
        update_conflicts=True,
        unique_fields=["queue"],
        update_fields=["since_patience", "last_tenants", "served_at"],
    )


def _next(jobs: Iterator[Candidate], placed: dict[Any, Candidate]) -> Candidate | None:
    return next((job for job in jobs if job.id not in placed), None)

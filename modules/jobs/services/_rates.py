"""The windows of rate limits: read at the beginning of a dispatcher's pass, kept at its end."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from modules.jobs.domain import State, Window
from modules.jobs.models import Limit, LimitUse

Use = tuple[int, str]
"""What a rate is counted for: the limit, and the value that it limits."""


class Windows:
    """Each rate limit's window, as it is now; what has no row has an empty one."""

    def __init__(self, limits: Iterable[Limit], *, now: datetime) -> None:
        self._now = now
        self._found: dict[Use, Window] = {}
        self._rows: dict[Use, int] = {}
        self._changed: set[Use] = set()
        rated = {limit.pk: limit for limit in limits if limit.rate_count}
        if rated:
            self._read(rated)
            self._answer()
        for window in self._found.values():
            window.forget(now=now)

    def room(self, limit: Limit, value: str) -> int:
        """Return how many more bells may ring behind the limit now."""
        found = self._found.get((limit.pk, value))
        return found.room if found else limit.rate_count or 0

    def ring(self, limit: Limit, value: str, *, bell: tuple[str, int]) -> None:
        """Count a bell."""
        use = (limit.pk, value)
        self._found.setdefault(use, _window(limit)).ring(bell)
        self._changed.add(use)

    def uses(self) -> Iterable[Use]:
        """Return what there are windows of."""
        return self._found.keys()

    def save(self) -> None:
        """Keep what changed, and nothing of what is over; part of the pass's transaction."""
        over = [row for use, row in self._rows.items() if self._found[use].is_empty]
        if over:
            LimitUse.objects.filter(pk__in=over).delete()
        LimitUse.objects.bulk_create(
            [self._row(use) for use in sorted(self._changed) if not self._found[use].is_empty],
            update_conflicts=True,
            unique_fields=["limit", "value"],
            update_fields=["next_at", "starts", "bells"],
        )

    def _read(self, rated: dict[int, Limit]) -> None:
        rows = LimitUse.objects.filter(limit__in=rated).values_list("pk", "limit_id", "value", "starts", "bells")
        for row, limit_id, value, starts, bells in rows:
            window = _window(rated[limit_id])
            window.starts = Counter(dict(starts))
            window.bells = {(job_id, fence) for job_id, fence in bells}
            self._found[limit_id, value] = window
            self._rows[limit_id, value] = row

    def _answer(self) -> None:
        """Find out what came of the bells that rang in passes before."""
        waiting = {bell for window in self._found.values() for bell in window.bells}
        if not waiting:
            return
        jobs = _jobs_of({job_id for job_id, _ in waiting})
        for use, window in self._found.items():
            for bell in list(window.bells):
                if self._settle(window, bell, jobs.get(bell[0])):
                    self._changed.add(use)

    def _settle(self, window: Window, bell: tuple[str, int], job: "_Job | None") -> bool:
        """Count what started, drop what cannot start any more; return whether the bell is answered."""
        if job is None or job.starts > bell[1]:
            # Of a job that started again since, or was deleted, the time is not known: then it counts from now.
            known = job.started_at if job and job.starts == bell[1] + 1 else None
            window.note_start(bell, started_at=known or self._now)
        elif not job.is_rung:
            window.drop(bell)
        else:
            return False
        return True

    def _row(self, use: Use) -> LimitUse:
        window = self._found[use]
        return LimitUse(
            limit_id=use[0],
            value=use[1],
            next_at=window.opens_at(now=self._now),
            starts=sorted(window.starts.items()),
            bells=sorted(window.bells),
        )


def _window(limit: Limit) -> Window:
    return Window(most=limit.rate_count or 0, seconds=limit.rate_seconds or 0)


@dataclass(frozen=True)
class _Job:
    starts: int
    is_rung: bool
    """Whether its bell rings, or has rung, for the next start."""
    started_at: datetime | None


def _jobs_of(ids: set[str]) -> dict[str, _Job]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT id::text, fence, state = '{State.QUEUED}' AND dispatched_at IS NOT NULL, started_at
            FROM jobs_job WHERE id = ANY(%s::uuid[])""",
            [list(ids)],
        )
        return {job_id: _Job(*rest) for job_id, *rest in cursor.fetchall()}

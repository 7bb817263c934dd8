"""Each queue as an operator looks at it: what waits, who serves it, how it did lately."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Sum

from modules.jobs.domain import FAILURES
from modules.jobs.models import Limit, Pause, RunMinute
from modules.jobs.selectors._counts import QueueFigures, queue_figures
from modules.jobs.selectors._workers import living_workers

MINUTES = 30  # of runs shown, the one that runs left out
PACE_MINUTES = 5  # the time to empty a queue is told by these


@dataclass(frozen=True)
class QueueBoard:
    """One queue now and in the last half an hour."""

    figures: QueueFigures
    threads: int
    """Of living workers that serve it, among others."""
    runs: list[int]
    """Ended in each of the last MINUTES whole minutes, the oldest first; of all tenants."""
    failed: int
    """Of these runs."""
    pause: Pause | None

    @property
    def per_minute(self) -> float:
        """Return how many runs ended in a minute lately."""
        return sum(self.runs[-PACE_MINUTES:]) / PACE_MINUTES


def queue_boards(*, now: datetime, tenant_ids: list[int] | None = None) -> list[QueueBoard]:
    """Return every queue of the settings or with jobs, pool by pool; waiting jobs of some tenants or of all."""
    found = {row.queue: row for row in queue_figures(tenant_ids=tenant_ids)}
    pauses = {pause.value: pause for pause in Pause.objects.filter(kind=Pause.Kind.QUEUE)}
    runs, threads, minutes = _runs(now), _threads(now), _minutes(now)
    return [
        QueueBoard(
            figures=found.get(queue) or QueueFigures(queue, {}, None),
            threads=threads[queue],
            runs=[runs[queue, minute, False] + runs[queue, minute, True] for minute in minutes],
            failed=sum(runs[queue, minute, True] for minute in minutes),
            pause=pauses.get(queue),
        )
        for queue in dict.fromkeys([*known_queues(), *found, *pauses])
    ]


@dataclass(frozen=True)
class RunsOfMinute:
    """How many runs ended in a minute, and how many of them failed."""

    minute_at: datetime
    runs: int
    failed: int


def runs_by_minute(*, now: datetime, minutes: int = 60) -> list[RunsOfMinute]:
    """Return the last whole minutes, the oldest first, also those without a run; of all tenants."""
    shown = _minutes(now, minutes)
    rows = RunMinute.objects.filter(minute_at__gte=shown[0], minute_at__lte=shown[-1]).order_by()
    runs, failed = Counter[datetime](), Counter[datetime]()
    for minute, outcome, count in rows.values_list("minute_at", "outcome").annotate(runs=Sum("count")):
        runs[minute] += count
        failed[minute] += count if outcome in FAILURES else 0
    return [RunsOfMinute(minute, runs[minute], failed[minute]) for minute in shown]


def other_pauses() -> list[Pause]:
    """Return what is paused besides queues, in order."""
    return list(Pause.objects.exclude(kind=Pause.Kind.QUEUE).order_by("kind", "value"))


def limits() -> list[Limit]:
    """Return all limits, in order of what they limit."""
    return list(Limit.objects.order_by("kind", "value"))


def known_queues() -> Iterator[str]:
    """Return the queues of the settings, pool by pool."""
    pools: dict[str, list[str]] = settings.JOBS["POOLS"]
    return (queue for queues in pools.values() for queue in queues)


def _minutes(now: datetime, minutes: int = MINUTES) -> list[datetime]:
    this = now.replace(second=0, microsecond=0)
    return [this - timedelta(minutes=back) for back in range(minutes, 0, -1)]


def _runs(now: datetime) -> Counter[tuple[str, datetime, bool]]:
    """Return how many runs ended by queue and minute, and whether they failed."""
    minutes = _minutes(now)
    rows = RunMinute.objects.filter(minute_at__gte=minutes[0], minute_at__lte=minutes[-1])
    found = Counter[tuple[str, datetime, bool]]()
    for queue, minute, outcome, count in (
        rows.order_by().values_list("queue", "minute_at", "outcome").annotate(runs=Sum("count"))
    ):
        found[queue, minute, outcome in FAILURES] += count
    return found


def _threads(now: datetime) -> Counter[str]:
    threads = Counter[str]()
    for worker in living_workers(now=now):
        threads.update(dict.fromkeys(worker.queues, worker.threads))
    return threads

"""Questions to the ledger."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Min, QuerySet

from modules.jobs.clients import Bell
from modules.jobs.domain import ALIVE, DEAD_LETTERS, State, next_times
from modules.jobs.models import Job, JobSchedule


@dataclass(frozen=True)
class QueueFigures:
    """One queue now: jobs by state, and since when its oldest ready job waits."""

    queue: str
    states: dict[str, int]
    oldest_queued_at: datetime | None


def job_states() -> dict[str, int]:
    """Return how many jobs there are in each state, every state named, also with 0."""
    found = Job.objects.order_by().values("state").annotate(count=Count("id"))
    counts = {row["state"]: row["count"] for row in found}
    return {str(state): counts.get(state, 0) for state in State}


def queue_figures() -> list[QueueFigures]:
    """Return a row for each queue with unfinished jobs, in order of name."""
    alive = Job.objects.filter(state__in=ALIVE)
    states: dict[str, Counter[str]] = {}
    for row in alive.order_by("queue").values("queue", "state").annotate(count=Count("id")):
        states.setdefault(row["queue"], Counter())[row["state"]] = row["count"]
    waiting = alive.filter(state=State.QUEUED).order_by().values("queue").annotate(oldest=Min("run_at"))
    oldest = {row["queue"]: row["oldest"] for row in waiting}
    return [QueueFigures(queue, dict(counts), oldest.get(queue)) for queue, counts in states.items()]


def is_quiet() -> bool:
    """Return whether no job waits or runs."""
    return not Job.objects.filter(state__in=ALIVE).exists()


def dead_letters() -> "QuerySet[Job]":
    """Return the failed and quarantined jobs, newest first."""
    return Job.objects.filter(state__in=DEAD_LETTERS).order_by("-finished_at", "-id")


def get_job(job_id: UUID) -> Job:
    """Return the job; raises Job.DoesNotExist."""
    return Job.objects.get(id=job_id)


def upcoming(schedule: JobSchedule, *, after: datetime, count: int) -> list[datetime]:
    """Return the schedule's next due times in UTC; raises InvalidSchedule."""
    return next_times(schedule.effective_cron, schedule.effective_timezone, after=after, count=count)


def next_bell(queues: Sequence[str] = ()) -> Bell | None:
    """Return the bell of the job that should start next in these queues (all when empty), or None."""
    ready = Job.objects.filter(state=State.QUEUED)
    if queues:
        ready = ready.filter(queue__in=queues)
    job = ready.order_by("priority", "id").first()
    return Bell(job.id, job.fence, job.actor, job.queue) if job else None

"""Questions to the ledger."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Min, Q, QuerySet

from modules.jobs.clients import Bell
from modules.jobs.domain import ALIVE, DEAD_LETTERS, WAITING, State, next_times
from modules.jobs.models import MADE, Attempt, Job, JobSchedule, Pause, Worker


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


def get_tenant_job(job_id: UUID, *, tenant_id: int) -> Job:
    """Return the tenant's job; raises Job.DoesNotExist, for another's too."""
    return Job.objects.get(id=job_id, tenant_id=tenant_id)


def tenant_jobs(*, tenant_id: int, before: UUID | None, limit: int, **conditions: Any) -> list[Job]:
    """Return the tenant's jobs that fulfill the conditions (lookups of Job), newest first, without their payloads.

    A page goes on where `before`, the last id of the page before, ended: jobs that came since shift nothing.
    """
    found = Job.objects.filter(tenant_id=tenant_id, **conditions).order_by("-id")
    if before is not None:
        found = found.filter(id__lt=before)
    return list(found.defer("arguments", "result", "checkpoint")[:limit])


def attempts(job_id: UUID, *, limit: int) -> list[Attempt]:
    """Return the newest runs of a job, oldest first, without logs and tracebacks."""
    newest = Attempt.objects.filter(job_id=job_id).order_by("-number").defer("log", "traceback")[:limit]
    return list(reversed(newest))


@dataclass(frozen=True)
class ActorFigures:
    """One actor's jobs of one tenant."""

    actor: str
    active: int = 0
    waiting: int = 0
    delayed: int = 0
    failed: int = 0
    """Dead letters now, whatever their age."""
    failed_today: int = 0
    """Of those that ended in the last 24 hours."""
    succeeded_today: int = 0
    throughput: int = 0
    """Jobs that succeeded in the last hour."""

    @property
    def failed_rate(self) -> float:
        """Return the percentage that failed, of the last 24 hours' jobs; 0 when none ended."""
        ended = self.failed_today + self.succeeded_today
        return round(100 * self.failed_today / ended, 1) if ended else 0.0


def actor_figures(*, tenant_id: int, now: datetime) -> dict[str, ActorFigures]:
    """Return the figures of each actor that has jobs of the tenant to count."""
    dead, succeeded = Q(state__in=DEAD_LETTERS), Q(state=State.SUCCEEDED)
    today, hour = Q(finished_at__gte=now - timedelta(days=1)), Q(finished_at__gte=now - timedelta(hours=1))
    alive = Q(finished_at__isnull=True)
    counts = (
        Job.objects.filter(alive | today | dead, tenant_id=tenant_id)
        .order_by()
        .values("actor")
        .annotate(
            active=Count("id", filter=Q(state=State.RUNNING)),
            waiting=Count("id", filter=Q(state=State.QUEUED)),
            delayed=Count("id", filter=Q(state__in=WAITING)),
            failed=Count("id", filter=dead),
            failed_today=Count("id", filter=dead & today),
            succeeded_today=Count("id", filter=succeeded & today),
            throughput=Count("id", filter=succeeded & hour),
        )
    )
    return {row["actor"]: ActorFigures(**row) for row in counts}


def paused_gates() -> set[tuple[str, str]]:
    """Return what is paused: its kind and its value, like ("queue", "low")."""
    return set(Pause.objects.values_list("kind", "value"))


def count_tenant_jobs(*, tenant_id: int) -> int:
    """Return how many jobs of the tenant the ledger holds."""
    return Job.objects.filter(tenant_id=tenant_id).count()


def has_live_workers(*, now: datetime) -> bool:
    """Return whether some worker process holds its lease."""
    return Worker.objects.filter(lease_until__gt=now).exists()


def tenant_schedules(*, tenant_id: int) -> "QuerySet[JobSchedule]":
    """Return the schedules that the tenant made, oldest first."""
    return JobSchedule.objects.filter(tenant_id=tenant_id, is_declared=False).order_by("id")


def get_tenant_schedule(public_id: UUID, *, tenant_id: int) -> JobSchedule:
    """Return the tenant's schedule; raises JobSchedule.DoesNotExist, for another's too."""
    return tenant_schedules(tenant_id=tenant_id).get(key=f"{MADE}{public_id}")


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

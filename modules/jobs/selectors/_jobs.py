"""Jobs one by one: found, listed, with their runs."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import F, Min, QuerySet

from modules.jobs.domain import ALIVE, DEAD_LETTERS, WAITING, State
from modules.jobs.models import Attempt, Job, JobChange


def long_runs(*, started_before: datetime, limit: int) -> list[Job]:
    """Return at most `limit` running jobs that started before then, the oldest first."""
    return list(Job.objects.filter(state=State.RUNNING, started_at__lt=started_before).order_by("started_at")[:limit])


def is_quiet() -> bool:
    """Return whether no job waits or runs."""
    return not Job.objects.filter(state__in=ALIVE).exists()


def dead_letters() -> "QuerySet[Job]":
    """Return the failed and quarantined jobs, newest first."""
    return Job.objects.filter(state__in=DEAD_LETTERS).order_by("-finished_at", "-id")


def newest_jobs(*, limit: int, **conditions: str) -> list[Job]:
    """Return the newest jobs whose columns have these values."""
    return list(Job.objects.filter(**conditions).order_by("-id")[:limit])


def oldest_resting(*, created_before: datetime) -> dict[str, datetime]:
    """Return when each actor's oldest job was sent that has run, rests, and was sent before then; others are left out.

    What was sent for a far day and has not run yet is as it should be.
    """
    resting = Job.objects.filter(state__in=WAITING, fence__gt=0, created_at__lt=created_before).order_by()
    return dict(resting.values_list("actor").annotate(oldest=Min("created_at")))


def get_job(job_id: UUID) -> Job:
    """Return the job; raises Job.DoesNotExist."""
    return Job.objects.get(id=job_id)


def job_changes(job_id: UUID, *, limit: int) -> list[JobChange]:
    """Return the newest changes of a job's arguments, newest first."""
    return list(JobChange.objects.filter(job_id=job_id).order_by("-id")[:limit])


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
    return list(found.defer("arguments", "result", "checkpoint", "chain")[:limit])


def attempts(job_id: UUID, *, limit: int) -> list[Attempt]:
    """Return the newest runs of a job, oldest first, without logs and tracebacks."""
    newest = Attempt.objects.filter(job_id=job_id).order_by("-number").defer("log", "traceback")[:limit]
    return list(reversed(newest))


def attempts_of(job_ids: Sequence[UUID], *, limit: int) -> dict[UUID, list[Attempt]]:
    """Return the newest `limit` runs of each job, oldest first, tracebacks included, from one query for all."""
    found: dict[UUID, list[Attempt]] = {job_id: [] for job_id in job_ids}
    # A run's number is the fence it ran under.
    newest = Attempt.objects.filter(job_id__in=found, number__gt=F("job__fence") - limit)
    for attempt in newest.order_by("job_id", "number").defer("log"):
        found[attempt.job_id].append(attempt)
    return found

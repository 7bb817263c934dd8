"""What runs by itself, and when."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection
from django.db.models import OuterRef, QuerySet, Subquery

from modules.jobs.domain import InvalidSchedule, next_times
from modules.jobs.models import MADE, Bookmark, Job, JobSchedule, ScheduleFiring

TAG = "schedule:"  # begins the tag that names a job's schedule


def schedule_lags(*, now: datetime) -> dict[str, float]:
    """Return for each schedule that runs by how many seconds its oldest unevaluated time has passed, 0 if none has.

    The scheduler's own minute is in it as `jobs.tick`, once it has ticked. A schedule whose line cannot be
    followed is left out: it has a problem, not a lag.
    """
    lags = {}
    for schedule in JobSchedule.objects.order_by("key"):
        with suppress(InvalidSchedule):
            if schedule.runs:
                due = upcoming(schedule, after=schedule.evaluated_until, count=1)
                lags[schedule.key] = max((now - due[0]).total_seconds(), 0.0) if due else 0.0
    ticked_at = Bookmark.objects.values_list("ticked_at", flat=True).first()
    if ticked_at is not None:
        lags["jobs.tick"] = max((now - ticked_at - timedelta(minutes=1)).total_seconds(), 0.0)
    return lags


def stuck_schedules() -> list[str]:
    """Return the keys of the schedules that should run and cannot, or whose last time was missed, in order."""
    last = ScheduleFiring.objects.filter(schedule=OuterRef("pk")).order_by("-due_at").values("outcome")[:1]
    found = JobSchedule.objects.annotate(last=Subquery(last)).order_by("key")
    return [one.key for one in found if one.runs and (one.problem or one.last == ScheduleFiring.Outcome.MISSED)]


def schedules(*, limit: int) -> list[JobSchedule]:
    """Return at most `limit` schedules, by key."""
    return list(JobSchedule.objects.order_by("key")[:limit])


def get_schedule(key: str) -> JobSchedule:
    """Return the schedule; raises JobSchedule.DoesNotExist."""
    return JobSchedule.objects.get(key=key)


def schedules_of_jobs(job_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Return the keys of the schedules that sent these jobs, by job; jobs that none sent are left out."""
    if not job_ids:
        return {}
    tagged = Job.objects.filter(id__in=job_ids).values_list("id", "tags")
    return {job_id: tag.removeprefix(TAG) for job_id, tags in tagged for tag in tags if tag.startswith(TAG)}


def newest_firings(schedule: JobSchedule, *, limit: int) -> list[ScheduleFiring]:
    """Return what came of the schedule's last due times, newest first, at most `limit`."""
    return list(ScheduleFiring.objects.filter(schedule=schedule).order_by("-id")[:limit])


def tenant_schedules(*, tenant_id: int) -> "QuerySet[JobSchedule]":
    """Return the schedules that the tenant made, oldest first."""
    return JobSchedule.objects.filter(tenant_id=tenant_id, is_declared=False).order_by("id")


def get_tenant_schedule(public_id: UUID, *, tenant_id: int) -> JobSchedule:
    """Return the tenant's schedule; raises JobSchedule.DoesNotExist, for another's too."""
    return tenant_schedules(tenant_id=tenant_id).get(key=f"{MADE}{public_id}")


def upcoming(schedule: JobSchedule, *, after: datetime, count: int) -> list[datetime]:
    """Return the schedule's next times at which it runs, in UTC; raises InvalidSchedule."""
    return next_times(schedule.timetable, after=after, count=count)


def next_run(schedule: JobSchedule, *, now: datetime) -> datetime | None:
    """Return when the schedule runs next; None when it is off, cannot be followed, or runs no more."""
    if not schedule.runs:
        return None
    try:
        return next(iter(upcoming(schedule, after=now, count=1)), None)
    except InvalidSchedule:
        return None


@dataclass(frozen=True)
class PastRun:
    """One due time of a schedule and what came of it; `state` is the job's now, "" where it is gone or was none."""

    due_at: datetime
    outcome: str
    state: str
    took: timedelta | None


_LAST_RUNS = """
    SELECT wanted.id, last.due_at, last.outcome, coalesce(job.state, ''), CASE WHEN job.started_at IS NOT NULL
        THEN coalesce(job.finished_at, clock_timestamp()) - job.started_at END
    FROM unnest(%s::bigint[]) AS wanted(id) CROSS JOIN LATERAL (
        SELECT * FROM jobs_schedulefiring WHERE schedule_id = wanted.id ORDER BY due_at DESC LIMIT %s) AS last
    LEFT JOIN jobs_job job ON job.id = last.job_id AND (%s::bigint[] IS NULL OR job.tenant_id = ANY(%s))
    ORDER BY wanted.id, last.due_at"""


def last_runs(
    schedule_ids: Sequence[int], *, limit: int, tenant_ids: list[int] | None = None
) -> dict[int, list[PastRun]]:
    """Return the newest `limit` due times of each schedule, the oldest first; jobs of some tenants, or of all."""
    found: dict[int, list[PastRun]] = {schedule_id: [] for schedule_id in schedule_ids}
    with connection.cursor() as cursor:
        cursor.execute(_LAST_RUNS, [list(schedule_ids), limit, tenant_ids, tenant_ids])
        for schedule_id, *values in cursor.fetchall():
            found[schedule_id].append(PastRun(*values))
    return found

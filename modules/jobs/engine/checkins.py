"""What Sentry hears of schedules: a check-in when a run is sent, another when it has ended, nothing of arguments.

Only of schedules that modules declare: a tenant's own would be a monitor each, which are paid for one by one.
Without a DSN nothing is sent anywhere, and nothing is asked of the database.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import sentry_sdk
from django.conf import settings
from django.dispatch import receiver
from sentry_sdk.crons import capture_checkin

from modules.jobs import selectors
from modules.jobs.domain import (
    DISCARD,
    ENDED,
    InvalidSchedule,
    State,
    minutes_at_most,
    minutes_to_next,
    monitor_slug,
    plain_cron,
)
from modules.jobs.events import jobs_moved, schedule_fired, schedule_held_back
from modules.jobs.models import JobSchedule
from modules.jobs.registry import all_schedules, get_spec
from modules.jobs.services import MovedJob
from modules.kernel import clock

if TYPE_CHECKING:
    from sentry_sdk.types import MonitorConfig

MARGIN_MINUTES = 5  # as late as a run may be before it counts as missed here

Status = Literal["in_progress", "ok", "error"]


@receiver([schedule_fired, schedule_held_back], dispatch_uid="jobs.checkins.begun")
def report_begun(*, schedule: str, job_id: UUID, **_: Any) -> None:
    """Tell that a run was sent, or, at a due time that was held back, that the last one goes on still."""
    if not sentry_sdk.get_client().is_active():
        return
    found = selectors.get_schedule(schedule)
    if found.is_declared:
        _send(schedule, job_id, "in_progress", config=_monitor(found))


@receiver(jobs_moved, dispatch_uid="jobs.checkins.ended")
def report_ended(*, move: str, jobs: Iterable[MovedJob], **_: Any) -> None:
    """Tell how runs of schedules ended; a cancelled one has not done what it should, and so is an error."""
    if move == DISCARD.name or not sentry_sdk.get_client().is_active():
        return
    actors = {schedule.actor for schedule in all_schedules()}
    # A tag of a tenant's job is the tenant's word, and names no schedule.
    ended = {job.id: job.state for job in jobs if job.state in ENDED and job.actor in actors and job.tenant_id is None}
    for job_id, schedule in selectors.schedules_of_jobs(list(ended)).items():
        _send(schedule, job_id, "ok" if ended[job_id] == State.SUCCEEDED else "error")


def _send(schedule: str, job_id: UUID, status: Status, *, config: "MonitorConfig | None" = None) -> None:
    capture_checkin(monitor_slug=monitor_slug(schedule), check_in_id=job_id.hex, status=status, monitor_config=config)


def _monitor(schedule: JobSchedule) -> "MonitorConfig | None":
    """Return when the next check-in is to be expected; None when nobody can say.

    A cron line knows no holidays, and would have each of them told as a missed run. Where it does not say all,
    each run tells instead in how many minutes the next one comes.
    """
    shared: MonitorConfig = {"checkin_margin": MARGIN_MINUTES, "max_runtime": _minutes_at_most(schedule.actor)}
    if cron := plain_cron(schedule.timetable):
        shared["timezone"] = schedule.effective_timezone
        shared["schedule"] = {"type": "crontab", "value": cron}
        return shared
    try:
        minutes = minutes_to_next(schedule.timetable, now=clock.now())
    except InvalidSchedule:
        return None
    if minutes is None:
        return None
    shared["schedule"] = {"type": "interval", "value": minutes, "unit": "minute"}
    return shared


def _minutes_at_most(actor: str) -> int:
    spec = get_spec(actor)
    wait = timedelta(seconds=settings.JOBS["HEALTH"]["WAIT_SECONDS"])  # longer, and health says so itself
    return minutes_at_most(time_limit=spec.time_limit, attempts=spec.max_attempts, backoff=spec.backoff, wait=wait)

"""Schedules: a due time is a unique row, written in one transaction with the job that it sends."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext

from modules.jobs.domain import ALIVE, CALENDAR, Due, InvalidSchedule, Timetable, check_times, due
from modules.jobs.models import MADE, Job, JobSchedule, ScheduleFiring
from modules.jobs.registry import InvalidArguments, UnknownActor, all_schedules, get_spec
from modules.jobs.services._enqueue import enqueue
from modules.kernel.ids import uuid7

ON_TIME = timedelta(minutes=5)  # a run this late was not missed
CATCH_UP_WINDOW = timedelta(days=7)  # what is older is not caught up, whatever the policy

Outcome = ScheduleFiring.Outcome

# Where the code's value only begins: an operator's change stands in the same column.
_BEGUN_WITH = "overlap", "catch_up", *CALENDAR


def sync_schedules(*, now: datetime) -> int:
    """Bring the code's defaults into the database and return how many there are; operators' changes stay."""
    declared = all_schedules()
    for schedule in declared:
        defaults = {
            "actor": schedule.actor,
            "description": schedule.description,
            "default_cron": schedule.cron,
            "default_timezone": schedule.timezone,
            "default_options": dict(schedule.options),
            "default_is_enabled": schedule.is_enabled,
        }
        first = {"evaluated_until": now, **{name: getattr(schedule, name) for name in _BEGUN_WITH}}
        JobSchedule.objects.update_or_create(key=schedule.key, defaults=defaults, create_defaults={**defaults, **first})
    keys = [schedule.key for schedule in declared]
    gone = JobSchedule.objects.filter(is_declared=True).exclude(key__in=keys)
    problem = "No module declares this schedule any more."
    gone.update(default_is_enabled=False, is_enabled=None, waiting_due_at=None, problem=problem)
    return len(declared)


def schedule_problems(*, actor: str, timetable: Timetable, options: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong, by the name of the field; empty when the schedule can run."""
    problems = timetable_problems(timetable)
    try:
        get_spec(actor).bind((), dict(options))
    except UnknownActor as error:
        problems["actor"] = str(error)
    except InvalidArguments as error:
        problems["options"] = str(error)
    return problems


def timetable_problems(timetable: Timetable) -> dict[str, str]:
    """Return why nobody could follow the timetable, in the reader's language, by the name of its field, or nothing."""
    try:
        check_times(timetable)
    except InvalidSchedule as error:
        return {error.field: gettext(error.text) % error.values}
    return {}


def change_schedule(schedule: JobSchedule, *, now: datetime) -> None:
    """Save an operator's changes; the new times count from now on, so nothing fires for the past."""
    schedule.evaluated_until = now
    schedule.waiting_due_at = None
    schedule.problem = ""
    schedule.save()


def create_schedule(
    *,
    tenant_id: int,
    actor: str,
    timetable: Timetable,
    options: Mapping[str, Any],
    now: datetime,
    overlap: str = JobSchedule.Overlap.SKIP,
    catch_up: str = JobSchedule.CatchUp.ONE,
) -> JobSchedule:
    """Make a tenant's own schedule and return it; no deploy touches it, and its jobs are the tenant's.

    Nothing is checked here but at each firing: ask `schedule_problems` before.
    """
    rules = {**asdict(timetable), "overlap": overlap, "catch_up": catch_up}
    return JobSchedule.objects.create(
        key=f"{MADE}{uuid7()}",
        tenant_id=tenant_id,
        is_declared=False,
        actor=actor,
        default_cron=rules.pop("cron"),
        default_timezone=rules.pop("timezone"),
        default_options=dict(options),
        evaluated_until=now,
        **rules,
    )


def delete_schedule(schedule: JobSchedule) -> None:
    """Delete a schedule that no module declares; the jobs that it has sent stay. Raises ValueError for others."""
    if schedule.is_declared:
        raise ValueError(f"{schedule.key} is declared in code; switch it off instead.")
    schedule.delete()


def run_schedule_now(*, key: str, now: datetime) -> UUID:
    """Send the schedule's job at once, whatever its times, and return the job's id."""
    with transaction.atomic():
        schedule = JobSchedule.objects.select_for_update().get(key=key)
        return _fire(schedule, due_at=now, now=now)


def fire_due_schedules(*, now: datetime) -> list[UUID]:
    """Send the job of every schedule that is due and return their ids.

    Safe to repeat and to run in many processes: each schedule is held by one of them, and a due time that
    is already in the database fires no second time. A schedule that cannot run is marked and passed over.
    """
    sent = []
    for key in JobSchedule.objects.order_by("key").values_list("key", flat=True):
        with transaction.atomic():
            held = JobSchedule.objects.select_for_update(skip_locked=True).filter(key=key).first()
            if held is not None and held.runs:
                sent += _evaluate(held, now=now)
    return sent


def _evaluate(schedule: JobSchedule, *, now: datetime) -> list[UUID]:
    after = max(schedule.evaluated_until, now - CATCH_UP_WINDOW)
    try:
        passed = list(takewhile(lambda one: one.at <= now, due(schedule.timetable, after=after)))
    except InvalidSchedule as error:
        _mark(schedule, str(error))
        return []
    times = [*_take_waiting(schedule), *(_note_passed(schedule, passed, now=now) if passed else [])]
    return [job_id for due_at in times if (job_id := _fire_due(schedule, due_at, now=now))]


def _take_waiting(schedule: JobSchedule) -> list[datetime]:
    """Return the due time that waits, if its turn has come."""
    waiting = schedule.waiting_due_at
    if waiting is None or _is_running(schedule):
        return []
    _let_wait(schedule, None)
    return [waiting]


def _let_wait(schedule: JobSchedule, due_at: datetime | None) -> None:
    schedule.waiting_due_at = due_at
    schedule.save(update_fields=["waiting_due_at"])


def _note_passed(schedule: JobSchedule, passed: list[Due], *, now: datetime) -> list[datetime]:
    """Record the days off and what was missed; return the due times that run."""
    _record_days_off(schedule, [one for one in passed if one.day_off], now=now)
    run, missed = _choose(schedule, [one.at for one in passed if one.runs], now=now)
    if missed:
        _record(schedule, missed[-1], Outcome.MISSED, now=now, reason=f"{len(missed)} due times passed unused.")
    schedule.evaluated_until = passed[-1].at
    schedule.save(update_fields=["evaluated_until"])
    return run


def _record_days_off(schedule: JobSchedule, passed: list[Due], *, now: datetime) -> None:
    ScheduleFiring.objects.bulk_create(
        [
            ScheduleFiring(
                schedule=schedule,
                due_at=one.at,
                fired_at=now,
                outcome=Outcome.HOLIDAY,
                reason=_day_off_reason(one, schedule.effective_timezone)[:500],
            )
            for one in passed
        ],
        ignore_conflicts=True,
    )


def _day_off_reason(one: Due, timezone: str) -> str:
    if one.moved_to is None:
        return f"{one.day_off}."
    return f"{one.day_off}; moved to {one.moved_to.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M}."


def _choose(schedule: JobSchedule, passed: list[datetime], *, now: datetime) -> tuple[list[datetime], list[datetime]]:
    """Return which due times run and which were missed, by the schedule's catch-up policy."""
    if schedule.catch_up == JobSchedule.CatchUp.ALL or not passed:
        return passed, []
    is_late = now - passed[-1] > ON_TIME
    if is_late and schedule.catch_up == JobSchedule.CatchUp.NONE:
        return [], passed
    return passed[-1:], passed[:-1]


def _fire_due(schedule: JobSchedule, due_at: datetime, *, now: datetime) -> UUID | None:
    problems = schedule_problems(actor=schedule.actor, timetable=schedule.timetable, options=schedule.effective_options)
    if problems:
        _mark(schedule, " ".join(problems.values()))
        _record(schedule, due_at, Outcome.UNSUPPORTED, now=now, reason=schedule.problem)
        return None
    if schedule.overlap != JobSchedule.Overlap.ALLOW and _is_running(schedule):
        _hold_back(schedule, due_at, now=now)
        return None
    if ScheduleFiring.objects.filter(schedule=schedule, due_at=due_at).exists():
        return None
    return _fire(schedule, due_at=due_at, now=now)


def _hold_back(schedule: JobSchedule, due_at: datetime, *, now: datetime) -> None:
    """Skip a due time while the last run has not ended, or let it wait, if none does yet."""
    if schedule.overlap == JobSchedule.Overlap.QUEUE and schedule.waiting_due_at is None:
        _let_wait(schedule, due_at)
        return
    waits = " and one run waits for it" if schedule.waiting_due_at else ""
    reason = f"Job {schedule.last_job_id} has not ended{waits}."
    _record(schedule, due_at, Outcome.OVERLAPPED, now=now, reason=reason)


def _fire(schedule: JobSchedule, *, due_at: datetime, now: datetime) -> UUID:
    job_id = enqueue(
        schedule.actor,
        kwargs=schedule.effective_options,
        tags=[f"schedule:{schedule.key}"],
        tenant_id=schedule.tenant_id,
    )
    _record(schedule, due_at, Outcome.FIRED, now=now, job_id=job_id)
    schedule.last_job_id, schedule.last_fired_at, schedule.problem = job_id, now, ""
    schedule.save(update_fields=["last_job_id", "last_fired_at", "problem"])
    return job_id


def _is_running(schedule: JobSchedule) -> bool:
    if schedule.last_job_id is None:
        return False
    return Job.objects.filter(id=schedule.last_job_id, state__in=ALIVE).exists()


def _mark(schedule: JobSchedule, problem: str) -> None:
    schedule.problem = problem[:500]
    schedule.save(update_fields=["problem"])


def _record(
    schedule: JobSchedule,
    due_at: datetime,
    outcome: Outcome,
    *,
    now: datetime,
    reason: str = "",
    job_id: UUID | None = None,
) -> None:
    ScheduleFiring.objects.get_or_create(
        schedule=schedule,
        due_at=due_at,
        defaults={"fired_at": now, "outcome": outcome, "reason": reason[:500], "job_id": job_id},
    )

"""Jobs that come again: schedules that a tenant made."""

from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Status
from pydantic.alias_generators import to_camel

from modules.jobs import selectors, services
from modules.jobs.api._requests import KeyHeader, address, answer, arguments, open_spec, tenant_of
from modules.jobs.api._router import router
from modules.jobs.api._schemas import RecurringJobIn, RecurringList, RecurringOut
from modules.jobs.api._views import data_out
from modules.jobs.domain import CALENDAR, Timetable
from modules.jobs.models import JobSchedule
from modules.jobs.registry import api_name
from modules.jobs.services import Answer
from modules.kernel import clock
from modules.kernel.problems import Problem


@router.post("/recurring", response={201: RecurringOut}, summary="Send a job again and again")
def create_recurring(request: HttpRequest, payload: RecurringJobIn, key: KeyHeader = None) -> HttpResponse:
    """Send a job at each time of a cron line, read in a time zone, from now on."""
    return answer(request, lambda: _create(request, payload), key=key, payload=payload)


def _create(request: HttpRequest, payload: RecurringJobIn) -> Answer:
    tenant_id, spec, most = tenant_of(request), open_spec(payload.type), settings.API["TENANT_SCHEDULES"]
    given = arguments(spec, payload.data, tenant_id=tenant_id)
    timetable = _timetable(payload)
    if selectors.tenant_schedules(tenant_id=tenant_id).count() >= most:
        raise Problem(409, _("At most %(most)d recurring jobs are allowed; delete one first.") % {"most": most})
    made = services.create_schedule(
        tenant_id=tenant_id,
        actor=spec.name,
        timetable=timetable,
        options=given,
        overlap=payload.overlap,
        catch_up=payload.catch_up,
        now=clock.now(),
    )
    body = _out(made).model_dump_json(by_alias=True)
    return Answer(status=201, body=body, location=address(request, "recurring", recurring_id=made.public_id))


def _timetable(payload: RecurringJobIn) -> Timetable:
    timetable = Timetable(
        timezone=payload.timezone or settings.TIME_ZONE, **payload.model_dump(include={"cron", *CALENDAR})
    )
    if problems := services.timetable_problems(timetable):
        errors = {to_camel(field): problem for field, problem in problems.items()}
        raise Problem(422, _("Nobody could follow this schedule."), errors=errors)
    return timetable


@router.get("/recurring", response=RecurringList, summary="List recurring jobs")
def list_recurring(request: HttpRequest) -> RecurringList:
    """List the tenant's recurring jobs, oldest first."""
    found = selectors.tenant_schedules(tenant_id=tenant_of(request))
    return RecurringList(recurring=[_out(schedule) for schedule in found])


@router.get(
    "/recurring/{uuid:recurring_id}", response=RecurringOut, summary="Look at a recurring job", url_name="recurring"
)
def get_recurring(request: HttpRequest, recurring_id: UUID) -> RecurringOut:
    """Show a recurring job, when it ran and when it will."""
    return _out(_schedule(request, recurring_id))


@router.delete("/recurring/{uuid:recurring_id}", response={204: None}, summary="Delete a recurring job")
def delete_recurring(request: HttpRequest, recurring_id: UUID) -> Status[None]:
    """Delete a recurring job; jobs that it has sent already stay."""
    services.delete_schedule(_schedule(request, recurring_id))
    return Status(204, None)


def _schedule(request: HttpRequest, recurring_id: UUID) -> JobSchedule:
    try:
        return selectors.get_tenant_schedule(recurring_id, tenant_id=tenant_of(request))
    except JobSchedule.DoesNotExist:
        raise Problem(404, _("There is no such recurring job.")) from None


def _out(schedule: JobSchedule) -> RecurringOut:
    return RecurringOut(
        id=schedule.public_id,
        type=api_name(schedule.actor),
        data=data_out(schedule.effective_options),
        cron=schedule.effective_cron,
        timezone=schedule.effective_timezone,
        overlap=schedule.overlap,
        catch_up=schedule.catch_up,
        **{name: getattr(schedule, name) for name in CALENDAR},
        waiting_since=schedule.waiting_due_at,
        next_run_at=selectors.next_run(schedule, now=clock.now()),
        last_run_at=schedule.last_fired_at,
        last_job_id=str(schedule.last_job_id) if schedule.last_job_id else None,
        problem=schedule.problem or None,
    )

"""Send, look, list, retry, cancel."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from modules.jobs import selectors, services
from modules.jobs.api import _views
from modules.jobs.api._requests import KeyHeader, address, answer, arguments, caller_of, open_spec, tenant_of
from modules.jobs.api._router import router
from modules.jobs.api._schemas import DataIn, JobDetail, JobIn, JobOut, JobPage, ScheduledJobIn, Text, Time
from modules.jobs.domain import ENDED, State
from modules.jobs.models import Job
from modules.jobs.registry import InvalidArguments, actors_called
from modules.jobs.services import Answer, CannotChange
from modules.kernel.problems import Problem
from modules.kernel.rest import refuse_unknown
from modules.kernel.secrets import unmask

MAX_ATTEMPTS_SHOWN = 50


class JobFilter(BaseModel):
    """Which jobs; all conditions hold together."""

    model_config = ConfigDict(alias_generator=to_camel)

    state: State | None = None
    type: Text | None = None
    queue: Text | None = None
    tag: Text | None = None
    created_from: Time | None = None
    created_to: Time | None = Field(default=None, description="Before this time.")
    cursor: UUID | None = Field(default=None, description="`nextCursor` of the page before.")
    limit: int = Field(default=25, ge=1, le=100)

    def conditions(self) -> dict[str, Any]:
        """Return the lookups of the conditions that were given."""
        found = {
            "state": self.state,
            "actor__in": actors_called(self.type) if self.type else None,
            "queue": self.queue,
            "tags__contains": [self.tag] if self.tag else None,
            "created_at__gte": self.created_from,
            "created_at__lt": self.created_to,
        }
        return {name: value for name, value in found.items() if value is not None}


@router.post("", response={202: JobOut}, summary="Send a job")
def send_job(request: HttpRequest, payload: JobIn, key: KeyHeader = None) -> HttpResponse:
    """Send a job. `202` and its address; it runs as soon as a worker is free."""
    delay = timedelta(milliseconds=payload.options.delay or 0)
    return answer(request, lambda: _send(request, payload, delay=delay), key=key, payload=payload)


@router.post("/schedule", response={202: JobOut}, summary="Send a job for later")
def schedule_job(request: HttpRequest, payload: ScheduledJobIn, key: KeyHeader = None) -> HttpResponse:
    """Send a job that runs once, after `delay` milliseconds or at `runAt`."""
    delay = timedelta(milliseconds=payload.delay or 0)
    return answer(
        request, lambda: _send(request, payload, delay=delay, run_at=payload.run_at), key=key, payload=payload
    )


def _send(request: HttpRequest, payload: JobIn, *, delay: timedelta, run_at: datetime | None = None) -> Answer:
    tenant_id, spec, options = tenant_of(request), open_spec(payload.type), payload.options
    try:
        job_id = services.enqueue(
            spec.name,
            kwargs=arguments(spec, payload.data, tenant_id=tenant_id),
            tenant_id=tenant_id,
            priority=options.priority,
            max_attempts=options.attempts,
            delay=delay,
            run_at=run_at,
            # The ledger's keys are the whole product's: without the tenant, one could find another's job by a guess.
            unique_key=f"tenant:{tenant_id}:{options.unique_key}" if options.unique_key else None,
            tags=options.tags,
        )
    except InvalidArguments as error:
        raise Problem(422, _("The data cannot be kept."), errors={"data": str(error)}) from None
    return _told(request, job_id, status=202)


@router.get("", response=JobPage, summary="List jobs")
def list_jobs(request: HttpRequest, wanted: Annotated[JobFilter, Query()]) -> JobPage:
    """List the tenant's jobs, newest first. Jobs that come meanwhile do not shift the pages."""
    refuse_unknown(request, [to_camel(name) for name in JobFilter.model_fields])
    found = selectors.tenant_jobs(
        tenant_id=tenant_of(request), before=wanted.cursor, limit=wanted.limit + 1, **wanted.conditions()
    )
    page = found[: wanted.limit]
    is_last = len(found) <= wanted.limit
    return JobPage(jobs=[_views.job_out(job) for job in page], next_cursor=None if is_last else str(page[-1].id))


@router.get("/{uuid:job_id}", response=JobDetail, summary="Look at a job", url_name="job")
def get_job(request: HttpRequest, job_id: UUID) -> JobDetail:
    """Show a job's state, progress, attempts, result and error."""
    job = _job(request, job_id)
    return _views.job_detail(job, selectors.attempts(job.id, limit=MAX_ATTEMPTS_SHOWN))


@router.post("/{uuid:job_id}/retry", response={202: JobOut}, summary="Retry a failed job")
def retry_job(request: HttpRequest, job_id: UUID, key: KeyHeader = None) -> HttpResponse:
    """Run a failed or quarantined job again from its first attempt; `409` for any other."""
    return answer(request, lambda: _retry(request, job_id), key=key)


def _retry(request: HttpRequest, job_id: UUID) -> Answer:
    job = _job(request, job_id)
    if not services.replay([job.id]):
        raise Problem(409, _("The job is %(state)s; only a failed one can be retried.") % {"state": job.state})
    return _told(request, job.id, status=202)


@router.post("/{uuid:job_id}/data", response={200: JobOut}, summary="Change a job's data")
def change_data(request: HttpRequest, job_id: UUID, payload: DataIn, key: KeyHeader = None) -> HttpResponse:
    """Give a job that waits or has failed other data, before it runs or is retried; `409` for any other."""
    return answer(request, lambda: _change(request, job_id, payload), key=key, payload=payload)


def _change(request: HttpRequest, job_id: UUID, payload: DataIn) -> Answer:
    job = _job(request, job_id)
    given = unmask(payload.data, _views.data_of(job.arguments))
    try:
        services.change_arguments(
            job_id=job.id,
            arguments=arguments(open_spec(job.actor), given, tenant_id=tenant_of(request)),
            by=caller_of(request),
            reason=payload.reason,
        )
    except CannotChange as error:
        told = _("The job is %(state)s; only one that waits or has failed takes other data.")
        raise Problem(409, told % {"state": error.state}) from None
    except InvalidArguments as error:
        raise Problem(422, _("The data cannot be kept."), errors={"data": str(error)}) from None
    return _told(request, job.id, status=200)


@router.delete("/{uuid:job_id}", response={200: JobOut, 202: JobOut}, summary="Cancel a job")
def cancel_job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Cancel a job: `200` when it is cancelled, `202` when it runs and stops soon, `409` when it had ended."""
    return answer(request, lambda: _cancel(request, job_id), key=None)


def _cancel(request: HttpRequest, job_id: UUID) -> Answer:
    services.cancel([_job(request, job_id).id])
    job = _job(request, job_id)
    if job.state in ENDED and job.state != State.CANCELLED:
        raise Problem(409, _("The job has ended already: it is %(state)s.") % {"state": job.state})
    return _told(request, job.id, status=200 if job.state == State.CANCELLED else 202)


def _told(request: HttpRequest, job_id: UUID, *, status: int) -> Answer:
    job = _views.job_out(_job(request, job_id))
    return Answer(
        status=status, body=job.model_dump_json(by_alias=True), location=address(request, "job", job_id=job_id)
    )


def _job(request: HttpRequest, job_id: UUID) -> Job:
    try:
        return selectors.get_tenant_job(job_id, tenant_id=tenant_of(request))
    except Job.DoesNotExist:
        raise Problem(404, _("There is no such job.")) from None

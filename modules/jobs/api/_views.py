"""Rows of the ledger as the API shows them: names in camelCase, secrets masked."""

from typing import Any

from pydantic.alias_generators import to_camel

from modules.jobs.api._schemas import AttemptOut, Error, JobDetail, JobOut, Progress
from modules.jobs.domain import Outcome
from modules.jobs.models import Attempt, Job
from modules.jobs.registry import TENANT, api_name
from modules.kernel.secrets import mask, mask_text


def job_out(job: Job) -> JobOut:
    """Return a job for lists and answers."""
    return JobOut(**_fields(job))


def job_detail(job: Job, attempts: list[Attempt]) -> JobDetail:
    """Return a job with everything that its sender may see."""
    return JobDetail(
        **_fields(job),
        data=data_out(job.arguments),
        result=mask(job.result),
        attempts=[_attempt(attempt) for attempt in attempts],
    )


def data_out(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments as their sender wrote them, secrets masked."""
    shown: dict[str, Any] = mask(data_of(arguments))
    return shown


def data_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments as their sender wrote them, secrets included."""
    return {to_camel(name): value for name, value in arguments.items() if name != TENANT}


def _fields(job: Job) -> dict[str, Any]:
    return {
        "id": str(job.id),
        "type": api_name(job.actor),
        "queue": job.queue,
        "state": job.state,
        "priority": job.priority,
        "attempts_made": job.attempt,
        "max_attempts": job.max_attempts,
        "progress": _progress(job),
        "error": _error(job.error_type, job.error_message),
        "tags": [mask_text(tag) for tag in job.tags],
        "created_at": job.created_at,
        "run_at": job.run_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "cancel_requested_at": job.cancel_requested_at,
    }


def _progress(job: Job) -> Progress | None:
    if job.progress_done is None:
        return None
    done, total = job.progress_done, job.progress_total
    percent = round(100 * done / total, 1) if total else None
    return Progress(done=done, total=total, percent=percent, message=mask_text(job.progress_message))


def _error(error_type: str, message: str) -> Error | None:
    return Error(type=error_type, message=mask_text(message)) if error_type else None


def _attempt(attempt: Attempt) -> AttemptOut:
    return AttemptOut(
        number=attempt.number,
        outcome=Outcome(attempt.outcome),
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        error=_error(attempt.error_type, attempt.error_message),
    )

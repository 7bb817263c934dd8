"""Other arguments for a job that does not run: checked like a send, and noted with who and why."""

from typing import Any
from uuid import UUID

from django.db import transaction

from modules.jobs.domain import DEAD_LETTERS, WAITING, State
from modules.jobs.models import Job, JobChange
from modules.jobs.registry import ActorSpec, InvalidArguments, get_spec
from modules.jobs.services._requests import fit_arguments
from modules.kernel import clock
from modules.kernel.secrets import has_mask, mask, unmask

CHANGEABLE = (State.QUEUED, *WAITING, *DEAD_LETTERS)
MAX_REASON = 300  # characters


class CannotChange(Exception):
    """The job runs or has ended well; `state` says which."""

    def __init__(self, state: str) -> None:
        self.state = state
        super().__init__(f"The job is {state}; only one that waits or has failed takes other arguments.")


@transaction.atomic
def change_arguments(*, job_id: UUID, arguments: dict[str, Any], by: str, reason: str) -> JobChange | None:
    """Give a waiting or failed job all its arguments anew; return the note of it, None when they are as they were.

    They are checked as at a send. What was shown masked and comes back as it was keeps its value. The job begins
    from its start: its checkpoint belonged to the former arguments. It is not replayed by this, and its tenant stays.
    Raises Job.DoesNotExist, CannotChange, UnknownActor, InvalidArguments (the text never repeats a value).
    """
    job = Job.objects.select_for_update().get(id=job_id)  # a claim waits, and then reads what we write
    if job.state not in CHANGEABLE:
        raise CannotChange(job.state)
    spec = get_spec(job.actor)
    checked = _checked(spec, job, unmask(arguments, job.arguments))
    _check_reason(spec, reason)
    if checked == job.arguments:
        return None
    noted = JobChange.objects.create(
        job_id=job.id,
        before=mask(job.arguments),
        after=mask(checked),
        changed_by=by,
        changed_at=clock.now(),
        reason=reason,
    )
    _write(spec, job, checked)
    return noted


def _checked(spec: ActorSpec, job: Job, arguments: dict[str, Any]) -> dict[str, Any]:
    if has_mask(arguments):
        raise InvalidArguments(f"{spec.name}: a hidden value can only stay where it was; write it out.")
    checked = fit_arguments(spec, (), arguments)
    if job.tenant_id is not None and checked.get("tenant_id", job.tenant_id) != job.tenant_id:
        raise InvalidArguments(f"{spec.name}: tenant_id: the job belongs to the tenant {job.tenant_id}.")
    return checked


def _check_reason(spec: ActorSpec, reason: str) -> None:
    if not 0 < len(reason.strip()) <= MAX_REASON:
        raise InvalidArguments(f"{spec.name}: reason: say why, in 1 to {MAX_REASON} characters.")


def _write(spec: ActorSpec, job: Job, arguments: dict[str, Any]) -> None:
    Job.objects.filter(id=job.id).update(
        arguments=arguments,
        resource=_resource(spec, job, arguments),
        checkpoint=None,
        progress_done=None,
        progress_total=None,
        progress_message="",
    )


def _resource(spec: ActorSpec, job: Job, arguments: dict[str, Any]) -> str:
    """Return what the job uses now; a name that its sender chose, and not the arguments, stays."""
    try:
        followed = job.resource == spec.resource_of(job.arguments)
    except (KeyError, IndexError, AttributeError):
        followed = True  # the former arguments do not even name one
    return spec.resource_of(arguments) if followed else job.resource

"""What Sentry hears of jobs: each unforeseen end once, without what is in the arguments.

A job that fails and will be tried again is not reported, nor one that ends as its actor said it might. Without
a DSN nothing is sent anywhere.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import sentry_sdk
from django.dispatch import receiver

from modules.jobs.domain import FAIL, QUARANTINE, Failure, RunningJob, running_job
from modules.jobs.events import jobs_moved
from modules.jobs.services import MovedJob
from modules.kernel.secrets import MASK, is_secret, mask

SHORTEST_SECRET = 4  # characters; replacing shorter ones would make holes in innocent words


def report_failure(job: RunningJob, error: BaseException, failure: Failure) -> None:
    """Report the error that ended a job for good, under the cause's fingerprint."""
    secrets = set(secret_values(job.arguments))
    with sentry_sdk.new_scope() as scope:
        scope.set_tags({"actor": job.actor, "queue": job.queue})
        scope.set_context("job", {"id": str(job.id), "tenant_id": job.tenant_id, "arguments": mask(job.arguments)})
        scope.fingerprint = [failure.fingerprint]
        # The code may have put a secret into the error's text, where no key gives it away.
        scope.add_event_processor(lambda event, _hint: _without(event, secrets))
        scope.capture_exception(error)


@receiver(jobs_moved, dispatch_uid="jobs.reports")
def report_lost(*, move: str, jobs: Iterable[MovedJob], **_: Any) -> None:
    """Report what the dispatcher ends and no code of ours can: jobs in quarantine, jobs that hung until their end."""
    if move not in {QUARANTINE.name, FAIL.name} or running_job.get() is not None:
        return
    for job in jobs:
        with sentry_sdk.new_scope() as scope:
            scope.set_tags({"actor": job.actor, "queue": job.queue})
            scope.set_context("job", {"id": str(job.id), "tenant_id": job.tenant_id})
            scope.fingerprint = [move, job.actor]
            scope.capture_message(f"{job.actor} {_ENDS[move]}", level="error")


_ENDS = {QUARANTINE.name: "killed its worker too often", FAIL.name: "ran over its time limit"}


def secret_values(value: Any, *, is_hidden: bool = False) -> Iterator[str]:
    """Return every text of a JSON value that stands under a key which names a secret."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from secret_values(inner, is_hidden=is_hidden or is_secret(str(key)))
    elif isinstance(value, list):
        for inner in value:
            yield from secret_values(inner, is_hidden=is_hidden)
    elif is_hidden and len(str(value)) >= SHORTEST_SECRET:
        yield str(value)


def _without(value: Any, secrets: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without(inner, secrets) for inner in value]
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
    return value

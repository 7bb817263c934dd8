from uuid import UUID

from django.dispatch import receiver

from modules.jobs.domain import State
from modules.jobs.events import jobs_moved
from modules.jobs.services import MovedJob
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.reports import services

ACTOR = "reports.export_user_data"
_VAIN = {State.FAILED, State.QUARANTINED, State.CANCELLED}


@receiver(jobs_moved, dispatch_uid="reports.exports")
def tell_of_failed_exports(*, jobs: list[MovedJob], **_: object) -> None:
    """After commit: who waits for an export learns that it will not come. The cleanup finds what this one misses."""
    ended: list[UUID] = [job.id for job in jobs if job.actor == ACTOR and job.state in _VAIN]
    if ended:
        with all_tenants():
            services.fail_exports(job_ids=ended, now=clock.now())

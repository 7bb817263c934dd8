from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from modules.jobs.engine import actor, context
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.reports import services
from modules.reports.domain import check_cron


def _check_sizes(arguments: dict[str, Any]) -> None:
    numbers = {name: value for name, value in arguments.items() if type(value) is int}
    if wrong := [name for name, value in numbers.items() if value < 1]:
        raise ValueError(_("%s is 1 or more.") % wrong[0])


def _check_summaries(arguments: dict[str, Any]) -> None:
    _check_sizes(arguments)
    if "cron" in arguments:
        check_cron(arguments["cron"])


@actor(queue_name="default", max_retries=3, time_limit=30 * clock.MINUTE, check=_check_summaries)
def send_summaries(*, cron: str = "0 9 * * 1", late_hours: int = 48, limit: int = 100) -> None:
    """Mail their last week to those whose clock has just come to it."""
    with all_tenants():
        try:
            sent = services.send_summaries(
                run=context.job().id,
                cron=cron,
                late_hours=late_hours,
                limit=limit,
                now=clock.now(),
                report=_counting(),
            )
        except services.NoAddresses as error:
            context.log(str(error))
            return
    context.log(f"mailed {sent.mailed:,}, nothing to tell {sent.empty:,}, no address {sent.unreachable:,}")


def _counting() -> Callable[[int], None]:
    """Return what notes each batch: a place to stop, where the job goes on after a kill or a restart."""
    done = int(context.saved_checkpoint() or 0)

    def note(count: int) -> None:
        nonlocal done
        done += count
        context.progress(done)
        context.checkpoint(done)

    return note

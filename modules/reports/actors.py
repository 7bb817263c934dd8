from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from modules.jobs.domain import TableBackoff
from modules.jobs.engine import actor, context
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.reports import services
from modules.reports.domain import check_cron


class FilesLeft(Exception):
    """Some files are left because the storage failed; the others are deleted."""


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


@actor(
    queue_name="low",
    max_retries=3,
    backoff=TableBackoff([60, 600, 3_600]),
    time_limit=120 * clock.MINUTE,
    notify_shutdown=True,
)
def export_user_data(*, export_id: int) -> None:
    """Make the file that a person asked for, and tell them where it is."""
    export = services.make_export(export_id=export_id, now=clock.now(), report=_note_entries)
    if export:
        context.log(f"{export.entries:,} entries, {export.size:,} bytes, {export.missing:,} files missing")
    else:
        context.log("refused, or nobody waits for it any more")


@actor(queue_name="low", max_retries=3, backoff=TableBackoff([60, 600, 3_600]), time_limit=30 * clock.MINUTE)
def clean_exports() -> None:
    """Delete files of exports that nobody may fetch any more; what the storage failed at is tried again."""
    with all_tenants():
        abandoned = services.fail_abandoned(now=clock.now())
        gone, failures = services.clean_exports(now=clock.now(), report=_counting())
    context.log(f"deleted {gone:,}, left {len(failures):,}, abandoned {abandoned:,}")
    if failures:
        raise FilesLeft(f"{len(failures):,} left, the first {failures[0]}")


@actor(queue_name="low", max_retries=3, time_limit=10 * clock.MINUTE, check=_check_sizes)
def prune(*, days: int = 90) -> None:
    """Forget summaries and exports of long ago."""
    before, report = clock.now() - timedelta(days=days), _counting()
    with all_tenants():
        for forget in (services.prune_summaries, services.prune_exports):
            while count := forget(before=before):
                report(count)


def _note_entries(count: int) -> None:
    context.progress(count)
    context.checkpoint()


def _counting() -> Callable[[int], None]:
    """Return what notes each batch: a place to stop, where the job goes on after a kill or a restart."""
    done = int(context.saved_checkpoint() or 0)

    def note(count: int) -> None:
        nonlocal done
        done += count
        context.progress(done)
        context.checkpoint(done)

    return note

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

from modules.drafts import services
from modules.drafts.domain import Retention, RetryTable
from modules.jobs.domain import TableBackoff
from modules.jobs.engine import actor, context
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants


class DraftsLeft(Exception):
    """Some drafts are left because the storage failed; the others are deleted."""


def _check_sizes(arguments: dict[str, Any]) -> None:
    numbers = {name: value for name, value in arguments.items() if type(value) is int}
    if wrong := [name for name, value in numbers.items() if value < 1]:
        raise ValueError(_("%s is 1 or more.") % wrong[0])


def _check_cleanup(arguments: dict[str, Any]) -> None:
    _check_retention({"warn_days": 1, **arguments})


def _check_retention(arguments: dict[str, Any]) -> None:
    _check_sizes(arguments)
    days = {name: arguments[name] for name in ("delete_after_days", "warn_days") if name in arguments}
    try:
        Retention(**days)
    except ValueError:
        raise ValueError(_("delete_after_days is more than warn_days, which is 1 or more.")) from None


def _check_table(arguments: dict[str, Any]) -> None:
    _check_sizes(arguments)
    try:
        RetryTable(**{name: arguments[name] for name in ("delay_minutes", "max_retries") if name in arguments})
    except ValueError:
        raise ValueError(_("delay_minutes names one or more minutes, each 1 or more.")) from None


@actor(
    queue_name="low",
    max_retries=3,
    backoff=TableBackoff([60, 600, 3_600]),
    time_limit=30 * clock.MINUTE,
    check=_check_cleanup,
)
def cleanup(*, delete_after_days: int = 30, from_edit: bool = False, limit: int = 100) -> None:
    """Delete old drafts that were warned of, with their documents; what the storage failed at is tried again."""
    retention = Retention(delete_after_days, warn_days=1, from_edit=from_edit)
    with all_tenants():
        cleaned = services.clean_up(
            run=context.job().id, retention=retention, limit=limit, now=clock.now(), report=_counting()
        )
    context.log(f"deleted {cleaned.count:,}, left {len(cleaned.failures):,}")
    if cleaned.failures:
        first = cleaned.failures[0]
        raise DraftsLeft(f"{len(cleaned.failures):,} left, the first {first.record_id}: {first.reason}")


@actor(queue_name="default", max_retries=3, time_limit=30 * clock.MINUTE, check=_check_retention)
def remind(
    *,
    reminder_days: int = 3,
    warn_days: int = 7,
    delete_after_days: int = 30,
    from_edit: bool = False,
    limit: int = 500,
) -> None:
    """Remind authors of drafts that they left behind, and warn them before those are deleted."""
    retention = Retention(delete_after_days, warn_days, from_edit)
    with all_tenants():
        told = services.remind(
            retention=retention, reminder_days=reminder_days, limit=limit, now=clock.now(), report=_counting()
        )
    context.log(f"reminded of {told.reminders:,}, warned of {told.warnings:,}, nobody to warn of {told.of_nobody:,}")


@actor(queue_name="low", max_retries=3, time_limit=10 * clock.MINUTE, check=_check_sizes)
def expire_invitations(*, limit: int = 200) -> None:
    """Call invitations expired that nobody accepted in time, and tell who made them."""
    report, now, total = _counting(), clock.now(), 0
    with all_tenants():
        while count := services.expire_invitations(limit=limit, now=now):
            total += count
            report(count)
    context.log(f"expired {total:,}")


class FilesLeft(Exception):
    """Some files are left because the storage failed."""


@actor(
    queue_name="low",
    max_retries=5,
    backoff=TableBackoff([60, 600, 3_600]),
    time_limit=30 * clock.MINUTE,
    check=_check_sizes,
)
def delete_files(*, limit: int = 100) -> None:
    """Delete the files of documents that people deleted; what the storage failed at is tried again."""
    with all_tenants():
        gone, failures = services.delete_files(limit=limit, now=clock.now(), report=_counting())
    context.log(f"deleted {gone:,}, left {len(failures):,}")
    if failures:
        raise FilesLeft(f"{len(failures):,} left, the first {failures[0]}")


@actor(queue_name="default", max_retries=3, time_limit=10 * clock.MINUTE, check=_check_table)
def retry_sync(*, delay_minutes: list[int] | None = None, max_retries: int = 5, limit: int = 50) -> None:
    """Try again what offline clients asked for and could not be done."""
    with all_tenants():
        done = services.retry_sync(
            table=RetryTable(delay_minutes or RetryTable().delay_minutes, max_retries),
            limit=limit,
            now=clock.now(),
            report=_counting(),
        )
    context.log(
        f"done {done.applied:,}, failed {done.failed:,}, in conflict {done.conflicts:,}, given up {done.given_up:,}"
    )


def _counting() -> Callable[[int], None]:
    """Return what notes each batch: a place to stop, where the job goes on after a kill or a restart."""
    done = int(context.saved_checkpoint() or 0)

    def note(count: int) -> None:
        nonlocal done
        done += count
        context.progress(done)
        context.checkpoint(done)

    return note

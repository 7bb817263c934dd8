"""A snapshot's way: asked for, made by the shop, fetched; `_imports` takes it in. Each step is a job of its own.

The entry of the pipeline log is the state: a step that is done finds nothing to do when it comes again.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from modules.jobs import services as job_services
from modules.kernel import clock
from modules.shoptet import domain, selectors
from modules.shoptet.clients import (
    LinkExpired,
    LooksUsedUp,
    PermanentShoptetError,
    RateLimited,
    ShoptetClient,
    TemporaryShoptetError,
    WebhookMissing,
    stream_result,
)
from modules.shoptet.models import Shop, SnapshotExecution, WebhookEvent
from modules.shoptet.services import _executions as executions
from modules.shoptet.services import _files as files
from modules.shoptet.services._kinds import KINDS, kind_of
from modules.shoptet.services._shops import connect, is_on_this_machine
from modules.shoptet.services._webhook_keys import register_webhooks

Status = executions.Status

KEEP_FILES_FOR = timedelta(days=7)  # of what failed, to look at and to replay
WATCHED_AT_ONCE = 500
FINISHED = "job:finished"
_DONE_IN = {
    "request_snapshot": Status.QUEUED,
    "check_snapshot": Status.REQUESTED,
    "download_snapshot": Status.DOWNLOADING,
    "process_snapshot": Status.PROCESSING,
}


class SnapshotClosed(PermanentShoptetError):
    """The entry has ended, and another snapshot took its place."""


def request_snapshot(
    *, shop: Shop, what: str, trigger: str = SnapshotExecution.Trigger.MANUAL
) -> tuple[SnapshotExecution, bool]:
    """Begin a snapshot of `what` (a key of KINDS); return its log entry, and whether it is new: one at a time.

    One transaction with the job that asks the shop; nothing outside is called. Raises KeyError for an unknown kind.
    """
    kind = KINDS[what]
    with transaction.atomic():
        entry, is_new = SnapshotExecution.objects.get_or_create(
            shop=shop,
            kind=kind.execution,
            finished_at=None,
            defaults={"tenant_id": shop.tenant_id, "trigger": trigger, "started_at": clock.now()},
        )
        if is_new:
            send_step("request_snapshot", entry)
    return entry, is_new


def send_step(step: str, entry: SnapshotExecution, *, delay: timedelta = timedelta(0)) -> UUID:
    """Send the job of one step, unless it waits already; note it in the log entry.

    An entry that went on meanwhile keeps the job of its present step: with the one of a step that is past, which ends
    at once, the watchdog would take it for stranded.
    """
    job_id = job_services.enqueue(
        f"shoptet.{step}",
        kwargs={"execution_id": entry.pk},
        tenant_id=entry.tenant_id,
        delay=delay,
        tags=[f"shop:{entry.shop_id}"],
        unique_key=f"shoptet.{step}:{entry.pk}",
    )
    waiting = SnapshotExecution.objects.filter(id=entry.pk, status__in=[_DONE_IN[step], Status.ERROR])
    waiting.update(job_id=job_id)
    return job_id


def ask_for_snapshot(*, execution_id: int) -> None:
    """Let the shop make the snapshot, having registered our webhooks if it demands that.

    Safe to repeat: an entry that is past this step is left alone. After a kill between the shop's answer and
    ours the shop makes two; the first is never asked about. Raises ShoptetError.
    """
    with logged(execution_id) as entry:
        if entry.status != Status.QUEUED:
            return
        with connect(entry.shop) as client:
            remote_job_id, at = _ask(client, entry)
        _note_asked(entry, remote_job_id=remote_job_id, at=at)
    if WebhookEvent.objects.filter(shop=entry.shop, event=FINISHED, instance=remote_job_id).exists():
        send_step("check_snapshot", entry)  # told before we knew whose job it was


def _ask(client: ShoptetClient, entry: SnapshotExecution) -> tuple[str, datetime]:
    kind = kind_of(entry)
    try:
        return client.request_snapshot(kind.path, kind.query)
    except WebhookMissing:
        register_webhooks(shop=entry.shop, client=client)
        return client.request_snapshot(kind.path, kind.query)


def _note_asked(entry: SnapshotExecution, *, remote_job_id: str, at: datetime) -> None:
    SnapshotExecution.objects.filter(id=entry.pk).update(
        status=Status.REQUESTED,
        remote_job_id=remote_job_id,
        window_to=at,  # what was written later is newer than anything in the file
        polls=0,
        next_poll_at=clock.now() + timedelta(minutes=domain.POLL_MINUTES[0]),
        requests=F("requests") + 1,
        error="",
    )


def check_snapshot(*, execution_id: int) -> None:
    """Look at the shop's job and go on when it has ended. Safe to repeat; at most ten looks at an unfinished one."""
    with logged(execution_id) as entry:
        if entry.status != Status.REQUESTED:
            return
        SnapshotExecution.objects.filter(id=entry.pk).update(polls=F("polls") + 1)  # before: a kill must not forget it
        entry.polls += 1
        with connect(entry.shop) as client:
            job = client.job(entry.remote_job_id)
        _take_answer(entry, job)


def _take_answer(entry: SnapshotExecution, job: domain.SnapshotJob | None) -> None:
    if job and job.is_running:
        _wait_on(entry)
    elif job and job.has_failed:
        raise PermanentShoptetError(_("The shop could not make the snapshot. %s") % job.log)
    elif job and job.result_url:
        with transaction.atomic():
            if _step(entry, Status.REQUESTED, status=Status.DOWNLOADING, next_poll_at=None):
                send_step("download_snapshot", entry)
    else:
        ask_again(entry)


def _wait_on(entry: SnapshotExecution) -> None:
    wait = domain.wait_before_poll(entry.polls)
    if wait is None:
        raise LooksUsedUp(_("The shop did not finish its snapshot in time."))
    _step(entry, Status.REQUESTED, next_poll_at=clock.now() + wait)


def ask_again(entry: SnapshotExecution) -> None:
    """Begin from the start: what the shop made is gone. Raises PermanentShoptetError after the third time."""
    if entry.requests >= domain.MAX_REQUESTS:
        raise PermanentShoptetError(_("The shop's snapshot was gone three times before it could be fetched."))
    with transaction.atomic():
        if _step(entry, entry.status, status=Status.QUEUED, remote_job_id="", next_poll_at=None):
            send_step("request_snapshot", entry)


def _step(entry: SnapshotExecution, present: str, /, **values: object) -> bool:
    """Move on from the status `present`; return False when somebody else did so before."""
    return bool(SnapshotExecution.objects.filter(id=entry.pk, status=present, finished_at=None).update(**values))


def download_snapshot(*, execution_id: int) -> None:
    """Fetch the file, look whether it is whole, and let it be processed.

    From the start each time: a link answers in seconds, and half a file is worth nothing. The link is taken
    from the shop's job alone and is not kept. Safe to repeat. Raises ShoptetError.
    """
    with logged(execution_id) as entry:
        if entry.status != Status.DOWNLOADING:
            return
        with connect(entry.shop) as client:
            job = client.job(entry.remote_job_id)
        if job is None or not job.result_url:
            ask_again(entry)
            return
        try:
            _fetch(entry, job.result_url)
        except LinkExpired:
            ask_again(entry)


def _fetch(entry: SnapshotExecution, url: str) -> None:
    files.remove_file(entry.file_name)
    name = f"snapshots/{entry.tenant_id}/{entry.pk}-{uuid4().hex}.jsonl"
    SnapshotExecution.objects.filter(id=entry.pk).update(file_name=name)  # before: a kill leaves a file we know of
    limit = settings.SHOPTET["MAX_SNAPSHOT_BYTES"]
    may_be_plain = is_on_this_machine(entry.shop.base_url)
    stored = files.keep_file(name, stream_result(url, may_be_plain=may_be_plain, max_bytes=limit))
    with transaction.atomic():
        is_ours = _step(
            entry,
            Status.DOWNLOADING,
            status=Status.PROCESSING,
            file_name=stored.name,
            file_bytes=stored.size,
            sha256=stored.sha256,
            lines_total=stored.lines,
            lines_done=0,
            listed=stored.lines,
            error="",
        )
        if is_ours:
            send_step("process_snapshot", entry)


@contextmanager
def logged(execution_id: int) -> Iterator[SnapshotExecution]:
    """Yield the log entry and leave in it, and at the shop, how the step failed.

    A permanent failure closes the entry. One that may pass leaves it open with its reason, for the job's next
    try; `give_up` closes it after the last. A closed entry is opened again for whoever replays the dead letter.
    """
    entry = reopen(execution_id)
    try:
        yield entry
    except PermanentShoptetError as error:
        close_failed(entry, reason=str(error))
        raise
    except (TemporaryShoptetError, RateLimited) as error:
        SnapshotExecution.objects.filter(id=entry.pk).update(error=str(error))
        raise


def reopen(execution_id: int) -> SnapshotExecution:
    """Return the log entry, opened again if it had failed; raises SnapshotClosed when another took its place."""
    with suppress(IntegrityError), transaction.atomic():
        failed = SnapshotExecution.objects.filter(id=execution_id, status=Status.ERROR)
        failed.update(status=F("failed_in"), finished_at=None, error="")
    entry = selectors.get_execution(execution_id)
    if entry.status == Status.ERROR:
        raise SnapshotClosed(_("Another snapshot was begun after this one failed."))
    return entry


def close_failed(entry: SnapshotExecution, *, reason: str) -> None:
    """Close an open entry with a reason that its shop's owner understands. Safe to repeat."""
    with transaction.atomic():
        still = SnapshotExecution.objects.filter(id=entry.pk, finished_at=None)
        if still.update(failed_in=F("status"), status=Status.ERROR, finished_at=clock.now(), error=reason):
            executions.tell_shop(entry.shop, kind=entry.kind, error=reason, paused_until=entry.shop.paused_until)


def give_up(*, execution_id: int, error: Exception) -> None:
    """Close the entry whose job failed for the last time."""
    entry = selectors.get_execution(execution_id)
    reason = str(error) if isinstance(error, TemporaryShoptetError) else _("Something broke in Backroom: %r") % error
    close_failed(entry, reason=reason)


def watch_snapshots(*, now: datetime) -> int:
    """Look after snapshots that nobody told us of; return how many jobs were sent. Safe to repeat.

    Also closes entries whose job is gone, and deletes files a week after their snapshot failed.
    """
    due = selectors.snapshots_to_check(now=now)[:WATCHED_AT_ONCE]
    for entry in due:
        send_step("check_snapshot", entry)
    for entry in selectors.stranded_snapshots()[:WATCHED_AT_ONCE]:
        close_failed(entry, reason=_("The job of this snapshot was ended."))
    for entry in selectors.files_to_delete(before=now - KEEP_FILES_FOR)[:WATCHED_AT_ONCE]:
        files.remove_file(entry.file_name)
        SnapshotExecution.objects.filter(id=entry.pk).update(file_name="")
    return len(due)

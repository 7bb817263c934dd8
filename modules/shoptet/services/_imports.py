"""A snapshot's file on its way into the tables: chunk by chunk, each a transaction with the place it ends at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from modules.jobs import services as job_services
from modules.kernel import clock
from modules.orders.domain import UnreadableOrder
from modules.shoptet import domain
from modules.shoptet.models import ParkedRecord, SnapshotExecution
from modules.shoptet.services import _executions as executions
from modules.shoptet.services import _files as files
from modules.shoptet.services._kinds import SnapshotKind, kind_of
from modules.shoptet.services._runs import AlreadyRunning, Report
from modules.shoptet.services._snapshots import Status, ask_again, logged

RECORDS_PER_CHUNK = 1_000  # half a second: what a kill costs, and how long rows stay locked
BYTES_PER_CHUNK = 8 * 1024 * 1024  # what a chunk may hold at once, unless one record alone is larger


@dataclass
class _Chunk:
    """Records as read from their lines, and the lines that are none."""

    lines: int
    facts: list[Any] = field(default_factory=list)
    unreadable: list[executions.Unreadable] = field(default_factory=list)


def process_snapshot(*, execution_id: int, report: Report) -> None:
    """Take the snapshot's file in. Goes on after the last chunk that was stored; safe to repeat and to kill.

    What the file does not mention is left alone. What is newer than the file stays as it is. Memory: one chunk.
    `report(done, total, text)` is called after each. Raises AlreadyRunning when another process takes chunks, too.
    """
    with logged(execution_id) as entry:
        if entry.status != Status.PROCESSING:
            return
        if not files.has_file(entry.file_name):
            ask_again(entry)
            return
        _take_records(entry, kind_of(entry), report)
        _finish(entry)
    files.remove_file(entry.file_name)
    SnapshotExecution.objects.filter(id=entry.pk).update(file_name="")


def _take_records(entry: SnapshotExecution, kind: SnapshotKind, report: Report) -> None:
    done = entry.lines_done
    with files.open_records(entry.file_name) as records:
        for _line in islice(records, done):
            pass
        for lines in _chunks(records):
            chunk = _read(entry, kind, lines)
            _store(entry, kind, chunk, done=done)
            done += chunk.lines
            report(done, entry.lines_total or done, _("records read"))


def _chunks(records: Iterator[bytes]) -> Iterator[list[bytes]]:
    lines: list[bytes] = []
    size = 0
    for line in records:
        lines.append(line)
        size += len(line)
        if len(lines) == RECORDS_PER_CHUNK or size >= BYTES_PER_CHUNK:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def _read(entry: SnapshotExecution, kind: SnapshotKind, lines: Sequence[bytes]) -> _Chunk:
    chunk = _Chunk(len(lines))
    for line in lines:
        record = None
        try:
            record, text = domain.parse_line(line)
            chunk.facts.append(kind.read(entry.shop, record, text))
        except (UnreadableOrder, ValueError, RecursionError) as error:
            chunk.unreadable.append(_unreadable(line, record, error, key=kind.key))
    return chunk


def _unreadable(line: bytes, record: Any, error: Exception, *, key: str) -> executions.Unreadable:
    """Return a line as a record to set aside; without a code it is known by its digest."""
    code = record.get(key) if isinstance(record, dict) else None
    is_code = isinstance(code, str) and 0 < len(code) <= domain.MAX_KEY_LENGTH
    raw = domain.raw_text(record) if record is not None else domain.clean(line.decode("utf-8", "replace"))
    return executions.Unreadable(
        domain.clean(code) if is_code else domain.nameless_code(line), raw, str(error) or type(error).__name__
    )


def _store(entry: SnapshotExecution, kind: SnapshotKind, chunk: _Chunk, *, done: int) -> None:
    """Store a chunk and where it ends, in one transaction: it counts once, whoever is killed when."""
    with transaction.atomic():
        _hold(entry, done=done)
        stored = kind.store(entry.shop, chunk.facts, entry.window_to or entry.started_at)
        codes = [kind.code(facts) for facts in chunk.facts]
        executions.resolve_parked(shop=entry.shop, kind=kind.parked, codes=codes, at=clock.now())
        executions.park_records(shop=entry.shop, kind=kind.parked, records=chunk.unreadable, at=clock.now())
        SnapshotExecution.objects.filter(id=entry.pk).update(lines_done=done + chunk.lines)
        executions.note_progress(
            entry,
            fetched=chunk.lines,
            created=stored.created,
            updated=stored.updated,
            unchanged=stored.unchanged,
            parked=len(chunk.unreadable),
        )


def _hold(entry: SnapshotExecution, *, done: int) -> None:
    """Keep others from this entry until the transaction ends; raises AlreadyRunning when somebody was faster."""
    locked = SnapshotExecution.objects.select_for_update().get(id=entry.pk)
    if (locked.status, locked.lines_done) != (Status.PROCESSING, done):
        raise AlreadyRunning(_("Another run reads this shop right now."))


def _finish(entry: SnapshotExecution) -> None:
    """Close the entry, and send the job that asks what was deleted since the file was made."""
    with transaction.atomic():
        ended = SnapshotExecution.objects.filter(id=entry.pk, status=Status.PROCESSING, finished_at=None)
        if not ended.update(status=Status.COMPLETED, finished_at=clock.now(), error=""):
            return
        _resolve_nameless(entry)
        executions.announce_completed(entry, now=clock.now())
        executions.tell_shop(entry.shop, kind=entry.kind, error="", paused_until=entry.shop.paused_until)
        if catch_up := kind_of(entry).catch_up:
            job_services.enqueue(
                catch_up,
                kwargs={"shop_id": entry.shop_id, "since": _since(entry)},
                tenant_id=entry.tenant_id,
                tags=[f"shop:{entry.shop_id}"],
            )


def _since(entry: SnapshotExecution) -> str:
    return ((entry.window_to or entry.started_at) - timedelta(minutes=1)).isoformat()


def _resolve_nameless(entry: SnapshotExecution) -> None:
    """Close what earlier snapshots set aside without a code and this one no longer has."""
    nameless = ParkedRecord.objects.filter(
        shop=entry.shop, kind=kind_of(entry).parked, code__startswith=domain.NAMELESS, resolved_at=None
    )
    nameless.filter(attempted_at__lt=entry.started_at).update(resolved_at=clock.now())

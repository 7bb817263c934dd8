"""What a job can say and ask while it runs; cheap enough to call for every row."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.timezone import localtime
from dramatiq.middleware import Shutdown

from modules.jobs import services
from modules.jobs.domain import JobCancelled, RunningJob, running_job
from modules.jobs.services import OpenBatch
from modules.kernel import child, clock

WRITE_EVERY_SECONDS = 0.5
MAX_LOG_LINES = 500

is_leaving = threading.Event()
"""Set when this worker was told to stop: jobs go on elsewhere from their next checkpoint."""


@dataclass
class _Notes:
    """What a running job said and when it was last written down."""

    lines: list[str] = field(default_factory=list)
    written_at: float = 0.0


_notes: dict[UUID, _Notes] = {}


def job() -> RunningJob:
    """Return the running job; raises RuntimeError outside of one."""
    running = running_job.get()
    if running is None:
        raise RuntimeError("This code runs outside of a job.")
    return running


def batch() -> OpenBatch:
    """Return the batch that the running job belongs to, to send more members; raises RuntimeError without one."""
    running = job()
    if running.batch_id is None:
        raise RuntimeError("This job belongs to no batch.")
    return OpenBatch(running.batch_id)


def progress(done: int, total: int | None = None, message: str = "") -> None:
    """Show how far the job is, and stop here with JobCancelled when somebody cancelled it.

    Written at most twice a second and at the end; does nothing outside of a job.
    """
    if child.is_child():
        child.tell_progress(done, total, message)
        return
    running = running_job.get()
    if running is None or not (_is_due(running) or done == total):
        return
    if not services.report_progress(running, done=done, total=total, message=message):
        raise JobCancelled("The job was cancelled while it ran.")


def log(message: str) -> None:
    """Add a line to the job's own log, kept with the attempt; the newest 500 lines stay."""
    if child.is_child():
        child.tell_log(message)
        return
    running = running_job.get()
    if running is not None:
        lines = _notes.setdefault(running.id, _Notes()).lines
        lines.append(f"{localtime(clock.now()):%H:%M:%S} {_storable(message)}")
        del lines[:-MAX_LOG_LINES]


def checkpoint(cursor: Any = None) -> None:
    """Be a good place to stop: keep `cursor` for the next start, and raise JobCancelled when cancelled.

    Without a cursor it asks at most twice a second. `saved_checkpoint` returns the cursor after a restart. When
    the worker is about to leave, a job with a cursor stops here unharmed and goes on from it in another one.
    """
    running = running_job.get()
    if running is None or (cursor is None and not _is_due(running)):
        return
    going = services.may_go_on(running) if cursor is None else services.save_checkpoint(running, cursor)
    if not going:
        raise JobCancelled("The job was cancelled while it ran.")
    # A cursor that was written inside a transaction would be rolled back with it.
    if cursor is not None and is_leaving.is_set() and not connection.in_atomic_block:
        raise Shutdown("The worker leaves; the job goes on from its checkpoint.")


def saved_checkpoint() -> Any:
    """Return the cursor that an earlier start of this job kept, or None."""
    running = running_job.get()
    return running.checkpoint if running else None


def take_log(running: RunningJob) -> str:
    """Return the job's log and forget it; called once, when the run ends."""
    notes = _notes.pop(running.id, None)
    return "\n".join(notes.lines) if notes else ""


def _storable(text: str) -> str:
    """Return the text without what PostgreSQL refuses: a shop's answer in a log must not cost the job its end."""
    return str(text).encode(errors="replace").decode().replace("\0", "")


def _is_due(running: RunningJob) -> bool:
    notes = _notes.setdefault(running.id, _Notes())
    if time.monotonic() - notes.written_at < WRITE_EVERY_SECONDS:
        return False
    notes.written_at = time.monotonic()
    return True

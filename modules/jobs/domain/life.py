"""The states of a job and the moves between them; nothing else moves a job."""

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID


class State(StrEnum):
    """Where a job is in its life; modules/jobs/README.md draws the diagram."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"


ENDED = (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.QUARANTINED)
DEAD_LETTERS = (State.FAILED, State.QUARANTINED)
WAITING = (State.SCHEDULED, State.RETRYING)
ALIVE = (State.SCHEDULED, State.QUEUED, State.RUNNING, State.RETRYING)


class Outcome(StrEnum):
    """How one run of a job ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    SNOOZED = "snoozed"
    RELEASED = "released"
    CANCELLED = "cancelled"
    CRASHED = "crashed"


@dataclass(frozen=True, kw_only=True)
class Move:
    """One way from state to state: the only ways there are; the database refuses every other."""

    name: str
    """Past tense: the verb of the log line and the label of the metric."""
    sources: tuple[State, ...]
    target: State
    assignments: str = ""
    """SQL of the columns that change with the state; the row as it was is on the right-hand side."""
    ends_attempt: bool = False


_HELD = "unique_expires_at > clock_timestamp()"  # a key for a period outlives the job
_ENDS = f"finished_at = clock_timestamp(), unique_key = CASE WHEN {_HELD} THEN unique_key END"
_CANCELS = "finished_at = clock_timestamp(), unique_key = NULL"
_GIVES_BACK = "dispatched_at = NULL, run_at = clock_timestamp(), attempt = attempt - 1"
_ERROR = "error_type = %(error_type)s, error_message = %(error_message)s, fingerprint = %(fingerprint)s"

PROMOTE = Move(name="promoted", sources=WAITING, target=State.QUEUED, assignments="dispatched_at = NULL")
CLAIM = Move(
    name="claimed",
    sources=(State.QUEUED,),
    target=State.RUNNING,
    assignments=f"""fence = fence + 1, attempt = attempt + 1, worker_id = batch.worker_id,
        started_at = clock_timestamp(), deadline_at = clock_timestamp() + make_interval(secs => batch.time_limit),
        unique_key = CASE WHEN unique_until <> 'start' OR {_HELD} THEN unique_key END""",
)
SUCCEED = Move(
    name="succeeded",
    sources=(State.RUNNING,),
    target=State.SUCCEEDED,
    assignments=f"{_ENDS}, result = batch.result, error_type = '', error_message = '', fingerprint = ''",
    ends_attempt=True,
)
RETRY = Move(
    name="retrying",
    sources=(State.RUNNING,),
    target=State.RETRYING,
    assignments=f"{_ERROR}, run_at = clock_timestamp() + %(delay)s",
    ends_attempt=True,
)
FAIL = Move(
    name="failed", sources=(State.RUNNING,), target=State.FAILED, assignments=f"{_ERROR}, {_ENDS}", ends_attempt=True
)
SNOOZE = Move(
    name="snoozed",
    sources=(State.RUNNING,),
    target=State.SCHEDULED,
    assignments="run_at = clock_timestamp() + %(delay)s, attempt = attempt - 1",
    ends_attempt=True,
)
RELEASE = Move(
    name="released", sources=(State.RUNNING,), target=State.QUEUED, assignments=_GIVES_BACK, ends_attempt=True
)
RESCUE = Move(
    name="rescued",
    sources=(State.RUNNING,),
    target=State.QUEUED,
    assignments=f"{_GIVES_BACK}, crashes = crashes + 1",
    ends_attempt=True,
)
QUARANTINE = Move(
    name="quarantined",
    sources=(State.RUNNING,),
    target=State.QUARANTINED,
    assignments=f"{_ERROR}, {_ENDS}, crashes = crashes + 1",
    ends_attempt=True,
)
CANCEL = Move(
    name="cancelled",
    sources=(State.SCHEDULED, State.QUEUED, State.RETRYING),
    target=State.CANCELLED,
    assignments=_CANCELS,
)
STOP = Move(name="stopped", sources=(State.RUNNING,), target=State.CANCELLED, assignments=_CANCELS, ends_attempt=True)
DISCARD = Move(name="discarded", sources=DEAD_LETTERS, target=State.CANCELLED, assignments="unique_key = NULL")
REPLAY = Move(
    name="replayed",
    sources=DEAD_LETTERS,
    target=State.QUEUED,
    assignments="""attempt = 0, crashes = 0, dispatched_at = NULL, finished_at = NULL, run_at = clock_timestamp(),
        cancel_requested_at = NULL""",
)
# Another send with the same key takes the row over: as a new job would begin, but for what its worker's deaths say.
_TAKES_OVER = """arguments = batch.new_arguments, queue = batch.new_queue, priority = batch.new_priority,
    max_attempts = batch.new_max_attempts, tags = batch.new_tags, resource = batch.new_resource,
    chain = batch.new_chain, unique_expires_at = clock_timestamp() + make_interval(secs => batch.unique_seconds),
    run_at = coalesce(batch.due_at, clock_timestamp() + make_interval(secs => coalesce(batch.delay_seconds, 0))),
    attempt = 0, checkpoint = NULL, progress_done = NULL, progress_total = NULL, progress_message = '',
    error_type = '', error_message = '', fingerprint = ''"""
REPLACE = Move(
    name="replaced",
    sources=(State.SCHEDULED, State.QUEUED, State.RETRYING),
    target=State.QUEUED,
    assignments=f"""{_TAKES_OVER}, dispatched_at = CASE WHEN batch.rings AND crashes = 0 THEN clock_timestamp()
        WHEN state = 'queued' AND queue = batch.new_queue AND resource = batch.new_resource
            THEN dispatched_at END""",  # behind another gate it has to wait for its turn anew
)
POSTPONE = Move(
    name="postponed",
    sources=(State.SCHEDULED, State.QUEUED, State.RETRYING),
    target=State.SCHEDULED,
    assignments=f"{_TAKES_OVER}, dispatched_at = NULL",
)
MOVES = (
    *(PROMOTE, CLAIM, SUCCEED, RETRY, FAIL, SNOOZE, RELEASE, RESCUE),
    *(QUARANTINE, CANCEL, STOP, DISCARD, REPLAY, REPLACE, POSTPONE),
)


def allowed_steps() -> list[tuple[State, State]]:
    """Return each (from, to) that some move makes, in a stable order and once; staying is no step."""
    steps = {(source, move.target) for move in MOVES for source in move.sources}
    return sorted((source, target) for source, target in steps if source != target)


@dataclass(frozen=True, kw_only=True)
class RunningJob:
    """A job in the hands of this thread: what the fence lets it write."""

    id: UUID
    actor: str
    queue: str
    fence: int
    attempt: int
    max_attempts: int
    tenant_id: int | None
    arguments: dict[str, Any]
    checkpoint: Any = None
    batch_id: UUID | None = None
    chain: tuple[dict[str, Any], ...] = ()
    """Stored requests of the jobs that this one's success sends, one after another."""


running_job: ContextVar[RunningJob | None] = ContextVar("running_job", default=None)
"""The job that the present code runs in; None outside of one."""

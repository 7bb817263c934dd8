"""When a batch sends which callback."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Callback(StrEnum):
    """What a batch may send, in the order in which it does."""

    FIRST_FAILURE = "first_failure"
    SUCCESS = "success"
    FINISH = "finish"


class BatchState(StrEnum):
    """Where a batch is; nothing but its members and two of its times says so."""

    RUNNING = "running"
    STOPPING = "stopping"
    """Cancelled, and some member has not ended."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """All have ended, not all of them well."""
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Tally:
    """How many members of a batch are where; those that were pruned count as they ended."""

    waiting: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    """In the dead letters, quarantined ones included."""
    cancelled: int = 0

    @property
    def alive(self) -> int:
        """Return how many have not ended."""
        return self.waiting + self.running

    @property
    def ended(self) -> int:
        """Return how many have ended, in whatever way."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def total(self) -> int:
        """Return how many there are."""
        return self.alive + self.ended


def batch_state(tally: Tally, *, is_finished: bool, is_cancelled: bool) -> BatchState:
    """Return where a batch is: `is_finished` when it was closed, `is_cancelled` when somebody cancelled all of it."""
    if not is_finished:
        return BatchState.STOPPING if is_cancelled else BatchState.RUNNING
    if is_cancelled:
        return BatchState.CANCELLED
    return BatchState.SUCCEEDED if tally.succeeded == tally.total else BatchState.FAILED


def due_callbacks(tally: Tally, *, declared: Collection[str], sent: Collection[str]) -> list[Callback]:
    """Return the callbacks whose time has come and that were not sent yet: each is sent once in a batch's life."""
    has_failed = tally.succeeded < tally.ended
    has_ended = not tally.alive
    is_due = {
        Callback.FIRST_FAILURE: has_failed,
        Callback.SUCCESS: has_ended and not has_failed,
        Callback.FINISH: has_ended,
    }
    return [callback for callback in Callback if is_due[callback] and callback in declared and callback not in sent]

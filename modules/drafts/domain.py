"""When a draft is warned of and deleted, when a failed operation is tried again, and what operations look like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID

MAX_TEXT = 20_000  # characters of a record's text or of a comment
MAX_TITLE = 200


class Right(IntEnum):
    """What somebody may do with a part of the diary; each holds those before it."""

    READ = 1
    WRITE = 2
    OWN = 3


def utc_midnight(moment: datetime) -> datetime:
    """Return the beginning of the moment's day in UTC, where no day has 23 or 25 hours."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def as_text(moment: datetime) -> str:
    """Return a moment as notices write it: 2024-12-20T10:00:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Retention:
    """How long an unfinished record is kept, and how long before its end its author is warned, in days.

    The days count from the creation, or, `from_edit`, from the last edit.
    """

    delete_after_days: int = 30
    warn_days: int = 7
    from_edit: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.warn_days < self.delete_after_days:
            raise ValueError("delete_after_days is more than warn_days, which is 1 or more.")

    def stale_before(self, now: datetime) -> datetime:
        """Return the border: what is older may be deleted, if its warning allows it."""
        return now - timedelta(days=self.delete_after_days)

    def warned_before(self, now: datetime) -> datetime:
        """Return the border: what is older is warned of today.

        Its last day is the one after `delete_after_days`, so that today is `warn_days` days before it.
        """
        return utc_midnight(now) - timedelta(days=self.delete_after_days - self.warn_days)

    def expires_at(self, now: datetime) -> datetime:
        """Return what a warning of this moment promises: no deletion before that midnight."""
        return utc_midnight(now) + timedelta(days=self.warn_days)


@dataclass(frozen=True)
class RetryTable:
    """After how many minutes a failed operation is tried again: `delay_minutes[0]` after the first failure."""

    delay_minutes: Sequence[int] = (5, 15, 60, 240, 1440)
    max_retries: int = 5

    def __post_init__(self) -> None:
        if not self.delay_minutes or min(self.delay_minutes) < 1 or self.max_retries < 1:
            raise ValueError("delay_minutes names one or more minutes, each 1 or more; max_retries is 1 or more.")

    def next_at(self, *, retries: int, now: datetime) -> datetime | None:
        """Return when to try again after `retries` vain ones, or None when that was the last one.

        A table that is shorter than `max_retries` goes on with its last delay.
        """
        if retries >= self.max_retries:
            return None
        delay = self.delay_minutes[min(retries, len(self.delay_minutes) - 1)]
        return now + timedelta(minutes=delay)


class Operation(StrEnum):
    """What a client that was offline asks for later."""

    CREATE_RECORD = "create_record"
    UPDATE_RECORD = "update_record"
    PUBLISH_RECORD = "publish_record"
    ADD_COMMENT = "add_comment"


class InvalidOperation(ValueError):
    """An operation that can never be done, whatever is tried; `field` says what of it is wrong."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(f"{field}: {message}")


_REQUIRED: dict[Operation, dict[str, type]] = {
    Operation.CREATE_RECORD: {"recordId": UUID, "propertyId": UUID, "title": str},
    Operation.UPDATE_RECORD: {"recordId": UUID, "baseVersion": int},
    Operation.PUBLISH_RECORD: {"recordId": UUID, "baseVersion": int},
    Operation.ADD_COMMENT: {"commentId": UUID, "recordId": UUID, "text": str},
}
_OPTIONAL: dict[Operation, dict[str, type]] = {
    Operation.CREATE_RECORD: {"unitId": UUID, "body": str},
    Operation.UPDATE_RECORD: {"title": str, "body": str},
}
_LONGEST = {"title": MAX_TITLE}


def check_operation(operation: str, payload: Mapping[str, Any]) -> None:
    """Raise InvalidOperation unless there is such an operation and its payload has all that it needs and no more."""
    if operation not in list(Operation):
        raise InvalidOperation("operation", f"there is no {operation!r}; there are: {', '.join(Operation)}.")
    required = _REQUIRED[Operation(operation)]
    known = required | _OPTIONAL.get(Operation(operation), {})
    if missing := [name for name in required if name not in payload]:
        raise InvalidOperation(missing[0], "is missing.")
    if unknown := sorted(set(payload) - set(known)):
        raise InvalidOperation(unknown[0], f"is nothing that {operation} takes.")
    for name, value in payload.items():
        _check_value(name, value, known[name])


def _check_value(name: str, value: Any, wanted: type) -> None:
    if wanted is UUID:
        _check_uuid(name, value)
    elif type(value) is not wanted:
        raise InvalidOperation(name, f"is to be {wanted.__name__}, not {type(value).__name__}.")
    elif isinstance(value, str) and ("\0" in value or len(value) > _LONGEST.get(name, MAX_TEXT)):
        raise InvalidOperation(name, f"is a text of {_LONGEST.get(name, MAX_TEXT)} characters at most, without NUL.")


def _check_uuid(name: str, value: Any) -> None:
    try:
        UUID(value)
    except (TypeError, ValueError, AttributeError):
        raise InvalidOperation(name, "is to be a UUID.") from None

"""What is kept of an error, and when two errors have one cause."""

import hashlib
import re
import traceback
from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """What is kept of an exception: safe to show, the same for the same cause."""

    error_type: str
    error_message: str
    traceback: str = ""
    fingerprint: str = ""

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """Return the failure of `error`; the message is cut at 2,000 characters, the traceback at 20,000."""
        name = type(error).__qualname__
        lines = "".join(traceback.format_exception(error))
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{frames[-1].filename}:{frames[-1].name}" if frames else ""
        message = str(error)[:2_000].replace("\0", "")
        return cls(name, message, lines[-20_000:].replace("\0", ""), fingerprint(name, message, place))


_VARIABLE = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{12,}\b|\d+|'[^']*'|\"[^\"]*\"", re.IGNORECASE)


def fingerprint(error_type: str, message: str, place: str) -> str:
    """Return a short code that is equal for errors of one cause: numbers, ids and quoted words do not count."""
    text = f"{error_type}|{_VARIABLE.sub('#', message)}|{place}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]

"""Files of all records, and the shop's job that makes one."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from modules.shoptet.domain.reader import Reader, clean

POLL_MINUTES = (1, 2, 3, 5, 10, 15, 24, 30, 40, 60)  # between looks; the shop gives up after 3 h and allows 10 looks
MAX_REQUESTS = 3  # of one snapshot: a link may expire before a worker comes to it
NAMELESS = "?"  # no code of an order begins so


@dataclass(frozen=True, slots=True)
class SnapshotJob:
    """What the shop says of a snapshot that it makes. `result_url` is "" unless there is a file to fetch."""

    status: str
    result_url: str
    log: str

    @property
    def is_running(self) -> bool:
        """Return whether the shop is still at work."""
        return self.status in {"pending", "running"}

    @property
    def has_failed(self) -> bool:
        """Return whether the shop gave up."""
        return self.status in {"failed", "killed"}


def read_job(data: Any) -> SnapshotJob:
    """Return what GET /api/system/jobs/{id} says; raises UnreadableOrder."""
    job = Reader(clean(data), "data").part("job")
    return SnapshotJob(job.text("status"), job.text("resultUrl"), job.text("log")[:1_000])


def wait_before_poll(polls: int) -> timedelta | None:
    """Return how long to wait after the `polls`-th look at an unfinished job; None when no look is left."""
    return timedelta(minutes=POLL_MINUTES[polls]) if polls < len(POLL_MINUTES) else None


def nameless_code(line: bytes) -> str:
    """Return what a record without a code is known by: the same line is the same record."""
    return NAMELESS + hashlib.sha256(line).hexdigest()[:16]

"""Snapshots: jobs that end when the shop's clock says so, and files on another port, valid for a while."""

import gzip
import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from .answers import ApiError, Json
from .bodies import guid
from .clock import ShopClock, write_instant
from .customers import Customer
from .options import Options
from .state import Order

MAX_READS_OF_UNFINISHED = 10  # source: description of GET /api/system/jobs/{jobId}
RESULTS_PATH = "/api-results/"
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Outcome(StrEnum):
    COMPLETED = "completed"
    FAILED = "failed"
    NEVER = "never"  # runs for ever and sends no webhook
    WITHOUT_LINK = "without_link"  # completed, but resultUrl is null


@dataclass(slots=True)
class Job:
    """One asynchronous job; `orders` is the shop as it was when the job was asked for."""

    number: int
    endpoint: str
    created_at: datetime
    ends_at: datetime
    outcome: Outcome
    orders: Sequence[Order | Customer]
    reads: int = field(default=0)
    is_announced: bool = field(default=False)

    @property
    def id(self) -> str:
        return guid("job", str(self.number))[:7]

    @property
    def file(self) -> str:
        return f"{self.id}-{guid('file', str(self.number))[:8]}.json"

    def is_over(self, now: datetime) -> bool:
        return self.outcome is not Outcome.NEVER and now >= self.ends_at


class Snapshots:
    """The jobs of one shop; `results_url` is where their files are, known once the server listens."""

    def __init__(self, clock: ShopClock, options: Options) -> None:
        self._clock, self._options = clock, options
        self._lock = threading.Lock()
        self.results_url = ""
        self.reset()

    def reset(self) -> None:
        self.format = self._options.snapshot_format
        self.line_faults: dict[int, str] = {}  # by the line's place: what stands there instead
        self._jobs: dict[str, Job] = {}

    def start(self, endpoint: str, orders: Iterable[Order | Customer], *, outcome: Outcome = Outcome.COMPLETED) -> Job:
        now = self._clock.now()
        with self._lock:
            ends_at = now + timedelta(seconds=self._options.snapshot_seconds)
            job = Job(len(self._jobs) + 1, endpoint, now, ends_at, outcome, list(orders))
            self._jobs[job.id] = job
        return job

    def read(self, job_id: str) -> Json:
        """Return the job's detail. Raises ApiError 404, and 403 after ten looks at an unfinished one."""
        job = self._jobs.get(job_id)
        if job is None:
            raise ApiError(404, "job-not-found", f'Job with ID "{job_id}" not found.', instance=job_id)
        if not job.is_over(self._clock.now()):
            self._count_read(job)
        return self._detail(job)

    def finished(self) -> list[str]:
        """Return the jobs that ended since the last call: each is told once."""
        with self._lock:
            over = [job for job in self._jobs.values() if not job.is_announced and job.is_over(self._clock.now())]
            for job in over:
                job.is_announced = True
        return [job.id for job in over]

    def file(self, path: str) -> bytes | None:
        """Return the bytes behind a link, or None when there are none or the link has expired."""
        now = self._clock.now()
        for job in self._jobs.values():
            if path == RESULTS_PATH + job.file and job.is_over(now) and now < self._valid_until(job):
                return self._packed(job)
        return None

    def _count_read(self, job: Job) -> None:
        job.reads += 1
        if job.reads > MAX_READS_OF_UNFINISHED:
            message = "You have exceeded the limit of job detail request for\nunprocessed job."
            raise ApiError(403, "job-detail-try-counter-exceeded-limit", message, instance=job.id)

    def _valid_until(self, job: Job) -> datetime:
        return job.ends_at + timedelta(seconds=self._options.link_seconds)

    def _detail(self, job: Job) -> Json:
        is_over = job.is_over(self._clock.now())
        has_link = is_over and job.outcome is Outcome.COMPLETED
        is_expired = has_link and self._clock.now() >= self._valid_until(job)
        return {
            "jobId": job.id,
            "endpoint": job.endpoint,
            "creationTime": write_instant(job.created_at),
            "completionTime": write_instant(job.ends_at) if is_over else None,
            "duration": f"{self._options.snapshot_seconds:.3f}" if is_over else None,
            "status": self._status(job, is_over=is_over, is_expired=is_expired),
            "resultUrl": f"{self.results_url}{RESULTS_PATH}{job.file}" if has_link and not is_expired else None,
            "validUntil": write_instant(self._valid_until(job)) if has_link else None,
            "log": "Out of memory." if is_over and job.outcome is Outcome.FAILED else None,
        }

    @staticmethod
    def _status(job: Job, *, is_over: bool, is_expired: bool) -> str:
        if not is_over:
            return "running"
        if job.outcome is Outcome.FAILED:
            return "failed"
        return "expired" if is_expired else "completed"

    def _packed(self, job: Job) -> bytes:
        lines = [f"{self._line(place, order)}\n".encode() for place, order in enumerate(job.orders)]
        if self.format == "plain":
            return b"".join(lines)[:-1]  # without the last line break, as some writers do
        if self.format == "members":
            middle = len(lines) // 2
            parts = (b"".join(lines[:middle]), b"\n" + b"".join(lines[middle:]))
            return b"".join(gzip.compress(part, 1, mtime=0) for part in parts)
        return gzip.compress(b"".join(lines), 1, mtime=0)

    def _line(self, place: int, order: Order | Customer) -> str:
        return self.line_faults.get(place) or _ENCODER.encode(order.load())

"""When a worker process is replaced by a fresh one, and how that is done without losing a job."""

import logging
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

import psutil
from django.conf import settings

from modules.jobs import services

log = logging.getLogger("backroom.jobs")

LOOK_EVERY_SECONDS = 1.0
AGE_SPREAD = 0.1  # of the greatest age, so that workers that started together do not all leave together
SETTLED_SECONDS = 10.0  # before that nobody is too big, or a limit below the code's own size would be a busy loop
MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How old a process may become and how much memory it may hold; 0 is any."""

    max_seconds: float = 0
    max_memory_mb: int = 0

    @classmethod
    def of_settings(cls) -> "Limits":
        """Return the limits of a worker of this pool; the age is spread a little at random."""
        spread = random.uniform(1, 1 + AGE_SPREAD)  # noqa: S311 -- spreads load
        return cls(
            max_seconds=settings.JOBS["WORKER_MAX_SECONDS"] * spread,
            max_memory_mb=settings.JOBS["WORKER_MAX_MEMORY_MB"],
        )

    def exceeded(self, *, seconds: float, memory_bytes: int) -> str:
        """Return which limit a process of this age and size is over, in words, or ""."""
        if 0 < self.max_seconds < seconds:
            return f"it is {seconds:,.0f} s old"
        if 0 < self.max_memory_mb * MIB < memory_bytes:
            return f"it holds {memory_bytes // MIB:,} MiB of memory"
        return ""


def memory_bytes() -> int:
    """Return what this process holds of the machine's memory."""
    return int(psutil.Process().memory_info().rss)


def can_start_again() -> bool:
    """Return whether a master started as this one was comes back from a SIGHUP.

    Dramatiq 2.2 starts `python -m dramatiq` again as the first `python` of PATH, whichever that is.
    """
    if not sys.argv[0].endswith("/dramatiq/__main__.py"):
        return True
    python = shutil.which("python")
    return python is not None and Path(python).parent == Path(sys.executable).parent


class Replacement:
    """One worker's eye on its age, its memory and `queue_restart`; asks its master once.

    Dramatiq's master starts no single process anew: when one ends it stops them all. A SIGHUP makes it stop
    them in good order and start again as a new program, with new code, under its old process id. Where it could
    not start again it is only told to stop, and whoever keeps it running starts it.
    """

    def __init__(self) -> None:
        self._limits = Limits.of_settings()
        self._born = self._next = time.monotonic()
        self._is_asked = False

    def look(self, *, worker_id: UUID, master: int | None) -> None:
        """Ask the master for the replacement when it is time to; raises what the database raises."""
        if self._is_asked or master is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + LOOK_EVERY_SECONDS
        if (reason := self._reason(worker_id)) and os.getppid() == master:
            self._is_asked = True
            log.info("worker=%s is replaced: %s", worker_id, reason)
            os.kill(master, signal.SIGHUP if can_start_again() else signal.SIGTERM)

    def _reason(self, worker_id: UUID) -> str:
        if services.is_restart_asked(worker_id=worker_id):
            return "a restart was asked for"
        seconds = time.monotonic() - self._born
        size = memory_bytes() if seconds >= SETTLED_SECONDS else 0
        return self._limits.exceeded(seconds=seconds, memory_bytes=size)


class StopSignals:
    """What the master's signals mean to a worker that may be stopping already.

    Dramatiq takes any second signal for "kill at once". Here the second one does that only when it is the
    same SIGTERM again: several workers may ask for a replacement, and a stop may come in the midst of one.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._handlers: dict[int, Any] = {}

    @property
    def is_stopping(self) -> bool:
        """Return whether the worker was told to stop."""
        return bool(self._seen)

    def install(self) -> None:
        """Stand before Dramatiq's own handlers; to be called in the main thread."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            self._handlers[number] = signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        is_first, is_again = not self._seen, number == signal.SIGTERM and number in self._seen
        self._seen.add(number)
        if is_first or is_again:
            self._handlers[number](number, frame)

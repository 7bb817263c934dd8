"""How long a job rests between two tries, and what a job may say of its own end."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


class Backoff(Protocol):
    """How long a job rests after a failure."""

    def delay(self, failures: int) -> timedelta:
        """Return the rest after the `failures`-th failure in a row (1 is the first)."""

    def longest(self, failures: int) -> timedelta:
        """Return the longest that `delay` may return."""


@dataclass(frozen=True)
class ExponentialBackoff:
    """`base_seconds` doubled with each failure up to `cap_seconds`, plus up to `jitter` of it at random."""

    base_seconds: float = 15
    cap_seconds: float = 6 * 3600
    jitter: float = 0.25

    def delay(self, failures: int) -> timedelta:
        """Return the rest after the `failures`-th failure in a row (1 is the first)."""
        return self._shortest(failures) * (1 + random.uniform(0, self.jitter))  # noqa: S311 -- spreads load

    def longest(self, failures: int) -> timedelta:
        """Return the longest that `delay` may return."""
        return self._shortest(failures) * (1 + self.jitter)

    def _shortest(self, failures: int) -> timedelta:
        return timedelta(seconds=min(self.base_seconds * 2 ** min(failures - 1, 40), self.cap_seconds))


@dataclass(frozen=True)
class TableBackoff:
    """The rests one by one, as a table says; the last one repeats."""

    seconds: Sequence[float]

    def delay(self, failures: int) -> timedelta:
        """Return the rest after the `failures`-th failure in a row (1 is the first)."""
        return timedelta(seconds=self.seconds[min(failures, len(self.seconds)) - 1])

    def longest(self, failures: int) -> timedelta:
        """Return the longest that `delay` may return."""
        return self.delay(failures)


class PermanentError(Exception):
    """Trying again cannot help: the job goes straight to the dead letters."""


class JobCancelled(Exception):
    """Raised inside a job at a checkpoint after somebody cancelled it."""


class Snooze(Exception):
    """Raised inside a job that wants to run again later: no attempt is used up."""

    def __init__(self, seconds: float, reason: str = "") -> None:
        self.seconds = seconds
        super().__init__(reason or f"again in {seconds:g} s")


class CrashedTooOften(Exception):
    """The worker died each time it ran this job."""

"""How long something took, and how much of the machine others had meanwhile."""

import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from deploy.local.processes import owned_by


class Meter:
    """Measures a block: a rate means little on a machine that others use, unless one knows how much they used.

    `foreign` is the share of all cores' time that processes other than ours and those of `data` had, 0 to 1;
    `cpu_seconds` is what ours had.
    """

    seconds = 0.0
    cpu_seconds = 0.0
    foreign = 0.0

    def __init__(self, data: Path) -> None:
        self._data = data

    def __enter__(self) -> Self:
        self._busy_before, self._own_before = _busy(), self._own()
        self._began_at = time.monotonic()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.seconds = time.monotonic() - self._began_at
        self.cpu_seconds = self._own() - self._own_before
        others = _busy() - self._busy_before - self.cpu_seconds
        self.foreign = min(max(others / (self.seconds * psutil.cpu_count()), 0.0), 1.0)

    def _own(self) -> float:
        return sum(_spent(process) for process in [psutil.Process(), *owned_by(self._data)])


def _busy() -> float:
    """Return the seconds that all cores together have worked since the machine started."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _spent(process: psutil.Process) -> float:
    with suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0

"""Real worker processes for journeys: started as in production, killed as in life."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def surroundings() -> dict[str, str]:
    """Return the environment of a process that works on the test database."""
    told = {"DJANGO_SETTINGS_MODULE": "config.settings.test", "DATABASE_URL": _test_database_url()}
    return {**os.environ, **told, "LOG_LEVEL": "WARNING"}


class WorkerProcess:
    """`dramatiq config.workers` with the test actors, or another command for Python, on the test database."""

    def __init__(
        self,
        *,
        processes: int = 1,
        threads: int = 2,
        queues: str = "default high",
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
    ) -> None:
        script = str(Path(sys.executable).with_name("dramatiq"))
        numbers = ["--processes", str(processes), "--threads", str(threads), "--worker-shutdown-timeout", "2000"]
        usual = [script, "config.workers", "tests.support.actors", *numbers, "--queues", *queues.split()]
        self.process = subprocess.Popen(
            [sys.executable, *(command or usual)], cwd=ROOT, env=surroundings() | (env or {}), process_group=0
        )

    def children(self) -> list[psutil.Process]:
        """Return the worker processes, without the pulses beside them."""
        master = psutil.Process(self.process.pid)
        return [child for child in master.children() if "pulse" not in " ".join(child.cmdline())]

    def kill_child(self) -> None:
        """Kill one worker process as the out-of-memory killer would."""
        self.children()[0].kill()

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Ask the whole to stop and return the master's exit code."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signum)
        return self.process.wait(timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=10)


def _test_database_url() -> str:
    return os.environ["DATABASE_URL"].replace("/backroom?", f"/{connection.settings_dict['NAME']}?")


def wait_until(condition: Callable[[], object], *, seconds: float = 60, every: float = 0.05) -> float:
    """Wait until the condition holds and return how many seconds that took; raises TimeoutError."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            raise TimeoutError(f"It did not happen within {seconds} s.")
        time.sleep(every)
    return time.monotonic() - started

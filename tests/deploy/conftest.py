"""Launchers that a test may kill, and eyes on what they leave behind."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local.processes import end_leftovers

ROOT = Path(__file__).resolve().parents[2]
SERVERS = [sys.executable, "-m", "deploy.local", "servers"]
READ_ALL_INPUT = [sys.executable, "-c", "import sys; print('up', flush=True); sys.stdin.read()"]


Until = Callable[..., None]


@pytest.fixture
def until() -> Until:
    """Return as soon as a question is answered with yes; fail after so many seconds."""

    def ask(is_true: Callable[[], object], *, seconds: float = 15) -> None:
        end = time.monotonic() + seconds
        while not is_true():
            if time.monotonic() > end:
                pytest.fail(f"not true after {seconds} s")
            time.sleep(0.05)

    return ask


@pytest.fixture
def environment() -> dict[str, str]:
    """An environment that names no server: the session's own must not be found."""
    ours = {"DATABASE_URL", "REDIS_URL", "BROKER_URL", "BACKROOM_DATA"}
    return {name: value for name, value in os.environ.items() if name not in ours}


@pytest.fixture
def data() -> Iterator[Path]:
    """A data folder that does not exist yet, with a path that is short enough for sockets inside."""
    with tempfile.TemporaryDirectory(prefix="data of a test ") as parent:
        Path(parent).chmod(0o755)
        yield Path(parent) / "data"


Launch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def launch(data: Path, environment: Mapping[str, str]) -> Iterator[Launch]:
    """Start `python -m deploy.local servers -- COMMAND` on `data`; what is left of it ends with the test."""
    started = []

    def start(*command: str, prefix: list[str] | None = None, **extra: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*(prefix or []), *SERVERS, "--", *(command or READ_ALL_INPUT)],
            cwd=ROOT,
            env={**environment, "BACKROOM_DATA": str(data), **extra},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    end_leftovers(data, patience_seconds=1)


@pytest.fixture
def plain_user() -> Iterator[str]:
    """A user who is not root, with a home of his own that nobody else can enter."""
    if os.geteuid() != 0 or not shutil.which("useradd") or not shutil.which("setpriv"):
        pytest.skip("needs root, useradd and setpriv to become somebody else")
    name = f"backroom-{os.getpid()}"
    subprocess.run(["useradd", "--create-home", "--shell", "/bin/sh", name], check=True)
    try:
        subprocess.run(["chmod", "700", f"/home/{name}"], check=True)
        yield name
    finally:
        subprocess.run(["userdel", "--remove", "--force", name], check=True, capture_output=True)

"""A pytest plugin: a real PostgreSQL and Redis for the session, unless the environment names some.

They are started by another process that ends them and removes their folder when its input closes, which
even a killed pytest brings about. Loaded with `-p`, because pytest-django reads the settings early.
"""

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "BACKROOM_DATA")
_TELL = f"import json, os, sys; print(json.dumps({{n: os.environ[n] for n in {NAMES}}}), flush=True); sys.stdin.read()"


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Start the servers once, in the controller: xdist's workers inherit the environment."""
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        _take_own_redis_database(int(worker.removeprefix("gw")) + 1)
    elif not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        launcher = start()
        early_config.add_cleanup(lambda: stop(launcher))


def start() -> subprocess.Popen[str]:
    """Start the servers and put their addresses into our environment; raises pytest.UsageError."""
    command = [sys.executable, "-m", "deploy.local", "servers", "--ephemeral", "--", sys.executable, "-c", _TELL]
    launcher = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,  # a terminal's Ctrl-C must not stop the servers before the tests are over
    )
    assert launcher.stdout is not None
    if not (line := launcher.stdout.readline()):
        raise pytest.UsageError(f"The test servers did not start (code {launcher.wait()}); the reason is above.")
    os.environ.update(json.loads(line))
    return launcher


def stop(launcher: subprocess.Popen[str]) -> None:
    """Stop the servers and wait until their folder is gone."""
    with suppress(BrokenPipeError):
        launcher.communicate(timeout=30)


def _take_own_redis_database(number: int) -> None:
    """Keep the workers of a parallel run apart; PostgreSQL's databases are kept apart by pytest-django."""
    for name in ("REDIS_URL", "BROKER_URL"):
        address = os.environ.get(name) or os.environ["REDIS_URL"]
        os.environ[name] = f"{re.sub('[?]db=[0-9]+', '', address)}?db={number}"

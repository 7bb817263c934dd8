"""A pytest plugin: a real PostgreSQL and Redis for the session, unless the environment names some.

`--transport rabbitmq` adds a RabbitMQ and makes it the broker: the same tests, on the other transport.

They are started by another process that ends them and removes their folder when its input closes, which
even a killed pytest brings about. Loaded with `-p`, because pytest-django reads the settings early.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.local.postgres import DATABASE

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "BACKROOM_DATA")
_TELL = f"import json, os, sys; print(json.dumps({{n: os.environ[n] for n in {NAMES}}}), flush=True); sys.stdin.read()"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the caller choose what carries the bells."""
    parser.addoption("--transport", choices=["redis", "rabbitmq"], default="redis", help="what carries the bells")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Start the servers once, in the controller: xdist's workers inherit the environment."""
    is_on_rabbitmq = early_config.known_args_namespace.transport == "rabbitmq"
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        _take_own_queues(int(worker.removeprefix("gw")) + 1)
    elif is_on_rabbitmq or not (os.environ.get("DATABASE_URL") and os.environ.get("REDIS_URL")):
        launcher = start(["--rabbitmq"] if is_on_rabbitmq else [])
        early_config.add_cleanup(lambda: stop(launcher))


def start(options: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Start the servers and put their addresses into our environment; raises pytest.UsageError."""
    servers = [sys.executable, "-m", "deploy.local", "servers", "--ephemeral", *options]
    command = [*servers, "--", sys.executable, "-c", _TELL]
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
    os.environ.update(json.loads(line), TEST_DATABASE_TEMPLATE=DATABASE)
    return launcher


def stop(launcher: subprocess.Popen[str]) -> None:
    """Stop the servers and wait until their folder is gone."""
    with suppress(BrokenPipeError):
        launcher.communicate(timeout=30)


def _take_own_queues(number: int) -> None:
    """Keep the workers of a parallel run apart; PostgreSQL's databases are kept apart by pytest-django."""
    for name in ("REDIS_URL", "BROKER_URL"):
        address = os.environ.get(name) or os.environ["REDIS_URL"]
        if address.startswith("amqp"):
            os.environ[name] = f"{address.rpartition('/')[0]}/{number}"
        else:
            os.environ[name] = f"{re.sub('[?]db=[0-9]+', '', address)}?db={number}"

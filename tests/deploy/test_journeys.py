"""The product as a newcomer starts it, and as bad luck treats it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from deploy.local import folder
from deploy.local.processes import end_leftovers, owned_by

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]


@pytest.fixture
def product(data, environment):
    """Start `python -m deploy.local ACTION`; what is left of it ends with the test."""
    started = []

    def start(action, **extra):
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", action],
            cwd=ROOT,
            env={**{k: v for k, v in environment.items() if k != "DJANGO_SETTINGS_MODULE"}, "BACKROOM_DATA": str(data)}
            | extra,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
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


def until_running(process):
    """Return the address that the product prints, after the lines before it."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := re.match(r"  Open +(http\S+)", line):
            return found[1]
    return pytest.fail("".join(lines))


def log_in(address, *, password):
    """Return where the console sends a user with this password."""
    with httpx.Client(base_url=address, timeout=10) as client:
        client.get("/admin/login/")
        form = {"username": "admin", "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        return client.post("/admin/login/", data=form | {"next": "/admin/"}).headers.get("location")


def test_a_newcomer_logs_in_stops_and_goes_on_with_the_same_data(product, data):
    port = str(folder.free_port(8100))
    first = product("run", PORT=port)
    address = until_running(first)
    password = (data / "admin-password").read_text()
    shop = (data / "shop-port").read_text()

    assert address == f"http://127.0.0.1:{port}/"
    assert log_in(address, password=password) == "/admin/"
    os.killpg(first.pid, signal.SIGINT)
    output, _ = first.communicate(timeout=60)
    assert (first.returncode, output.splitlines()[-1]) == (0, "Stopped; the next run goes on with the same data.")
    assert owned_by(data) == []

    second = product("run", PORT=port)

    assert log_in(until_running(second), password=password) == "/admin/"
    assert (data / "shop-port").read_text() == shop


def test_the_demonstration_ends_with_equal_figures_though_everything_is_killed_once(product, data, until):
    process = product("demo")
    until(lambda: (data / "pids.json").exists() and "scheduler" in pids(data), seconds=60)
    time.sleep(3)  # some jobs are done, most are not

    for name in ("redis", "imports", "postgres", "customers", "shop", "normal", "scheduler"):
        os.kill(pids(data)[name], signal.SIGKILL)
        time.sleep(1)
    output, _ = process.communicate(timeout=240)

    assert process.returncode == 0, output
    log = (data / "demo.log").read_text()
    assert len(re.findall("ended with code -9; starts again", log)) >= 7
    assert owned_by(data) == []


def pids(data):
    return json.loads((data / "pids.json").read_text())

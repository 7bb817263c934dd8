"""The product as a newcomer starts it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from deploy.local import folder
from deploy.local.processes import end_leftovers, owned_by

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]


@pytest.fixture
def run(data, environment):
    """Start `python -m deploy.local run`; what is left of it ends with the test."""
    started = []

    def start(**extra):
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "run"],
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


def test_a_newcomer_logs_in_stops_and_goes_on_with_the_same_data(run, data):
    port = str(folder.free_port(8100))
    first = run(PORT=port)
    address = until_running(first)
    password = (data / "admin-password").read_text()
    shop = (data / "shop-port").read_text()

    assert address == f"http://127.0.0.1:{port}/"
    assert log_in(address, password=password) == "/admin/"
    os.killpg(first.pid, signal.SIGINT)
    output, _ = first.communicate(timeout=60)
    assert (first.returncode, output.splitlines()[-1]) == (0, "Stopped; the next run goes on with the same data.")
    assert owned_by(data) == []

    second = run(PORT=port)

    assert log_in(until_running(second), password=password) == "/admin/"
    assert (data / "shop-port").read_text() == shop

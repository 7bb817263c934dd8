"""The promise, as a newcomer sees it: `make demo` with things killed in the middle ends with the same table."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.support.processes import wait_until

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def demo(tmp_path):
    """A running demonstration; whatever it left behind is killed at the end."""
    tmp_path.chmod(0o711)
    data = tmp_path / "data"
    environment = {name: value for name, value in os.environ.items() if not name.endswith(("_URL", "_DATA"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.local", "demo"],
        cwd=ROOT,
        env={**environment, "BACKROOM_DATA": str(data), "DJANGO_SETTINGS_MODULE": "config.settings.local"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield Demo(process, data)
    process.kill()
    process.wait(timeout=20)


class Demo:
    """The demonstration and where its processes are written down."""

    def __init__(self, process, data):
        self.process, self.data = process, data

    def pid(self, name):
        with suppress(FileNotFoundError, json.JSONDecodeError):
            pids = json.loads((self.data / "pids.json").read_text())
            return next((pid for key, pid in pids.items() if name in key), None)
        return None

    def kill(self, name, *, child=False):
        """Kill a server or a pool's master, or the first worker process under it."""
        wait_until(lambda: self.pid(name))
        process = psutil.Process(self.pid(name))
        if child:
            wait_until(process.children)
            process = process.children()[0]
        process.kill()


def test_a_demo_in_which_workers_redis_and_postgres_are_killed_ends_with_the_same_table(demo):
    wait_until(lambda: demo.pid("import"), seconds=60)
    time.sleep(6)
    demo.kill("import", child=True)
    time.sleep(4)
    demo.kill("redis")
    time.sleep(4)
    demo.kill("normal")
    time.sleep(4)
    demo.kill("postgres")
    time.sleep(4)
    demo.kill("customers", child=True)

    output, _ = demo.process.communicate(timeout=300)

    figures = {line[:24].strip(): line[24:].split() for line in output.splitlines()}
    assert demo.process.returncode == 0, output
    assert figures["Orders"] == ["6,919", "6,919", "6,919"]
    assert figures["Customers"] == ["2,357", "2,357", "2,357"]
    assert figures["Revenue, USD"] == ["244,091.94", "244,091.94", "244,091.94"]
    assert figures["Orders with a customer"] == ["6,919", "6,919", "6,919"]
    assert (figures["Jobs failed"], figures["Jobs quarantined"]) == (["0"], ["0"])
    log = (demo.data / "demo.log").read_text()
    assert "redis" in log
    assert log.count("starts again in") >= 4

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from deploy.local.processes import owned_by

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.journey


def _hear_ctrl_c():
    """Undo what a shell does to a job in its background: it is deaf to SIGINT, and so are its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def pytest_on(tmp_path, environment):
    """Start a pytest of its own, with the project's configuration, on some code."""
    started = []

    def start(code, *arguments):
        file = tmp_path / "test_inner.py"
        file.write_text(textwrap.dedent(code))
        options = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-q", "-p", "no:cacheprovider"]
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *arguments, str(file)],
            cwd=ROOT,
            env={name: value for name, value in environment.items() if not name.startswith("PYTEST_")},
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
            preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 -- no thread of this process holds a lock here
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


SLEEP = """
    import json, os, sys, time

    def test_sleep(capfd):
        with capfd.disabled():
            print("data", os.environ["BACKROOM_DATA"], flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_however_pytest_ends_no_server_and_no_folder_is_left(pytest_on, until, number):
    process = pytest_on(SLEEP)
    data = Path(next(line.split()[-1] for line in process.stdout if "data" in line))
    assert {server.name() for server in owned_by(data)} == {"postgres", "redis-server"}

    os.killpg(process.pid, number)  # as a terminal's Ctrl-C does

    until(lambda: owned_by(data) == [] and not data.exists(), seconds=60)


def test_each_worker_of_a_parallel_run_has_databases_of_its_own(pytest_on, tmp_path):
    process = pytest_on(
        f"""
        import json, os, time
        from pathlib import Path
        import pytest
        from django.conf import settings
        from django.db import connection

        @pytest.mark.django_db
        @pytest.mark.parametrize("number", [1, 2])
        def test_tell(number, worker_id):
            addresses = [connection.settings_dict["NAME"], settings.REDIS_URL[-5:], settings.BROKER_URL[-5:]]
            Path({str(tmp_path)!r}, worker_id).write_text(json.dumps(addresses))
        """,
        *["--numprocesses", "2", "--dist", "each"],
    )
    output, _ = process.communicate(timeout=240)

    assert process.returncode == 0, output
    assert {worker: json.loads((tmp_path / worker).read_text()) for worker in ("gw0", "gw1")} == {
        "gw0": ["test_backroom_gw0", "?db=1", "?db=1"],
        "gw1": ["test_backroom_gw1", "?db=2", "?db=2"],
    }

"""The checker against a system that is known to lose jobs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.journey
@pytest.mark.timeout(180)
def test_dramatiq_without_the_ledger_is_found_out():
    command = [sys.executable, "-m", "tests.chaos.control"]

    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=170)

    assert run.returncode == 0, run.stderr
    holds = json.loads(run.stdout.splitlines()[-1])
    assert {"R1": holds["R1"], "R4": holds["R4"]} == {"R1": False, "R4": False}

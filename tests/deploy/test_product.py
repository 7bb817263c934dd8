import json
import os
import socket
import subprocess
import sys

import pytest

from config import env
from config.settings.jobs import JOBS
from deploy.local import product
from deploy.local.processes import UnableToStart


def test_every_queue_of_the_settings_has_a_worker():
    commands = {program.name: program.command for program in product.workers(os.environ)}
    pools = {
        name: command[command.index("--queues") + 1 :] for name, command in commands.items() if name != "scheduler"
    }

    assert pools == JOBS["POOLS"]
    assert commands["scheduler"][-1] == "config.workers"


def test_a_port_that_is_asked_for_is_taken_or_refused(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))
        with pytest.raises(UnableToStart, match=f"Port {port} is taken; set PORT to another one."):
            product.web_port()

    assert product.web_port() == port


@pytest.mark.slow
def test_a_command_without_a_database_says_what_to_do():
    away = {**os.environ, "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none", "REDIS_URL": "redis://127.0.0.1:9"}
    order = [sys.executable, "manage.py", "queue_stats"]

    done = subprocess.run(order, cwd=env.ROOT, env=away, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("The database does not answer: ")
    assert "`make run` starts one" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_that_begins_with_a_dash_is_still_a_token():
    command = product._shop(8091, token="-starts-so", surroundings=os.environ).command

    assert "--token=-starts-so" in command


@pytest.mark.slow
def test_steps_of_the_setup_stop_at_the_first_that_fails():
    def run(*commands):
        order = [sys.executable, "-m", "deploy.local.steps", json.dumps(commands)]
        return subprocess.run(order, cwd=env.ROOT, capture_output=True, text=True, check=False)

    done = run(["check"], ["shoptet_add_shop", "--tenant", "A", "--name", "A"], ["check"])

    assert (done.returncode, done.stdout.count("no issues")) == (1, 1)
    assert done.stderr == "shoptet_add_shop: Put the token into SHOPTET_TOKEN, or name a file with --token-file.\n"

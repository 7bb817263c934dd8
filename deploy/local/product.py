"""What the product consists of: its processes, and the steps before them."""

import http.client
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from config import env
from config.settings.jobs import JOBS
from deploy.local import folder, servers
from deploy.local.processes import Program, UnableToStart
from deploy.local.supervisor import Supervisor

SHOP_STAGE, PRODUCT_STAGE = 1, 2  # the servers are stage 0
# The script, because only that can start itself again from an environment that is not activated.
DRAMATIQ = str(Path(sys.executable).with_name("dramatiq"))
WORKER_SHUTDOWN_SECONDS = 20
PURCHASES = env.ROOT / "tests" / "data" / "cdnow_sample.txt"


Command = Sequence[str]  # what follows manage.py
PREPARATION: Sequence[Command] = (("migrate", "--noinput"), ("sync_job_schedules",))  # safe to repeat


@dataclass(frozen=True, slots=True)
class Shop:
    """The simulated shop's address, and the token that opens it."""

    url: str
    token: str

    @property
    def connect(self) -> Command:
        """The command that makes it known; it wants `surroundings` in its environment."""
        return ("shoptet_add_shop", "--tenant", "Demo", "--name", "CDNOW", "--url", self.url)

    @property
    def surroundings(self) -> Mapping[str, str]:
        """What `connect` reads from its environment, where no list of processes shows it."""
        return {"SHOPTET_TOKEN": self.token}


def environment(data: Path) -> dict[str, str]:
    """Return the environment of every process of the product that works on `data`."""
    return {
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        **servers.environment(data),
        "PYTHONUNBUFFERED": "1",  # a line is shown when it is written
    }


def prepare(supervisor: Supervisor, *further: Command, surroundings: Mapping[str, str]) -> None:
    """Bring the database and the schedules up to date, then run `further` commands; safe to repeat."""
    steps = json.dumps([*PREPARATION, *further])
    supervisor.run(_program("setup", "-m", "deploy.local.steps", steps, surroundings=surroundings))


def start_shop(supervisor: Supervisor, *, data: Path, surroundings: Mapping[str, str]) -> Shop:
    """Start the simulated shop, at the same address as last time if that is free.

    Unlike the real one it counts no calls: at 10 a second all orders would take 12 minutes.
    """
    port, token = folder.kept_port(data / "shop-port"), folder.kept_secret(data / "shop-token")
    supervisor.start(_shop(port, token=token, surroundings=surroundings))
    return Shop(f"http://127.0.0.1:{port}", token)


def workers(surroundings: Mapping[str, str]) -> list[Program]:
    """Return a master for each pool of the settings, and the scheduler."""
    pools: Mapping[str, list[str]] = JOBS["POOLS"]
    masters = [_pool(name, queues, surroundings=surroundings) for name, queues in pools.items()]
    scheduler = "import sys, periodiq; sys.exit(periodiq.entrypoint())"  # the package has no __main__
    return [*masters, _program("scheduler", "-c", scheduler, "config.workers", surroundings=surroundings)]


def _pool(name: str, queues: list[str], *, surroundings: Mapping[str, str]) -> Program:
    threads = str(JOBS["POOL_THREADS"].get(name, 8))
    limits = [
        "--processes",
        "1",
        "--threads",
        threads,
        "--worker-shutdown-timeout",
        str(WORKER_SHUTDOWN_SECONDS * 1000),
    ]
    command = [DRAMATIQ, "config.workers", *limits, "--queues", *queues]
    return _program(name, *command, surroundings=surroundings)


def traffic(surroundings: Mapping[str, str]) -> Program:
    """Return what keeps a demonstration alive: jobs that go on arriving, one of them failing now and then."""
    return _program("traffic", "-m", "deploy.local.traffic", surroundings=surroundings)


def web(port: int, *, surroundings: Mapping[str, str]) -> Program:
    """Return the console's server on `port` of the loopback address."""
    # The control socket would be one for all of a user's servers; nobody asks it anything here.
    arguments = ["--workers", "1", "--threads", "8", "--bind", f"127.0.0.1:{port}", "--no-control-socket"]
    return _program(
        "web", "-m", "gunicorn", "config.wsgi", *arguments, surroundings=surroundings, is_ready=lambda: _answers(port)
    )


def manage(command: str, *arguments: str, surroundings: Mapping[str, str]) -> Program:
    """Return `manage.py COMMAND` as a program that runs to its end."""
    return _program(command, "manage.py", command, *arguments, surroundings=surroundings)


def _shop(port: int, *, token: str, surroundings: Mapping[str, str]) -> Program:
    # One word, because a token may begin with a dash.
    options = ["--port", str(port), f"--token={token}", "--orders", str(PURCHASES), "--bucket-drops", "0"]
    return _program(
        "shop",
        *["-m", "tests.simulators.shoptet", *options],
        surroundings=surroundings,
        stage=SHOP_STAGE,
        is_ready=lambda: _listens(port),
    )


def _program(name: str, *arguments: str, surroundings: Mapping[str, str], **options: object) -> Program:
    return Program(
        name=name,
        command=[sys.executable, *arguments],
        folder=env.ROOT,
        environment=surroundings,
        **{"stage": PRODUCT_STAGE, "stop_seconds": WORKER_SHUTDOWN_SECONDS + 5, **options},  # type: ignore[arg-type]
    )


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/admin/login/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def web_port() -> int:
    """Return the port that PORT names, else 8000 or the next one that is free."""
    if not os.environ.get("PORT"):
        return folder.free_port(8000)
    port = env.number("PORT", default=8000, at_least=1)
    if not folder.is_free(port):
        raise UnableToStart(f"Port {port} is taken; set PORT to another one.")
    return port

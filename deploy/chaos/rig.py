"""The system under test: PostgreSQL, a Redis that keeps nothing, workers, schedulers; who dies is restarted."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from django.db import DatabaseError, InterfaceError, connection
from redis import Redis

from config import env
from deploy.chaos.tables import FILE, TABLES
from deploy.local import folder, postgres, product, redis
from deploy.local.log import Log
from deploy.local.processes import Program, UnableToStart, server_account, spawn
from deploy.local.supervisor import Supervisor

LEASE_SECONDS, SHUTDOWN_SECONDS = 6, 5
WORKERS = ("worker-1", "worker-2")
SCHEDULERS = ("scheduler-1", "scheduler-2")
THREADS = 4
MASTERS = 3  # the workers, and the one that runs jobs apart
_NUMBERS = ["--processes", "1", "--worker-shutdown-timeout", str(SHUTDOWN_SECONDS * 1000)]
_ACTORS = ["deploy.chaos.actors"]
_FOREIGN = ("DATABASE_URL", "REDIS_URL", "BROKER_URL", "JOBS_", "SENTRY_", "PORT")


def environment(data: Path, *, bell_seconds: int) -> dict[str, str]:
    """Return the environment of every process of a run: ours without any address of a real system."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    redis_url = env.embedded_redis_url(data)
    return {
        **own,
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "DEBUG": "false",
        "BACKROOM_DATA": str(data),
        "DATABASE_URL": env.embedded_database_url(data),
        "REDIS_URL": redis_url,
        "BROKER_URL": redis_url,
        "JOBS_LEASE_SECONDS": str(LEASE_SECONDS),
        "JOBS_BELL_SECONDS": str(bell_seconds),
        "dramatiq_worker_timeout": "100",  # ms between two looks at an empty queue
        "dramatiq_restart_delay": "500",  # ms before a consumer that lost Redis tries again
        "PYTHONUNBUFFERED": "1",
        FILE: str(data / "external.txt"),
    }


@dataclass(frozen=True)
class Rig:
    """What runs, and how to reach it. Its methods keep everything running while they wait."""

    supervisor: Supervisor
    data: Path
    log_file: Path
    surroundings: Mapping[str, str]

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.supervisor.wait(seconds)

    def wait_until(self, condition: Callable[[], bool], *, seconds: float, every: float = 0.1) -> bool:
        """Wait until the condition holds; return whether it did in time. A database that is away is no error."""
        end = time.monotonic() + seconds
        while not (held := _holds(condition)) and time.monotonic() < end:
            self.wait(every)
        return held

    def pid(self, name: str) -> int:
        """Return the process id of a program, dead or alive."""
        pids: dict[str, int] = json.loads((self.data / "pids.json").read_text(encoding="utf-8"))
        return pids[name]

    def tree(self, name: str) -> list[psutil.Process]:
        """Return a program's processes, the first one first; empty when it is dead."""
        with suppress(psutil.Error):
            head = psutil.Process(self.pid(name))
            return [head, *head.children(recursive=True)]
        return []

    def worker_children(self, name: str) -> list[psutil.Process]:
        """Return the processes of a worker that run jobs, without the pulses beside them."""
        return [child for child in self.tree(name)[1:] if _is_at_work(child) and child.ppid() == self.pid(name)]

    def redis(self) -> "Redis":
        """Return a client of the run's Redis."""
        return Redis(unix_socket_path=str(env.socket_dir(self.data) / "redis.sock"), socket_timeout=5)

    def hold_redis_down(self, *, is_down: bool) -> None:
        """Keep Redis from coming up again, or let it."""
        hold = _hold_file(self.data)
        hold.touch() if is_down else hold.unlink(missing_ok=True)

    def workers_alive(self) -> int:
        """Return how many workers hold a lease; raises DatabaseError."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM jobs_worker WHERE stopped_at IS NULL AND lease_until > now()")
            return int(cursor.fetchone()[0])

    def process(self, *arguments: str, changes: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a Python process that is not restarted; its output goes to a file beside the log."""
        program = _program(arguments[1], *arguments, surroundings={**self.surroundings, **(changes or {})})
        with self.log_file.with_name(f"{program.name}.log").open("ab") as output:
            return spawn(program, owner=self.data, output=output.fileno())


def database_answers() -> bool:
    """Return True; raises DatabaseError while PostgreSQL is away."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return True


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except (DatabaseError, InterfaceError):
        connection.close()
        return False


def _is_at_work(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def _hold_file(data: Path) -> Path:
    return data / "redis.hold"


@contextmanager
def running(data: Path, *, log_file: Path, surroundings: Mapping[str, str]) -> Iterator[Rig]:
    """Bring up the servers in `data` and stop whatever runs at the end of the block. Raises UnableToStart."""
    account = server_account()
    owner_id = account.pw_uid if account else os.geteuid()
    with log_file.open("w", encoding="utf-8") as stream, folder.hold(data):
        supervisor = Supervisor(data=data, log=Log(stream), longest_pause_seconds=0.5)
        with folder.sockets(data, owner_id=owner_id) as sockets, supervisor:
            supervisor.start(
                postgres.program(data=data, sockets=sockets),
                _holdable(redis.program(data=data, sockets=sockets, ephemeral=True), hold=_hold_file(data)),
            )
            yield Rig(supervisor, data, log_file, surroundings)


def _holdable(program: Program, *, hold: Path) -> Program:
    """Return the program with a wait before it for as long as `hold` exists: an outage has the length we choose."""
    wait = f"while [ -e {shlex.quote(str(hold))} ]; do sleep 0.05; done; exec {shlex.join(program.command)}"
    return replace(program, command=["/bin/sh", "-c", wait])


def prepare(rig: Rig) -> None:
    """Make the tables, of the product and of the run."""
    product.prepare(rig.supervisor, surroundings=rig.surroundings)
    with connection.cursor() as cursor:
        cursor.execute(TABLES)


def start(rig: Rig) -> None:
    """Start the workers and the schedulers and wait until they are at work. Raises UnableToStart."""
    start_workers(rig, "config.workers", *_ACTORS, "--queues", "high", "default")
    apart = [product.DRAMATIQ, *_NUMBERS, "--threads", "1", "config.workers", *_ACTORS, "--queues", "quarantine"]
    rig.supervisor.start(_program("quarantine", *apart, surroundings=rig.surroundings))
    rig.supervisor.start(*(_scheduler(name, rig.surroundings) for name in SCHEDULERS))
    if not rig.wait_until(lambda: rig.workers_alive() >= MASTERS, seconds=60):
        raise UnableToStart(f"The workers did not start; see {rig.log_file}.")


def start_workers(rig: Rig, *arguments: str) -> None:
    """Start `dramatiq` with the arguments, once for each name in WORKERS."""
    order = [product.DRAMATIQ, *_NUMBERS, "--threads", str(THREADS), *arguments]
    rig.supervisor.start(*(_program(name, *order, surroundings=rig.surroundings) for name in WORKERS))


def _scheduler(name: str, surroundings: Mapping[str, str]) -> Program:
    code = "import sys, periodiq; sys.exit(periodiq.entrypoint())"  # the package has no __main__
    return _program(name, "-c", code, "config.workers", surroundings=surroundings)


def _program(name: str, *arguments: str, surroundings: Mapping[str, str]) -> Program:
    return Program(
        name=name,
        command=[sys.executable, *arguments],
        folder=env.ROOT,
        environment=surroundings,
        stage=2,
        stop_signal=signal.SIGTERM,
        stop_seconds=SHUTDOWN_SECONDS + 5,
    )

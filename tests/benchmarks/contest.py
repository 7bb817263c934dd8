"""Runs each contender's parts one after another on the same servers."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from redis import Redis

from config import env
from deploy.local.supervisor import Supervisor
from tests.benchmarks.work import FILE

OURS = "backroom"
CONTENDERS = (OURS, "raw_dramatiq", "celery_redis", "huey_redis", "procrastinate_pg", "tasks_db")
BULK = 10_000
WARM_SHARE = 0.1  # of the jobs are done before the clock starts: workers take their time to boot
PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Figures:
    """What one contender reached: jobs a second, and milliseconds from a send to the job's first line."""

    enqueue: float
    bulk: float
    drain: float
    latencies: list[float]

    @property
    def p50(self) -> float:
        return self._at(0.5)

    @property
    def p99(self) -> float:
        return self._at(0.99)

    def _at(self, share: float) -> float:
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)] if self.latencies else 0


class Contest:
    """One set of servers, on which every contender has a database and a Redis of its own."""

    def __init__(self, supervisor: Supervisor, *, data: Path, peer_python: Path, options: argparse.Namespace) -> None:
        self._supervisor, self._data, self._peer_python, self._options = supervisor, data, peer_python, options
        self._file = data / "done"

    def run_all(self) -> dict[str, Figures]:
        return {name: self._run(name) for name in self._options.only}

    def _run(self, name: str) -> Figures:
        sys.stdout.write(f"{name} ...\n")
        sys.stdout.flush()
        self._start_afresh(name)
        jobs = self._options.jobs
        enqueue = jobs / self._seconds(name, "enqueue", jobs)
        drain = self._drain(name, jobs)
        bulk = BULK / self._seconds(name, "bulk", BULK) if name == OURS else 0
        self._start_afresh(name)
        return Figures(enqueue, bulk, drain, self._latencies(name))

    def with_old_rows(self, rows: int) -> str:
        """Return what the ledger's steps take beside `rows` old rows, compared with an empty ledger."""
        sys.stdout.write(f"{rows:,} old rows ...\n")
        sys.stdout.flush()
        empty, full = self._ledger(0), self._ledger(rows)
        lines = [f"\n{'ms':<18}{'empty':>12}{'old rows':>12}{'ratio':>8}   at most 1.3"]
        for step, before in empty.items():
            ratio = full[step] / before
            verdict = "reached" if ratio <= 1.3 else "MISSED"
            lines.append(f"{step:<18}{before:>12.2f}{full[step]:>12.2f}{ratio:>8.2f}   {verdict}")
        return "\n".join(lines)

    def _ledger(self, rows: int) -> dict[str, float]:
        self._start_afresh(OURS)
        order = [sys.executable, "-m", "tests.benchmarks.ledger", str(rows)]
        done = subprocess.run(order, stdout=subprocess.PIPE, text=True, check=True, **self._place(OURS))
        found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
        return found

    def _start_afresh(self, name: str) -> None:
        """Give the contender an empty database and an empty Redis."""
        with psycopg.connect(env.embedded_database_url(self._data), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS bench_{name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE bench_{name}")
        with self._redis(name) as client:
            client.flushdb()
        self._drive(name, "prepare")

    def _drain(self, name: str, jobs: int) -> float:
        """Return the jobs a second from the moment a tenth is done until all are."""
        self._file.unlink(missing_ok=True)
        with self._workers(name):
            began_at = self._wait_for(int(jobs * WARM_SHARE))
            done = self._file.stat().st_size
            ended_at = self._wait_for(jobs)
        return (jobs - done) / (ended_at - began_at)

    def _wait_for(self, size: int) -> float:
        """Wait until so many jobs have left their trace; return that moment."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not self._file.exists() or self._file.stat().st_size < size:
            if time.monotonic() > end:
                logs = "\n".join(file.read_text()[-2_000:] for file in self._data.glob("*.log"))
                raise TimeoutError(f"Not {size} jobs were done in {PATIENCE_SECONDS} s.\n{logs}")
            self._supervisor.wait(0.01)
        return time.monotonic()

    def _latencies(self, name: str) -> list[float]:
        self._file.unlink(missing_ok=True)
        with self._workers(name):
            self._drive(name, "latency", self._options.rounds)
        return [float(line) for line in self._file.read_text().split()][1:]

    @contextmanager
    def _workers(self, name: str) -> Iterator[None]:
        code = f"import json; from tests.benchmarks.apps.{name} import WORKERS; print(json.dumps(WORKERS))"
        found = subprocess.run([self._python(name), "-c", code], capture_output=True, check=True, **self._place(name))
        commands = json.loads(found.stdout.splitlines()[-1])
        log = (self._data / f"{name}.log").open("ab")
        running = [
            subprocess.Popen(command, stdout=log, stderr=log, process_group=0, **self._place(name))
            for command in commands
        ]
        try:
            yield
        finally:
            for process in running:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _seconds(self, name: str, action: str, number: int) -> float:
        return float(self._drive(name, action, number).splitlines()[-1])

    def _drive(self, name: str, action: str, *numbers: int) -> str:
        order = [self._python(name), "-m", "tests.benchmarks.driver", name, action, *map(str, numbers)]
        done = subprocess.run(order, stdout=subprocess.PIPE, text=True, check=True, **self._place(name))
        return done.stdout

    def _python(self, name: str) -> str:
        return sys.executable if name == OURS else str(self._peer_python)

    def _place(self, name: str) -> dict[str, object]:
        database = env.embedded_database_url(self._data).replace("/backroom?", f"/bench_{name}?")
        redis_url = env.embedded_redis_url(self._data, database=CONTENDERS.index(name) + 1)
        celery = redis_url.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
        own = {
            "BENCH_POSTGRES": database.replace("postgres://", "postgresql://"),
            "BENCH_REDIS": celery if name == "celery_redis" else redis_url,
            FILE: str(self._file),
            "BACKROOM_DATA": str(self._data),
        }
        if name == OURS:  # Celery's command would read these too
            own |= {"DATABASE_URL": database, "REDIS_URL": redis_url, "BROKER_URL": redis_url, "LOG_LEVEL": "ERROR"}
            own |= {"DJANGO_SETTINGS_MODULE": "config.settings.local", "DEBUG": "false"}
        own |= {"dramatiq_worker_timeout": "100"}
        return {"cwd": env.ROOT, "env": {**os.environ, **own}}

    def _redis(self, name: str) -> Redis:
        socket = env.socket_dir(self._data) / "redis.sock"
        return Redis(unix_socket_path=str(socket), db=CONTENDERS.index(name) + 1)

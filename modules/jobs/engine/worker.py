"""A worker process from boot to stop: its lease, its pulse, its share of dispatching."""

import ctypes
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from dramatiq import Broker, Middleware, Worker

from modules.jobs import services
from modules.jobs.engine import context, pulse, runner
from modules.jobs.engine.replacement import Replacement, StopSignals
from modules.jobs.engine.watch import Watch
from modules.kernel.ids import uuid7

log = logging.getLogger("backroom.jobs")

DISPATCH_EVERY_SECONDS = 0.5
DISPATCH_ON_SECONDS = 0.05  # after a pass that found work: a short lane must not become an empty one
SETTLE_EVERY_SECONDS = 0.5  # how often batches are asked whether somebody died before telling their end
ORPHAN_SECONDS = 5.0  # a worker that was told to stop begins to within one
PR_SET_PDEATHSIG = 1  # Linux: a signal for when the parent dies, however it dies


class WorkerLife(Middleware):
    """Registers the worker before its first claim, keeps its lease alive, and gives its jobs back at the end."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._pulse: subprocess.Popen[bytes] | None = None
        self._master = os.getppid()
        self._orphaned_at: float | None = None
        self._signals: StopSignals | None = None

    def after_process_boot(self, _broker: Broker) -> None:
        """Follow the master into death: Dramatiq leaves its workers running when it is killed."""
        self._master = os.getppid()
        self._signals = StopSignals()
        self._signals.install()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    def before_worker_boot(self, _broker: Broker, worker: Worker) -> None:
        """Wait for the database, then take a lease: without one, the jobs claimed would look abandoned."""
        worker_id = uuid7()
        queues = sorted(worker.consumer_whitelist or worker.broker.get_declared_queues())
        while not self._stopping.is_set():
            try:
                services.register_worker(
                    worker_id=worker_id,
                    hostname=socket.gethostname(),
                    pid=os.getpid(),
                    queues=queues,
                    threads=worker.worker_threads,
                )
                break
            except (DatabaseError, InterfaceError) as error:
                log.warning("the worker waits for the database: %s", error)
                connection.close()
                time.sleep(1)
        runner.worker_id = worker_id
        self._pulse = _start_pulse()
        threading.Thread(target=self._dispatch_forever, name="dispatcher", daemon=True).start()

    def after_worker_thread_boot(self, _broker: Broker, _thread: Any) -> None:
        """Connect each thread now and let it practice: a thread's first job would else wait for both."""
        try:
            if runner.worker_id:
                services.rehearse(worker_id=runner.worker_id)
        except (DatabaseError, InterfaceError) as error:
            log.warning("a thread connects with its first job, the database is away: %s", error)

    def before_worker_shutdown(self, _broker: Broker, _worker: Worker) -> None:
        """Leave dispatching to the others; running jobs have until the shutdown timeout, or their checkpoint."""
        context.is_leaving.set()
        self._stopping.set()

    def after_worker_shutdown(self, _broker: Broker, _worker: Worker) -> None:
        """Give back what did not end in time, and end the lease."""
        if runner.worker_id is None:
            return
        try:
            given_back = services.retire_worker(worker_id=runner.worker_id)
            log.info("worker=%s stopped, jobs given back=%d", runner.worker_id, given_back)
        except (DatabaseError, InterfaceError) as error:
            log.warning("the worker could not say goodbye, its lease runs out by itself: %s", error)
        if self._pulse and self._pulse.stdin:
            self._pulse.stdin.close()

    def _dispatch_forever(self) -> None:
        database = _DatabaseWatch()
        watch, settling, replacement = Watch(), _Pace(SETTLE_EVERY_SECONDS), Replacement()
        rest = DISPATCH_EVERY_SECONDS
        # Workers start together; the random rest keeps them from asking for the lock in step.
        while not self._stopping.wait(rest * random.uniform(0.8, 1.2)):  # noqa: S311
            try:
                self._end_if_stuck()
                done = services.dispatch(may_rescue=database.is_settled(), may_settle=settling.is_due())
                rest = DISPATCH_ON_SECONDS if done.rung else DISPATCH_EVERY_SECONDS
                if runner.worker_id:
                    services.release_strays(worker_id=runner.worker_id, in_hand=list(runner.in_hand))
                    replacement.look(worker_id=runner.worker_id, master=self._living_master())
                watch.look()
            except (DatabaseError, InterfaceError) as error:
                database.lost()
                log.warning("dispatching pauses, the database is away: %s", error)
                connection.close()
            except Exception:
                log.exception("a dispatcher's pass failed; the next one tries again")

    def _living_master(self) -> int | None:
        """Return who may be asked for a replacement: a master of Dramatiq that has told nobody to stop."""
        return self._master if self._signals and not self._signals.is_stopping else None

    def _end_if_stuck(self) -> None:
        """End an orphan that did not stop by itself.

        A worker whose master is killed while it boots waits for the dead master's answer for ever, deaf to
        SIGTERM, and its threads would go on taking jobs beside those of the next master.
        """
        if os.getppid() == self._master:
            self._orphaned_at = None
            return
        self._orphaned_at = self._orphaned_at or time.monotonic()
        if time.monotonic() - self._orphaned_at > ORPHAN_SECONDS:
            log.error("worker=%s has lost its master and does not stop; it ends here", runner.worker_id)
            if runner.worker_id:
                services.retire_worker(worker_id=runner.worker_id)
            os._exit(1)


class _Pace:
    """Says yes at most once in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    def is_due(self) -> bool:
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + self._seconds
        return True


class _DatabaseWatch:
    """After the database was away, every worker's lease is old: they get a moment before anybody is buried."""

    def __init__(self) -> None:
        self._rescue_from = 0.0

    def lost(self) -> None:
        self._rescue_from = time.monotonic() + settings.JOBS["LEASE_SECONDS"]

    def is_settled(self) -> bool:
        return time.monotonic() >= self._rescue_from


def _start_pulse() -> subprocess.Popen[bytes]:
    """Start the process that renews this worker's lease; code that holds the GIL cannot stop it."""
    process = subprocess.Popen([sys.executable, "-P", pulse.__file__], stdin=subprocess.PIPE)  # noqa: S603
    orders: dict[str, Any] = {
        "worker_id": str(runner.worker_id),
        "parent": os.getpid(),
        "lease_seconds": settings.JOBS["LEASE_SECONDS"],
        "database": {key: value for key, value in connection.get_connection_params().items() if _is_plain(value)},
    }
    stdin = process.stdin
    if stdin is None:
        raise RuntimeError("The pulse has no pipe.")
    stdin.write(json.dumps(orders).encode() + b"\n")
    stdin.flush()
    return process


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int)

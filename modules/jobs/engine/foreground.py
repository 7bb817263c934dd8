"""Jobs run by hand: one after another, in this process, for a command, a shell or a test."""

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from modules.jobs import services
from modules.jobs.engine import runner
from modules.jobs.engine.replacement import Limits, memory_bytes
from modules.jobs.registry import get_spec
from modules.kernel.ids import uuid7


def work(*, queues: Sequence[str] = (), limit: int | None = None, limits: Limits | None = None) -> int:
    """Run ready jobs of the queues (all when empty), best priority first, until none may start; return how many.

    Begins no job after `limit` of them, or over the `limits` of this call's time and the process's memory. The
    lease is not renewed between jobs: this is for a person who watches, not for a service.
    """
    done, began = 0, time.monotonic()
    with foreground_worker(queues=queues):
        while (limit is None or done < limit) and (bell := services.next_bell(queues)):
            if limits and limits.exceeded(seconds=time.monotonic() - began, memory_bytes=memory_bytes()):
                break
            runner.run(get_spec(bell.actor), bell)
            done += 1
    return done


@contextmanager
def foreground_worker(*, queues: Sequence[str] = ()) -> Iterator[None]:
    """Be a worker with a lease for the length of the block."""
    worker_id, before = uuid7(), runner.worker_id
    services.register_worker(
        worker_id=worker_id, hostname=socket.gethostname(), pid=os.getpid(), queues=list(queues), threads=1
    )
    runner.worker_id = worker_id
    try:
        yield
    finally:
        runner.worker_id = before
        services.retire_worker(worker_id=worker_id)

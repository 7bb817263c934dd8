"""`python -m tests.benchmarks.ledger ROWS`: what the ledger's own steps take beside so many old rows, as JSON in ms."""

import json
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median

from tests.benchmarks.apps.backroom import prepare, send, send_many

from django.db import connection  # isort: skip -- the line above sets Django up

from modules.jobs import selectors, services
from modules.jobs.clients import Bell
from modules.jobs.engine import runner
from modules.jobs.engine.foreground import foreground_worker
from modules.jobs.models import Job

CHUNK = 1_000_000
TIMES = 200
OLD = """
    INSERT INTO jobs_job (id, tenant_id, actor, queue, priority, arguments, state, run_at, dispatched_at, created_at,
        started_at, finished_at, worker_id, max_attempts, unique_until, tags, resource,
        attempt, crashes, fence, progress_message, error_type, error_message, fingerprint)
    SELECT gen_random_uuid(), n % 50, 'bench.noop', 'default', 0, '{"sent_ns": 0}', 'succeeded', past, past, past,
        past, past, gen_random_uuid(), 1, 'finish', '{}', '', 1, 0, 1, '', '', '', ''
    FROM generate_series(1, %s) n, (SELECT now() - interval '1 day' AS past) day"""


def main(rows: int) -> None:
    prepare()
    for start in range(0, rows, CHUNK):
        fill(min(CHUNK, rows - start))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE jobs_job")
    send_many(1_000)  # a backlog, because an empty queue is no question
    with foreground_worker(queues=["default"]), connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_worker SET lease_until = now() + interval '1 hour'")
        sys.stdout.write(json.dumps(measure()) + "\n")


def fill(rows: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(OLD.replace("n % 50", "n %% 50"), [rows])


def measure() -> dict[str, float]:
    waiting = iter(Job.objects.filter(state="queued").order_by("id").values_list("id", flat=True)[: 2 * TIMES])
    running = []
    return {
        "enqueue": middle(lambda: send(0)),
        "claim": middle(lambda: running.append(claim(next(waiting)))),
        "succeed": middle(lambda: services.succeed(running.pop())),
        "dispatch": middle(services.dispatch),
        "queue_figures": middle(selectors.queue_figures, times=10),
        "dead_letters": middle(lambda: list(selectors.dead_letters()[:50]), times=10),
        "job_states": middle(selectors.job_states, times=3),
    }


def claim(job_id):
    bell = Bell(job_id, 0, "bench.noop", "default")
    return services.claim(bell, worker_id=runner.worker_id, time_limit=timedelta(minutes=1))


def middle(act: Callable[[], object], *, times: int = TIMES) -> float:
    """Return the median of how many milliseconds it took."""
    taken = []
    for _ in range(times):
        began_at = time.perf_counter()
        act()
        taken.append((time.perf_counter() - began_at) * 1_000)
    return median(taken)


if __name__ == "__main__":
    main(int(sys.argv[1]))

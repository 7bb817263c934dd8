"""`python -m tests.benchmarks.activity --rows 1000000`: the activity log's cleanup beside one bare DELETE of its rows.

On a durable server of its own. The pauses are made in one run of each size, and counted apart.
"""

import argparse
import json
import os
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any

import django

from deploy.local import folder, servers
from deploy.local.log import Log

WANTED = 0.5
LIMIT, PAUSE_SECONDS = 1_000, 0.1
FILL = """
    INSERT INTO accounts_activityentry (tenant_id, user_id, verb, target_type, target_id, details, at)
    SELECT %(tenant_id)s, %(user_id)s, 'record.updated', 'record', n::text, jsonb_build_object('name', 'record ' || n),
        now() - CASE WHEN n %% 11 = 0 THEN interval '80 days' ELSE interval '91 days' END - n * interval '1 millisecond'
    FROM generate_series(1, %(rows)s * 11 / 10) AS n"""
BARE = "DELETE FROM accounts_activityentry WHERE at < now() - interval '90 days'"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.activity", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="that go; a tenth as many stay")
    parser.add_argument("--runs", type=int, default=3, help="of both, in turns, without the pauses")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        data = stack.enter_context(folder.temporary())
        log = stack.enter_context((data / "servers.log").open("w", encoding="utf-8"))
        stack.enter_context(servers.running(data=data, log=Log(log)))
        os.environ.update(servers.environment(data), DJANGO_SETTINGS_MODULE="config.settings.test")
        django.setup()
        found = measure(rows=arguments.rows, runs=arguments.runs)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0 if found["speed_of_bare"] >= WANTED and found["slowest_statement_seconds"] < 1 else 1


def measure(*, rows: int, runs: int) -> dict[str, Any]:
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    bare, working = [], []
    for _ in range(runs):
        bare.append(delete(rows))
        left = count()
        working.append(clean(rows, pause_seconds=0)[0])
        if count() != left:
            raise AssertionError("The cleanup left other rows than the bare DELETE.")
    tracemalloc.start()
    pausing, statements = clean(rows, pause_seconds=PAUSE_SECONDS)
    return {
        "rows": rows,
        "bare_seconds": round(median(bare), 2),
        "cleanup_seconds": round(median(working), 2),
        "with_pauses_seconds": round(pausing, 2),
        "speed_of_bare": round(median(bare) / median(working), 3),
        "speed_of_bare_in_each_run": [round(one / other, 3) for one, other in zip(bare, working, strict=True)],
        "speed_of_bare_with_pauses": round(median(bare) / pausing, 3),
        "median_statement_milliseconds": round(median(statements) * 1_000, 2),
        "slowest_statement_seconds": round(max(statements), 3),
        "peak_of_python_kibibytes": tracemalloc.get_traced_memory()[1] // 1024,
    }


def delete(rows: int) -> float:
    fill(rows)
    return took(lambda: sql(BARE))


def clean(rows: int, *, pause_seconds: float) -> tuple[float, list[float]]:
    """Return the seconds of the whole run, and of each of its statements."""
    from modules.accounts import services
    from modules.kernel import clock
    from modules.kernel.ids import uuid7

    fill(rows)
    chosen = {"days": 90, "limit": LIMIT, "pause_seconds": pause_seconds}
    with watched() as statements:
        seconds = took(
            lambda: services.clean_activity(run=uuid7(), now=clock.now(), report=lambda _done: None, **chosen)
        )
    return seconds, statements


def fill(rows: int) -> None:
    from modules.accounts.models import Tenant, User

    tenant, _ = Tenant.objects.get_or_create(name="Benchmark")
    user, _ = User.objects.get_or_create(username="benchmark")
    sql("TRUNCATE accounts_activityentry, accounts_cleanupreceipt")
    sql(FILL, {"tenant_id": tenant.pk, "user_id": user.pk, "rows": rows})
    sql("VACUUM ANALYZE accounts_activityentry")
    sql("CHECKPOINT")


@contextmanager
def watched() -> Iterator[list[float]]:
    """Yield a list that fills with the seconds of each statement."""
    from django.db import connection

    seconds: list[float] = []

    def watch(execute: Callable[..., Any], *arguments: Any) -> Any:
        began_at = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            seconds.append(time.perf_counter() - began_at)

    with connection.execute_wrapper(watch):
        yield seconds


def took(act: Callable[[], Any]) -> float:
    began_at = time.perf_counter()
    act()
    return time.perf_counter() - began_at


def count() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM accounts_activityentry")
        return int(cursor.fetchone()[0])


def sql(statement: str, values: dict[str, Any] | None = None) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, values)


if __name__ == "__main__":
    sys.exit(main())

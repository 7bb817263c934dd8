"""`python -m tests.benchmarks.console --rows 1000000`: what each page of the console takes beside so many jobs.

On servers of its own. Every page that a link leads to is asked for, and the lists with their filters and searches, by
a reader of all tenants and by the staff of one: median server time, number of queries, the slowest of them.
"""

import argparse
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from pathlib import Path
from random import Random
from statistics import median
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from zlib import crc32

import django

from deploy.local import folder, servers
from deploy.local.log import Log

MOST_MILLISECONDS, MOST_QUERIES = 200, 30
DAYS = 7
TENANTS = 20
SEED = 2026
READERS = {"all": "root", "one": "operator"}  # who sees all tenants, and the staff of one
ID = re.compile(r"(?<=/)([0-9a-f]{8}-[0-9a-f-]{27}|\d+)(?=/)")
LINK = re.compile(r'href="(/admin/[^"#?]*)')

ACTORS = (  # name, queue, share, seconds, error
    ("inventory.recalculate_variant_metrics", "default", 0.40, 0.08, "DeadlockDetected"),
    ("customers.attach_orders", "default", 0.27, 0.12, "StatementTimeout"),
    ("notifications.send_email", "emails", 0.18, 0.6, "SMTPServerDisconnected"),
    ("customers.recalculate_chunk", "customers", 0.08, 1.4, "LockTimeout"),
    ("shoptet.fetch_new_orders", "snapshots-download", 0.0499, 4.0, "ReadTimeout"),
    ("shoptet.refresh_statuses", "snapshots-download", 0.02, 9.0, "InvalidToken"),
    ("reports.make_export", "low", 0.0001, 60.0, "OSError"),  # what is rare must be found as well
)
ENDS = (("failed", 0.02), ("cancelled", 0.005), ("quarantined", 0.0002))  # shares; the rest succeeded
ALIVE = (("queued", 0.015), ("scheduled", 0.003), ("retrying", 0.002), ("running", 0.00005))
LISTS = {
    "jobs_job": [
        *("?state=queued", "?state=running", "?state=cancelled", "?state=quarantined", "?state=succeeded"),
        *(
            "?queue=default",
            "?queue=low",
            "?queue=high",
            "?actor=reports.make_export",
            "?actor=customers.attach_orders",
        ),
        *("?tenant=3", "?tenant=3&state=failed", "?p=150", "?q=reports.", "?q=shop:4", "?q=nothing.like.it"),
    ],
    "jobs_failedjob": ["?actor=reports.make_export", "?tenant=3", "?state=quarantined", "?p=50", "?q=shop:4"],
    "jobs_batch": ["?p=2"],
    "jobs_schedulefiring": ["?outcome=missed"],
}


@dataclass(frozen=True)
class Answer:
    """What one page takes."""

    page: str
    milliseconds: float
    """By the clock; on a machine that others use as well, more than it takes."""
    own: float
    """Of this process's processor time and of what the queries took, each in its least disturbed run; milliseconds."""
    queries: int
    slowest: float
    sql: str

    @property
    def is_too_much(self) -> bool:
        """Return whether it misses the target."""
        return self.milliseconds >= MOST_MILLISECONDS or self.queries >= MOST_QUERIES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.console", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="jobs in the ledger")
    parser.add_argument("--times", type=int, default=5, help="each page is asked for")
    parser.add_argument("--only", default="", help="pages whose address fits this expression")
    parser.add_argument("--explain", action="store_true", help="show the slowest query of each page that misses")
    parser.add_argument("--data", type=Path, help="keep the filled servers in this folder, and use what it holds")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        data = stack.enter_context(_data(arguments.data))
        log = stack.enter_context((data / "servers.log").open("w", encoding="utf-8"))
        stack.enter_context(servers.running(data=data, log=Log(log), ephemeral=True))
        os.environ.update(servers.environment(data), DJANGO_SETTINGS_MODULE="config.settings.test")
        django.setup()
        return _report(arguments)


@contextmanager
def _data(kept: Path | None) -> Iterator[Path]:
    """Give the folder that is kept, else one that is gone at the end."""
    if kept is None:
        with folder.temporary() as data:
            yield data
    else:
        folder.make(kept)
        yield kept.resolve()


def _report(arguments: argparse.Namespace) -> int:
    began_at = time.perf_counter()
    readers = prepare(rows=arguments.rows)
    sys.stdout.write(f"{arguments.rows:,} jobs in {time.perf_counter() - began_at:.0f} s\n")
    asked = (
        ask(client, page, who=who, times=arguments.times)
        for who, client in readers.items()
        for page in pages(client)
        if re.search(arguments.only, page)
    )
    found = sorted(filter(None, asked), key=lambda one: -one.milliseconds)
    sys.stdout.write(f"{'page':<84}{'ms':>8}{'own':>7}{'queries':>9}{'slowest':>9}\n")
    for one in found:
        mark = "  <- too much" if one.is_too_much else ""
        sys.stdout.write(
            f"{one.page[:83]:<84}{one.milliseconds:>8.0f}{one.own:>7.0f}{one.queries:>9}{one.slowest:>9.1f}{mark}\n"
        )
        if arguments.explain and (one.is_too_much or arguments.only):
            sys.stdout.write(f"    {one.sql[:1500]}\n")
    missed = sum(one.is_too_much for one in found)
    sys.stdout.write(f"{len(found)} pages, {missed} of them over {MOST_MILLISECONDS} ms or {MOST_QUERIES} queries\n")
    return 1 if missed else 0


def prepare(*, rows: int) -> dict[str, Any]:
    """Fill the product, unless an earlier run has, and return the readers' clients by name."""
    from django.core.management import call_command
    from django.test import Client

    from modules.accounts.models import User
    from modules.kernel.tenancy import all_tenants

    call_command("migrate", verbosity=0)
    with all_tenants():
        if not User.objects.filter(username=READERS["all"]).exists():
            furnish_all(rows)
        clients = {who: Client() for who in READERS}
        for who, client in clients.items():
            client.force_login(User.objects.get(username=READERS[who]))
    return clients


def furnish_all(rows: int) -> None:
    """Make the world, the readers and the ledger."""
    from django.core.management import call_command
    from django.db import connection

    from modules.accounts.models import User
    from tests.admin.factories import make_staff, make_tenant
    from tests.browser.world import furnish

    call_command("sync_job_schedules", verbosity=0, stdout=StringIO())
    furnish(dice=Random(SEED))
    tenants = [make_tenant(f"Tenant {number}") for number in range(TENANTS)]
    make_staff(READERS["one"], tenants=[tenants[2]], permissions=["view_*", "jobs.change_job"])
    fill(rows, tenants=[tenant.pk for tenant in tenants])
    User.objects.create_superuser(READERS["all"], password="root")  # the last, as a sign that all is there
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def fill(rows: int, *, tenants: list[int]) -> None:
    """Put a week of jobs into the ledger, their runs, and what is counted of them."""
    from django.db import connection, transaction

    from modules.kernel import clock

    chance, now = Random(SEED), clock.now()
    lives = _Lives(chance, tenants=tenants, newest=now, rows=rows)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        lives.make_groups(cursor)
        with cursor.copy(f"COPY jobs_job ({', '.join(JOB)}) FROM STDIN") as copy:
            for line in lives.jobs():
                copy.write(line)
        cursor.execute(RUNS)
        for statement in COUNTED:
            cursor.execute(statement)


JOB = (
    *("id", "tenant_id", "actor", "queue", "priority", "arguments", "state", "attempt", "max_attempts", "crashes"),
    *("fence", "run_at", "dispatched_at", "created_at", "started_at", "deadline_at", "finished_at", "worker_id"),
    *("batch_id", "tags", "unique_until", "progress_message", "error_type", "error_message", "fingerprint"),
)
RUNS = """
    INSERT INTO jobs_attempt (job_id, number, worker_id, started_at, ended_at, outcome, error_type, error_message,
        traceback, log)
    SELECT id, number, coalesce(worker_id, gen_random_uuid()), started_at, finished_at,
        CASE WHEN state = 'quarantined' THEN 'crashed' WHEN number < attempt THEN 'failed'
            WHEN state = 'cancelled' THEN 'cancelled' ELSE state END,
        error_type, error_message, '', CASE WHEN number = 1 THEN 'page 1 read' ELSE '' END
    FROM jobs_job, generate_series(1, attempt) number
    WHERE finished_at IS NOT NULL AND started_at IS NOT NULL ORDER BY finished_at
    ON CONFLICT DO NOTHING"""
_FIGURES = "count(*), 1.0, ARRAY[]::bigint[]"
COUNTED = (
    f"""INSERT INTO jobs_runminute (minute_at, actor, queue, outcome, count, seconds, buckets)
    SELECT date_trunc('minute', ended_at), actor, queue, outcome, {_FIGURES}
    FROM jobs_attempt JOIN jobs_job ON jobs_job.id = job_id GROUP BY 1, 2, 3, 4
    ON CONFLICT DO NOTHING""",
    f"""INSERT INTO jobs_runtotal (actor, queue, outcome, count, seconds, buckets)
    SELECT actor, queue, outcome, {_FIGURES}
    FROM jobs_attempt JOIN jobs_job ON jobs_job.id = job_id GROUP BY 1, 2, 3 ON CONFLICT DO NOTHING""",
    """INSERT INTO jobs_schedulefiring (schedule_id, due_at, fired_at, outcome, reason)
    SELECT id, due_at, due_at + interval '1 s', CASE WHEN random() < 0.01 THEN 'missed' ELSE 'fired' END, ''
    FROM jobs_jobschedule, generate_series(now() - interval '7 d', now(), interval '15 min') due_at
    ON CONFLICT DO NOTHING""",
    """INSERT INTO jobs_alert (rule_id, subject, opened_at, closed_at, last_value, notified)
    SELECT id, 'default', at, at + interval '5 min', 1200, '{}'
    FROM jobs_alertrule, generate_series(now() - interval '80 d', now(), interval '8 h') at""",
)


class _Lives:
    """A week's jobs as lines of COPY, the oldest first."""

    def __init__(self, chance: Random, *, tenants: list[int], newest: Any, rows: int) -> None:
        self._chance, self._tenants, self._newest, self._rows = chance, tenants, newest, rows
        self._batches = [self._id(newest.timestamp() - chance.random() * DAYS * 86_400) for _ in range(200)]
        self._workers = [self._id(newest.timestamp() - 3_600) for _ in range(8)]

    def _id(self, seconds: float) -> UUID:
        random = self._chance.getrandbits(74)
        high, low = random >> 62, random & (1 << 62) - 1
        return UUID(int=int(seconds * 1000) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)

    def make_groups(self, cursor: Any) -> None:
        """Put batches and workers there for the jobs to name."""
        day = timedelta(days=1)
        cursor.executemany(
            "INSERT INTO jobs_batch (id, tenant_id, name, callbacks, sent, created_at, finished_at, pruned_succeeded,"
            " pruned_failed, pruned_cancelled) VALUES (%s, %s, 'import', '{}', '{}', %s, %s, 0, 0, 0)",
            [
                (one, self._tenants[n % TENANTS], self._newest - day, self._newest)
                for n, one in enumerate(self._batches)
            ],
        )
        cursor.executemany(
            "INSERT INTO jobs_worker (id, hostname, pid, queues, threads, started_at, seen_at, lease_until)"
            " VALUES (%s, 'backroom-1', %s, '{default,emails,customers,low,high}', 8, now(), now(), now() + interval"
            " '1 d')",
            [(one, 100 + n) for n, one in enumerate(self._workers)],
        )

    def jobs(self) -> Iterator[str]:
        """Yield a line for each job."""
        step = DAYS * 86_400 / self._rows
        first = self._newest.timestamp() - DAYS * 86_400
        alive_from = self._rows - round(self._rows * sum(share for _state, share in ALIVE) * 1.05)
        for number in range(self._rows):
            yield self._line(first + number * step, is_alive=number >= alive_from)

    def _line(self, at: float, *, is_alive: bool) -> str:
        chance = self._chance
        actor, queue, seconds, error = self._pick_actor()
        state = self._pick(ALIVE) if is_alive else self._pick_end()
        ended = not is_alive
        attempts = 4 if state == "failed" else 1 if state != "cancelled" and (ended or state == "running") else 0
        began, took = at + chance.expovariate(2.5), seconds * chance.lognormvariate(0, 0.5)
        has_begun = attempts > 0
        kind = chance.randrange(6)
        is_bad = state in {"failed", "quarantined", "retrying"}
        values = [
            self._id(at),
            self._tenants[int(chance.random() ** 2 * TENANTS)],
            *(actor, queue, 0, f'{{"shop_id": {chance.randrange(40)}, "number": {chance.randrange(90_000)}}}', state),
            *(attempts, 4, 3 if state == "quarantined" else 0, attempts),
            _time(at if state not in {"scheduled", "retrying"} else at + 90_000),
            _time(at) if state != "queued" or chance.random() < 0.02 else None,
            _time(at),
            _time(began) if has_begun else None,
            _time(began + 3_600) if state == "running" else None,
            _time(began + took) if ended else None,
            chance.choice(self._workers) if has_begun else None,
            chance.choice(self._batches) if chance.random() < 0.05 else None,
            "{" + f"shop:{chance.randrange(40)}" + "}" if actor.startswith("shoptet") else "{}",
            *("finish", ""),
            error if is_bad else "",
            f"It did not go well, said {kind} of {actor}" if is_bad else "",
            f"{kind}{crc32(actor.encode()):015}" if is_bad else "",
        ]
        return "\t".join("\\N" if value is None else str(value) for value in values) + "\n"

    def _pick_actor(self) -> tuple[str, str, float, str]:
        lot = self._chance.random()
        for actor, queue, share, seconds, error in ACTORS:
            lot -= share
            if lot < 0:
                return actor, queue, seconds, error
        return ACTORS[0][0], ACTORS[0][1], ACTORS[0][3], ACTORS[0][4]

    def _pick(self, shares: tuple[tuple[str, float], ...]) -> str:
        lot = self._chance.random() * sum(share for _state, share in shares)
        for state, share in shares:
            lot -= share
            if lot < 0:
                return state
        return shares[0][0]

    def _pick_end(self) -> str:
        lot = self._chance.random()
        for state, share in ENDS:
            lot -= share
            if lot < 0:
                return state
        return "succeeded"


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds)) + f"{seconds % 1:.6f}"[1:] + "+00"


def pages(client: Any) -> Iterator[str]:
    """Yield the address of each page that a link leads to, of those that differ by an id alone the first."""
    from django.urls import reverse

    waiting, seen = ["/admin/"], set()
    while waiting:
        place = waiting.pop(0)
        kind = ID.sub("<id>", place)
        if kind in seen or "/password" in place or "/logout" in place:
            continue
        seen.add(kind)
        answer = client.get(place)
        if answer.status_code != 200:
            continue
        yield place
        waiting += [urlsplit(link).path for link in LINK.findall(answer.content.decode())]
    yield from (f"{link.removesuffix('change/')}preview/" for link in _rules(client))
    for name, queries in LISTS.items():
        yield from (reverse(f"admin:{name}_changelist") + query for query in queries)


def _rules(client: Any) -> list[str]:
    """Return the pages of all alert rules: each looks back at the ledger in its own way."""
    links = LINK.findall(client.get("/admin/jobs/alertrule/").content.decode())
    return sorted({link for link in links if link.endswith("/change/") and "alertrule" in link})


def ask(client: Any, page: str, *, who: str, times: int) -> Answer | None:
    """Ask for a page and return what it takes; None where this reader may not look."""
    if client.get(page).status_code != 200:
        return None
    milliseconds = median(_took(lambda: client.get(page), time.perf_counter) for _ in range(times))
    own = min(_took(lambda: client.get(page), time.process_time) for _ in range(times))
    runs = [_queries(client, page) for _ in range(times)]
    quickest = min(runs, key=_total)
    slowest = max(quickest, key=lambda query: float(query["time"]), default={"time": "0", "sql": ""})
    shown = f"{who} {page if '/preview/' in page else ID.sub('<id>', page)}"
    own += _total(quickest)
    return Answer(shown, milliseconds, own, len(quickest), float(slowest["time"]) * 1_000, slowest["sql"])


def _queries(client: Any, page: str) -> list[dict[str, str]]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        client.get(page)
    return captured.captured_queries


def _total(queries: list[dict[str, str]]) -> float:
    """Return how long they took together, in milliseconds."""
    return sum(float(query["time"]) for query in queries) * 1_000


def _took(act: Callable[[], object], clock: Callable[[], float]) -> float:
    began_at = clock()
    act()
    return (clock() - began_at) * 1_000


if __name__ == "__main__":
    sys.exit(main())

"""`python -m tests.benchmarks.customers [FILE]`: what recalculating all customers takes beside one bare SQL aggregate.

FILE: CDNOW purchases, the sample (5 columns, the default) or the full set (4 columns; brucehardie.com/datasets).
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import django

from deploy.local import folder, product, servers
from deploy.local.log import Log

SAMPLE = Path(__file__).parents[1] / "data" / "cdnow_sample.txt"
WORKERS = [product.DRAMATIQ, "config.workers", "--processes", "2", "--threads", "4", "--queues", "customers"]
CHANGED = (10, 100, 1_000)
PATIENCE_SECONDS = 120

# What a person would write who wants the figures of all customers at once: no chunks, no locks, nothing kept. It
# writes into the very table, because a third of such a statement is its indexes and its foreign keys.
BARE = """
INSERT INTO customers_customermetrics
    (tenant_id, customer_id, order_count, paid_count, cancelled_count, currency, revenue, aov, first_order_at,
     last_order_at, clv, frequency, repeat_value, recency_score, frequency_score, money_score, segment, stale_at,
     is_predicted, recalculated_at)
SELECT counted.tenant_id, counted.customer_id, order_count, paid_count, cancelled_count,
    counted.currency, revenue, aov, first_order_at, last_order_at, clv, frequency, repeat_value,
    score.recency_score, score.frequency_score, score.money_score, score.segment, score.stale_at, FALSE, %(now)s
FROM (
    SELECT tenant_id, customer_id, count(*) FILTER (WHERE NOT is_cancelled) AS order_count,
        count(*) FILTER (WHERE NOT is_cancelled AND is_paid) AS paid_count,
        count(*) FILTER (WHERE is_cancelled) AS cancelled_count, max(currency) AS currency,
        sum(total_default) FILTER (WHERE NOT is_cancelled) AS revenue,
        round(avg(total_default) FILTER (WHERE NOT is_cancelled), 2) AS aov,
        min(created_at) FILTER (WHERE NOT is_cancelled) AS first_order_at,
        max(created_at) FILTER (WHERE NOT is_cancelled) AS last_order_at,
        sum(total_without_vat) FILTER (WHERE NOT is_cancelled) AS clv,
        count(DISTINCT day) FILTER (WHERE day > first_day) AS frequency,
        round(sum(total_without_vat) FILTER (WHERE day > first_day)
            / NULLIF(count(DISTINCT day) FILTER (WHERE day > first_day), 0), 2) AS repeat_value
    FROM (
        SELECT link.tenant_id, link.customer_id, channel.currency, bought.is_cancelled, bought.is_paid,
            bought.created_at, bought.total_default, bought.total_without_vat,
            (bought.created_at AT TIME ZONE 'Europe/Prague')::date AS day,
            min((bought.created_at AT TIME ZONE 'Europe/Prague')::date)
                OVER (PARTITION BY link.customer_id) AS first_day
        FROM customers_customerorder link
        JOIN orders_order bought ON bought.id = link.order_id
        JOIN orders_saleschannel channel ON channel.id = bought.channel_id
        WHERE bought.deleted_at IS NULL
    ) AS dated GROUP BY tenant_id, customer_id
) AS counted
"""
# Customers, accounts and links as attaching the orders makes them; a minute sooner.
ATTACHED = (
    """INSERT INTO customers_customer (tenant_id, full_name, email, email_normalized, phone, created_at)
    SELECT tenant_id, customer_guid, '', '', '', now() FROM orders_order GROUP BY tenant_id, customer_guid""",
    """INSERT INTO customers_customeraccount (tenant_id, customer_id, channel_id, guid)
    SELECT tenant_id, id, (SELECT id FROM orders_saleschannel), full_name FROM customers_customer""",
    """INSERT INTO customers_customerorder (tenant_id, order_id, customer_id, linked_by)
    SELECT bought.tenant_id, bought.id, account.customer_id, 'guid' FROM orders_order bought
    JOIN customers_customeraccount account ON account.guid = bought.customer_guid""",
)
COUNTED = """tenant_id, customer_id, order_count, paid_count, cancelled_count, currency, revenue, aov, first_order_at,
    last_order_at, clv, frequency, repeat_value"""
SCORED = f"{COUNTED}, recency_score, frequency_score, money_score, segment, stale_at"


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    with ExitStack() as stack:
        data = stack.enter_context(folder.temporary())
        log = stack.enter_context((data / "servers.log").open("w", encoding="utf-8"))
        stack.enter_context(servers.running(data=data, log=Log(log)))
        os.environ.update(servers.environment(data), DJANGO_SETTINGS_MODULE="config.settings.test")
        django.setup()
        return Bench(options).run()


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=SAMPLE)
    parser.add_argument("--runs", type=int, default=3)
    return parser.parse_args(arguments)


def purchases(file: Path) -> Iterator[tuple[str, str, str]]:
    """Yield customer, day (YYYYMMDD) and dollars of each purchase."""
    for line in file.read_text(encoding="ascii").splitlines():
        fields = line.split()
        if fields and fields[0].isdecimal():  # the full set has a line of names
            yield fields[0], fields[-3], fields[-1]


class Bench:
    """One database with all purchases, measured several times over."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options

    def run(self) -> int:
        self.load()
        self.expected = self.count_independently()
        runs = [self.measure() for _ in range(self.options.runs)]
        middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        say(f"\n{self.orders:,} orders, {self.customers:,} customers; seconds, median of {len(runs)} runs\n")
        for name, seconds in middle.items():
            say(f"{name:<46}{seconds:>9.3f}{seconds / middle['one bare SQL aggregate']:>9.2f}x")
        return self.judge(middle)

    def load(self) -> None:
        from django.core.management import call_command

        from modules.customers import services
        from modules.kernel.tenancy import all_tenants
        from modules.orders import services as orders
        from tests.orders.factories import at, make_channel, order_facts

        call_command("migrate", verbosity=0)
        self.scope = all_tenants()
        self.scope.__enter__()
        self.channel = make_channel(currency="USD")
        self.facts = [
            order_facts(f"{n:06}", customer_guid=guid, total=total, currency="USD", lines=(), created_at=at(day))
            for n, (guid, day, total) in enumerate(purchases(self.options.file))
        ]
        for start in range(0, len(self.facts), 5_000):
            part = self.facts[start : start + 5_000]
            orders.import_orders(channel_id=self.channel.pk, orders=part, fetched_at=at("2026-03-01"))
        for statement in ATTACHED:
            self.sql(statement)
        self.sql("ANALYZE")
        self.chunks(now=at("2026-03-01"))
        self.now = at("2026-03-02")
        services.measure(tenant_id=self.channel.tenant_id, now=self.now)
        self.sql("CREATE TABLE bare_metrics (LIKE customers_customermetrics INCLUDING ALL)")
        self.sql("TRUNCATE jobs_job CASCADE")
        self.orders, self.customers = len(self.facts), self.ask("SELECT count(*) FROM customers_customer")

    def count_independently(self) -> dict[str, tuple[int, Decimal]]:
        """Return orders and revenue by customer, read from the file alone."""
        found: dict[str, tuple[int, Decimal]] = {}
        for guid, _day, total in purchases(self.options.file):
            count, revenue = found.get(guid, (0, Decimal(0)))
            found[guid] = count + 1, revenue + Decimal(total)
        return found

    def measure(self) -> dict[str, float]:
        figures = {"one bare SQL aggregate": self.timed(self.bare)}
        self.keep_bare()
        figures["all chunks of 250"] = self.timed(self.chunks)
        self.check(SCORED)
        self.sql("TRUNCATE customers_customermetrics")
        figures["the whole job path, 2 processes"] = self.jobs()
        self.check(COUNTED)  # jobs score by the present day
        for count in CHANGED:
            if count < self.orders:
                figures[f"after {count:,} changed orders, links included"] = self.changes(count)
        return figures

    def bare(self) -> None:
        from modules.customers.services._scores import SCORES, score_values

        self.sql(BARE + SCORES, score_values(self.now))

    def chunks(self, now: Any = None) -> None:
        from modules.customers import selectors, services

        tenant_id, now = self.channel.tenant_id, now or self.now
        ids = selectors.customers_to_recalculate(tenant_id=tenant_id, now=now, everyone=True)
        for chunk in services.chunked(ids, services.CHUNK):
            services.recalculate_metrics(tenant_id=tenant_id, customer_ids=chunk, now=now)

    def jobs(self) -> float:
        """Return the seconds from the schedule's send to the end of the last chunk, by the ledger's own clock."""
        from modules.customers import actors
        from modules.jobs.models import Batch, Job

        with workers():
            job_id = actors.recalculate_metrics.send(everyone=True).message_id
            wait_until(lambda: Batch.objects.filter(finished_at__isnull=False).exists())
            wait_until(lambda: not Job.objects.filter(finished_at=None).exists())
        chunks = Job.objects.filter(actor="customers.recalculate_chunk", state="succeeded")
        seconds = (
            max(chunks.values_list("finished_at", flat=True)) - Job.objects.get(id=job_id).created_at
        ).total_seconds()
        self.sql("TRUNCATE jobs_job, jobs_batch CASCADE")
        return seconds

    def changes(self, count: int) -> float:
        """Change some orders' totals, and return what bringing links and figures up to date takes."""
        from dataclasses import replace

        from modules.customers import selectors, services
        from modules.orders import services as orders

        step = len(self.facts) // count
        for start in (0, 1):  # there and back, so that each run begins alike
            changed = [
                replace(facts, total_default=(facts.total_default or Decimal(0)) + (1 - start))
                for facts in self.facts[::step][:count]
            ]
            found = orders.import_orders(channel_id=self.channel.pk, orders=changed, fetched_at=self.now)
            began_at = time.perf_counter()
            for ids in services.chunked(found.order_ids, services.CHUNK):
                services.attach_orders(tenant_id=self.channel.tenant_id, order_ids=ids, now=self.now)
            due = selectors.customers_to_recalculate(tenant_id=self.channel.tenant_id, now=self.now, everyone=False)
            services.recalculate_metrics(tenant_id=self.channel.tenant_id, customer_ids=list(due), now=self.now)
            seconds = time.perf_counter() - began_at
        self.sql("TRUNCATE jobs_job CASCADE")
        return seconds

    def check(self, columns: str) -> None:
        """Compare with the file and with the bare aggregate, row by row; raises AssertionError."""
        from modules.customers.models import CustomerMetrics

        rows = CustomerMetrics.objects.values_list("customer__accounts__guid", "order_count", "revenue")
        found = {guid: (count, revenue) for guid, count, revenue in rows}
        if found != self.expected:
            raise AssertionError("The figures are not those of the file.")
        for one, other in (
            ("bare_metrics", "customers_customermetrics"),
            ("customers_customermetrics", "bare_metrics"),
        ):
            if differing := self.ask(
                f"SELECT count(*) FROM (SELECT {columns} FROM {one} EXCEPT SELECT {columns} FROM {other}) AS d"
            ):
                raise AssertionError(f"{differing} rows of {one} are not in {other}.")

    def judge(self, middle: dict[str, float]) -> int:
        bare = middle["one bare SQL aggregate"]
        limits = {"all chunks of 250": 1.5, "the whole job path, 2 processes": 3.0}
        failed = [name for name, limit in limits.items() if middle[name] > limit * bare]
        for name, limit in limits.items():
            say(f"{'MISSED' if name in failed else 'kept':<8}{name}: {middle[name] / bare:.2f} of {limit} times")
        return 1 if failed else 0

    def keep_bare(self) -> None:
        """Keep what the bare statement wrote, for comparison."""
        self.sql("TRUNCATE bare_metrics")
        self.sql("INSERT INTO bare_metrics SELECT * FROM customers_customermetrics")

    def timed(self, act: Callable[[], Any]) -> float:
        self.sql("TRUNCATE customers_customermetrics")
        self.sql("VACUUM ANALYZE")
        began_at = time.perf_counter()
        act()
        return time.perf_counter() - began_at

    def sql(self, statement: str, values: Any = None) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(statement, values)

    def ask(self, statement: str) -> Any:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0]


def wait_until(is_so: Callable[[], bool]) -> None:
    """Ask until it is so; raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError("The workers do not come to an end.")
        time.sleep(0.05)


@contextmanager
def workers() -> Iterator[None]:
    """Keep two worker processes up, which are ready before the block begins."""
    from modules.jobs.models import Worker

    Worker.objects.all().delete()
    process = subprocess.Popen([sys.executable, *WORKERS], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: Worker.objects.filter(stopped_at=None).count() >= 2)
        time.sleep(1)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m tests.benchmarks.snapshots`: a snapshot's way in beside a bare COPY of the same rows, and its memory.

Needs servers: `python -m deploy.local servers --ephemeral -- python -m tests.benchmarks.snapshots --orders 500000`.
"""

import argparse
import gzip
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")

import django

django.setup()

from django.conf import settings  # noqa: E402 -- after Django is set up
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from modules.accounts.models import Tenant  # noqa: E402
from modules.kernel.tenancy import all_tenants  # noqa: E402
from modules.shoptet import services  # noqa: E402
from modules.shoptet.models import Shop, SnapshotExecution  # noqa: E402
from tests.simulators.shoptet.bodies import Sale, order_body  # noqa: E402

FIRST = datetime(2024, 1, 1, tzinfo=UTC)
TABLES = ("orders_order", "orders_orderitem")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.snapshots", description=__doc__)
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3, help="of import and COPY, in turns; 0 for one import alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, all_tenants():
        settings.MEDIA_ROOT = folder
        call_command("migrate", verbosity=0)
        sys.stdout.write(json.dumps(measure(Path(folder), orders=arguments.orders, runs=arguments.runs)) + "\n")


def measure(folder: Path, *, orders: int, runs: int) -> dict[str, Any]:
    shop = make_shop()
    write_file(folder / "snapshot.json.gz", orders=orders)
    if not runs:
        return {"orders": orders, "import_seconds": round(took(lambda: run_import(shop, folder)), 2), **memory()}
    imports, copies = [], []
    for _ in range(runs):
        empty()
        imports.append(took(lambda: run_import(shop, folder)))
        save_rows(folder)
        empty()
        copies.append(took(lambda: load_rows(folder)))
    before = written_rows()
    again = took(lambda: run_import(shop, folder))
    return {
        "orders": orders,
        "import_seconds": round(median(imports), 2),
        "copy_seconds": round(median(copies), 2),
        "import_speed_of_copy": round(median(copies) / median(imports), 3),
        "unchanged_seconds": round(again, 2),
        "unchanged_rows_written": written_rows() - before,
        **memory(),
    }


def memory() -> dict[str, int]:
    """Return this process's peak, the writing of the file included."""
    return {"peak_mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def make_shop() -> Shop:
    tenant, _ = Tenant.objects.get_or_create(name="Benchmark")
    return services.add_shop(tenant_id=tenant.pk, name="Benchmark", base_url="http://127.0.0.1:9", token="none")


def write_file(path: Path, *, orders: int) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for line in lines(orders):
            file.write(line)


def lines(orders: int) -> Iterator[bytes]:
    for number in range(orders):
        at = FIRST + timedelta(minutes=number)
        sale = Sale(
            code=f"{number:08}",
            created_at=at,
            changed_at=at,
            email=f"customer{number % 9_973}@example.com",
            full_name="Jana Nováková",
            total=Decimal(number % 5_000) + 1,
            first_item_id=10 * number + 1,
        )
        yield json.dumps(order_body(sale), ensure_ascii=False).encode() + b"\n"


def run_import(shop: Shop, folder: Path) -> None:
    """Process the file as the job does, from its first line to the entry in the pipeline log."""
    (folder / "taken.json.gz").hardlink_to(folder / "snapshot.json.gz")  # the job deletes its file
    SnapshotExecution.objects.filter(finished_at=None).delete()
    entry = SnapshotExecution.objects.create(
        tenant_id=shop.tenant_id,
        shop=shop,
        kind=SnapshotExecution.Kind.ORDERS_SNAPSHOT,
        trigger=SnapshotExecution.Trigger.MANUAL,
        status=SnapshotExecution.Status.PROCESSING,
        started_at=datetime.now(UTC),
        window_to=datetime.now(UTC),
        file_name="taken.json.gz",
    )
    services.process_snapshot(execution_id=entry.pk, report=lambda *_: None)


def save_rows(folder: Path) -> None:
    with connection.cursor() as cursor:
        for table in TABLES:
            with (folder / table).open("wb") as file, cursor.copy(f"COPY {table} TO STDOUT") as copy:
                for part in copy:
                    file.write(part)


def load_rows(folder: Path) -> None:
    with connection.cursor() as cursor:
        for table in TABLES:
            with (folder / table).open("rb") as file, cursor.copy(f"COPY {table} FROM STDIN") as copy:
                while part := file.read(1 << 20):
                    copy.write(part)


def empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE orders_order CASCADE")
        cursor.execute("CHECKPOINT")


def written_rows() -> int:
    """Return how many rows of orders and lines were ever written, as PostgreSQL counts them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables WHERE relname = ANY(%s)",
            [list(TABLES)],
        )
        return int(cursor.fetchone()[0])


def took(act: Callable[[], object]) -> float:
    began_at = time.perf_counter()
    act()
    return time.perf_counter() - began_at


if __name__ == "__main__":
    main()

"""Procrastinate on PostgreSQL: a row for each job, woken by LISTEN/NOTIFY; two processes with ten coroutines each."""

import os
import sys
from functools import cache

import procrastinate

from tests.benchmarks import work

_ARGUMENTS = {"conninfo": os.environ["BENCH_POSTGRES"]}
app = procrastinate.App(connector=procrastinate.PsycopgConnector(**_ARGUMENTS))
_ORDER = [sys.executable, "-m", "procrastinate", "--app", "tests.benchmarks.apps.procrastinate_pg.app"]
WORKERS = [[*_ORDER, "worker", "--concurrency", "10"]] * 2
_sender = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(**_ARGUMENTS))


@app.task(name="noop")
async def noop(sent_ns):
    work.do(sent_ns)


def prepare():
    with _sender.open():
        _sender.schema_manager.apply_schema()


def send(sent_ns):
    _opened().configure_task("noop").defer(sent_ns=sent_ns)


@cache
def _opened():
    _sender.open()
    return _sender

"""Celery on Redis without results: two processes that fetch ahead; nothing is kept of a job that ended."""

import os
import sys

from celery import Celery

from tests.benchmarks import work

app = Celery("bench", broker=os.environ["BENCH_REDIS"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=64, worker_hijack_root_logger=False)
_OPTIONS = ["--concurrency", "2", "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"]
WORKERS = [[sys.executable, "-m", "celery", "-A", "tests.benchmarks.apps.celery_redis", "worker", *_OPTIONS]]


@app.task
def noop(sent_ns):
    work.do(sent_ns)


def prepare():
    app.control.purge()


def send(sent_ns):
    noop.delay(sent_ns)

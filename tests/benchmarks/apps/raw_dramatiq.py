"""Dramatiq on Redis as it comes; nothing is kept of a job that ended."""

import os
import sys
from pathlib import Path

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from tests.benchmarks import work

broker = RedisBroker(url=os.environ["BENCH_REDIS"])
dramatiq.set_broker(broker)
SCRIPT = str(Path(sys.executable).with_name("dramatiq"))
WORKERS = [[sys.executable, SCRIPT, "tests.benchmarks.apps.raw_dramatiq", "--processes", "2", "--threads", "4"]]


@dramatiq.actor
def noop(sent_ns):
    work.do(sent_ns)


def prepare():
    broker.flush_all()


def send(sent_ns):
    noop.send(sent_ns)

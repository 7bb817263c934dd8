"""Huey on Redis without results; nothing is kept of a job that ended."""

import os
import sys

from huey import RedisHuey

from tests.benchmarks import work

huey = RedisHuey("bench", url=os.environ["BENCH_REDIS"], results=False)
_CONSUMER = "import sys; from huey.bin.huey_consumer import consumer_main; sys.exit(consumer_main())"
_OPTIONS = ["--workers", "2", "--worker-type", "process", "--no-periodic", "--quiet"]
WORKERS = [[sys.executable, "-c", _CONSUMER, "tests.benchmarks.apps.huey_redis.huey", *_OPTIONS]]


@huey.task()
def noop(sent_ns):
    work.do(sent_ns)


def prepare():
    huey.flush()


def send(sent_ns):
    noop(sent_ns)

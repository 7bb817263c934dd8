"""Backroom: a row for each job in PostgreSQL, a bell in Redis."""

import sys

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from deploy.local.product import DRAMATIQ  # noqa: E402
from modules.jobs import services  # noqa: E402
from tests.benchmarks.apps.backroom_actors import noop  # noqa: E402

_MODULES = ["config.workers", "tests.benchmarks.apps.backroom_actors"]
_NUMBERS = ["--processes", "2", "--threads", "8", "--queues", "default", "high"]
WORKERS = [[sys.executable, DRAMATIQ, *_MODULES, *_NUMBERS]]


def prepare():
    call_command("migrate", verbosity=0)


def send(sent_ns):
    noop.send(sent_ns=sent_ns)


def send_many(count):
    services.enqueue_many([services.JobRequest(actor="bench.noop", kwargs={"sent_ns": 0})] * count)

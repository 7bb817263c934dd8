"""The table of names in modules/jobs/README.md: complete on the left, true on the right."""

import ast
import inspect
import re
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.urls import Resolver404, resolve

from config.api import api
from modules.jobs import registry
from modules.jobs.api._schemas import Options
from modules.jobs.domain import PLATFORM_RULES, ExponentialBackoff, Schedule, TableBackoff
from modules.jobs.engine import actor

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"`([^`]+)`")

# What the five descriptions of such systems, which this platform answers to, call things.
_TEXT = """
    queue:work messenger:consume messenger:stats debug:messenger queue:monitor queue:failed queue:retry
    queue:flush queue:restart queue:prune-failed horizon:snapshot job-schedules:run schedule:run
    JobScheduleCatalog supervisorctl --queue --max-time --memory --time-limit --once --sleep -vv numprocs --max=
    --hours --tries --timeout timeout: REDIS_URL QUEUE_CONNECTION MESSENGER_TRANSPORT_DSN amqp:// doctrine://
    high normal low default snapshots customers import integrations attempts: backoff: RetryCount
    RetryDelayMinutes RetryDelaySeconds priority: withoutOverlapping onOneServer CronSchedule Enabled BatchSize
    hourly() dailyAt @Processor HANGFIRE_WORKER failed job_execution_duration_seconds job_execution_total
    job_failures_total job_queue_length /health/jobs /hangfire addJob scheduleJob addRecurringJob
    /api/v1/jobs/schedule /queues/metrics?type= /health/check /retry DELETE deadLetterQueue orders.fetch_new
    customers.recalculate_metrics customers.backfill_from_orders FetchNewOrdersJob
    DispatchCustomerMetricsRecalculationJob DispatchCustomersBackfillFromOrdersJob RecalculateCustomerMetricsJob
    BackfillOrdersChunkJob AttachOrderCustomerJob DraftCleanup DraftReminder InvitationExpiration SyncRetry
    DeleteAfterDays WarningDaysBeforeDelete
"""
NAMES = [*_TEXT.split(), "3 times in a row", "over 1000 items", "over 10 minutes"]


@cache
def addresses():
    """The API's operations by path; to write them down takes a third of a second."""
    return api.get_openapi_schema()["paths"]


def rows():
    text = (ROOT / "modules/jobs/README.md").read_text()
    section = text.partition("## Names from elsewhere")[2].partition("\n## ")[0]
    found = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [row for row in found if row[1] != "here"]


TOKENS = sorted({token for row in rows() for token in CODE.findall(row[1])})


def test_every_name_has_a_row():
    there = " ".join(row[0] for row in rows())

    assert [name for name in NAMES if name not in there] == []
    assert [row for row in rows() if len(row) != 2 or not row[1]] == []


@pytest.mark.parametrize("token", TOKENS)
def test_what_a_row_leads_to_exists(token):
    assert any(is_there(token) for is_there in KINDS), f"{token} is nothing that there is"


def is_command(token):
    """A command of the platform with the options that it takes."""
    name, *words = token.split()
    if get_commands().get(name) != "modules.jobs":
        return False
    taken = load_command_class("modules.jobs", name).create_parser("manage.py", name)._option_string_actions
    return all(word in taken for word in words if word.startswith("--"))


def is_address(token):
    """An address of the product, or an operation of the API."""
    method, _, path = token.rpartition(" ")
    if method:
        return method.lower() in addresses().get(path, {})
    try:
        return bool(path.startswith("/") and resolve(path))
    except Resolver404:
        return False


def is_declaration(token):
    """A call of what modules declare jobs by, with arguments that it takes."""
    if "(" not in token:
        return False
    call = ast.parse(token.removeprefix("@"), mode="eval").body
    known = {
        "actor": actor,
        "Schedule": Schedule,
        "ExponentialBackoff": ExponentialBackoff,
        "TableBackoff": TableBackoff,
    }
    for found in (node for node in ast.walk(call) if isinstance(node, ast.Call)):
        parameters = inspect.signature(known[found.func.id]).parameters
        if not {word.arg for word in found.keywords} <= {*parameters}:
            return False
    return True


def is_declared(token):
    """An actor, a schedule, an alert's rule, a queue."""
    queues = {queue for pool in settings.JOBS["POOLS"].values() for queue in pool}
    names = {spec.name for spec in registry.all_specs()} | {schedule.key for schedule in registry.all_schedules()}
    return token in names | {rule.key for rule in PLATFORM_RULES} | queues | {"jobs.tick"}


def is_variable(token):
    """A variable of the environment that the settings read."""
    text = "".join(file.read_text() for file in (ROOT / "config/settings").glob("*.py"))
    return token.isupper() and f'"{token}"' in text


def is_metric(token):
    """A metric's name, as it is told at /metrics."""
    text = (ROOT / "modules/jobs/metrics.py").read_text()
    return token.startswith("job_") and f'"{token.removesuffix("_total")}"' in text


def is_field(token):
    """A field of a request's options, or a filter of the list with its value."""
    name = token.removeprefix("options.")
    return (name != token and name in Options.model_fields) or token == "state=failed"


def is_program(token):
    """A program that the package of the engine brings, and what it is told to load."""
    return token in {"dramatiq", settings.JOBS["WORKERS"]}


KINDS = (is_command, is_address, is_declaration, is_declared, is_variable, is_metric, is_field, is_program)


GONE = """queue_gone|queue_work --forever|/hangfire|PUT /api/v1/jobs|@actor(tries=3)|jobs.gone|GONE_URL|job_gone_total
options.gone|nowhere|celery"""


@pytest.mark.parametrize("token", re.split(r"[|\n]", GONE))
def test_the_walk_would_find_what_is_gone(token):
    assert [kind for kind in KINDS if kind(token)] == []

"""django-tasks' database backend: a row for each job; two workers that look every 50 ms."""

import os
import sys

import django
from django.conf import settings

if not settings.configured:
    from urllib.parse import parse_qs, urlsplit

    _url = urlsplit(os.environ["BENCH_POSTGRES"])
    settings.configure(
        SECRET_KEY="bench",
        USE_TZ=True,
        INSTALLED_APPS=["django_tasks", "django_tasks_db"],
        TASKS={"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}},
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": _url.path[1:],
                "USER": _url.username,
                "HOST": parse_qs(_url.query)["host"][0],
                "CONN_MAX_AGE": None,
            }
        },
    )
    django.setup()

from django.core.management import call_command
from django_tasks import task

from tests.benchmarks import work

_WORKER = """import sys; import tests.benchmarks.apps.tasks_db; from django.core.management import call_command
call_command('db_worker', interval=0.05, startup_delay=False)"""
WORKERS = [[sys.executable, "-c", _WORKER]] * 2


@task()
def noop(sent_ns):
    work.do(sent_ns)


def prepare():
    call_command("migrate", verbosity=0)


def send(sent_ns):
    noop.enqueue(sent_ns)

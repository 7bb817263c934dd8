"""What every test may use; nothing here is clever about a module."""

import time
from pathlib import Path

import dramatiq
import pytest
from django.db import connection
from django.test import TransactionTestCase
from django.utils import translation

from modules.jobs import clients
from modules.jobs.engine.foreground import foreground_worker, work
from modules.jobs.services import _gates
from tests.support import actors, lanes

SLOW = [Path(__file__).parent / name for name in ("admin", "api", "drafts", "reports")]
"""Folders of pages, endpoints, and whole modules seen from outside: each request takes a tenth of a second."""


def pytest_ignore_collect(collection_path, config):
    """Read no slow folder when nobody wants slow tests: to collect them takes longer than some to run."""
    return True if "not slow" in config.option.markexpr and collection_path in SLOW else None


def pytest_collection_modifyitems(items):
    """Mark as slow what lies in these folders."""
    for item in items:
        if not set(SLOW).isdisjoint(item.path.parents):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def drain(transactional_db):
    """Run every ready job in this process, as a worker would; return how many ran."""
    return work


@pytest.fixture
def worker(transactional_db):
    """Let this process hold a lease, so that it may claim jobs."""
    with foreground_worker():
        yield


@pytest.fixture
def effects():
    """What the test actors did, in order."""
    actors.effects.clear()
    return actors.effects


@pytest.fixture(autouse=True)
def _empty_lanes():
    """Start each test with empty lanes, a broker that nobody gave up on, and no memory of another test's gates."""
    clients._silent_until = 0.0
    clients._full_until.clear()
    _gates._snapshot.keys, _gates._snapshot.read_at = set(), time.monotonic()
    lanes.empty()


@pytest.fixture(autouse=True)
def _own_language():
    """Leave no test the language in which the one before it asked for a page."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session", autouse=True)
def _patient_bells():
    """Wait longer for RabbitMQ than a web request would: tests share their processor with it and with each other."""
    if lanes.is_rabbitmq():
        dramatiq.get_broker().ring_seconds = 5.0


KEPT_TABLES = {"django_content_type", "auth_permission"}
"""What migrations put there; emptied and made again they would cost each test a tenth of a second."""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Add to the test database what empties its tables: a function, whose plans PostgreSQL keeps."""
    tables = sorted(set(connection.introspection.django_table_names()) - KEPT_TABLES)
    deletions = " ".join(f"DELETE FROM {table};" for table in tables)
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            f"CREATE OR REPLACE FUNCTION tests_empty_tables() RETURNS void LANGUAGE plpgsql AS"
            f" $$ BEGIN {deletions} END $$"
        )


@pytest.fixture(scope="session", autouse=True)
def _quick_flush():
    """Empty the tables between tests in one call: Django's flush takes ten times as long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: _empty_tables())
        yield


def _empty_tables():
    with connection.cursor() as cursor:
        cursor.execute("SELECT tests_empty_tables()")

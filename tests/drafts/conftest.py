"""A family with a cottage, a stranger beside them, and a storage that can fail."""

import threading

import pytest
from django.db import connection

from modules.accounts.models import Tenant
from modules.kernel.tenancy import all_tenants
from tests.drafts.factories import make_member, make_property


@pytest.fixture
def everybody(db):
    with all_tenants():
        yield


@pytest.fixture
def alice(everybody):
    return Tenant.objects.create(name="Alice")


@pytest.fixture
def bob(everybody):
    return Tenant.objects.create(name="Bob")


@pytest.fixture
def jana(alice):
    return make_member(alice, "jana", locale="cs", first_name="Jana", last_name="Nováková")


@pytest.fixture
def cottage(alice, jana):
    return make_property(alice, owner=jana)


@pytest.fixture
def files(settings, tmp_path):
    """The directory in which documents are."""
    settings.MEDIA_ROOT = str(tmp_path)
    return tmp_path


@pytest.fixture
def mails(settings):
    """Let mails be written: there are addresses that they lead to."""
    settings.DRAFTS = {**settings.DRAFTS, "APP_URL": "https://diary.example"}
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PUBLIC_URL": "https://backroom.example"}


@pytest.fixture
def at_once(transactional_db):
    """Run functions at the same moment, each on a connection of its own; return what they return or raise."""

    def run(*functions, seconds=20):
        start, answers = threading.Barrier(len(functions), timeout=10), [None] * len(functions)

        def one(number, function):
            try:
                start.wait()
                with all_tenants():
                    answers[number] = function()
            except Exception as error:  # noqa: BLE001 -- what it raised is its answer
                answers[number] = error
            finally:
                connection.close()

        threads = [threading.Thread(target=one, args=pair) for pair in enumerate(functions)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds)
        return answers

    return run

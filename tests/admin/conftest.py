"""Alice and Bob are tenants; each test logs in as somebody who may see one, both or nothing."""

import pytest
from django.test import Client

from modules.accounts.models import User
from tests.admin.factories import make_staff, make_tenant


@pytest.fixture
def alice(db):
    return make_tenant("Alice")


@pytest.fixture
def bob(db):
    return make_tenant("Bob")


@pytest.fixture
def login():
    def log_in(user):
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def root(db, login):
    """The client of a superuser."""
    return login(User.objects.create_superuser("root", password="root"))


@pytest.fixture
def viewer(alice, login):
    """The client of one of Alice's staff who may look at everything and touch nothing."""
    return login(make_staff("viewer", tenants=[alice], permissions=["view_*"]))


@pytest.fixture
def operator(alice, login):
    """The client of one of Alice's staff who may act on jobs, schedules and shops."""
    mails = ["notifications.change_emailmessage", "notifications.change_suppression"]
    diary = ["drafts.change_invitation", "drafts.change_syncitem"]
    exports = ["reports.change_export"]
    shops = ["shoptet.change_shop", "shoptet.change_parkedrecord", "shoptet.change_webhookevent"]
    may = [*mails, *diary, *exports, *shops, "jobs.change_job", "jobs.change_jobschedule"]
    return login(make_staff("operator", tenants=[alice], permissions=["view_*", *may]))


@pytest.fixture
def clerk(alice, login):
    """The client of one of Alice's staff without any permission."""
    return login(make_staff("clerk", tenants=[alice], permissions=[]))

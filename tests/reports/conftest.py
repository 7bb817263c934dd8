"""A family with a cottage, whose mails lead somewhere."""

import pytest

from modules.accounts.models import Tenant
from modules.kernel.tenancy import all_tenants
from tests.drafts.factories import make_property
from tests.reports.factories import make_member


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
def petr(alice):
    return make_member(alice, "petr", first_name="Petr", last_name="Dvořák")


@pytest.fixture
def cottage(alice, jana):
    return make_property(alice, owner=jana)


@pytest.fixture(autouse=True)
def _mails(settings):
    """Let mails be written: there are addresses that they lead to."""
    settings.DRAFTS = {**settings.DRAFTS, "APP_URL": "https://diary.example"}
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PUBLIC_URL": "https://backroom.example"}


@pytest.fixture
def files(settings, tmp_path):
    """The directory in which documents and exports are."""
    settings.MEDIA_ROOT = str(tmp_path)
    return tmp_path

"""Registered customers over HTTP: what changed, and all of them in one file."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command

from modules.accounts.models import Tenant
from modules.customers.models import Customer, CustomerAccount
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants, tenant_scope
from modules.shoptet import actors, clients, domain, services
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution, SyncCursor
from tests.shoptet.conftest import YESTERDAY
from tests.simulators.shoptet import FaultKind

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", (0.01, 0.01))


@pytest.fixture
def customers(simulated):
    return simulated.shop.customers


@pytest.fixture
def fetch(shop):
    def run(*, holder="test", report=lambda *_: None, **options):
        return services.fetch_new_customers(shop_id=shop.pk, holder=holder, report=report, **options)

    return run


def accounts():
    rows = CustomerAccount.objects.order_by("customer__full_name").values_list(
        "customer__full_name", "customer__city", "emails", "group_name"
    )
    return [tuple(row) for row in rows]


def paths(simulated, after):
    return [request.path for request in simulated.requests(after=after)]


def test_a_first_reading_takes_the_whole_list(simulated, customers, fetch):
    customers.create("Jana@x.cz", "work@x.cz")
    customers.create("petr@x.cz", name="Petr", customerGroup=None)

    entry = fetch()

    assert accounts() == [
        ("Jana Nová", "Praha 1", ["jana@x.cz", "work@x.cz"], "VIP"),
        ("Petr", "Praha 1", ["petr@x.cz"], ""),
    ]
    assert (entry.status, entry.listed, entry.fetched, entry.created) == ("completed", 2, 2, 2)
    assert SyncCursor.objects.get(name="customers.change_time").position_at == YESTERDAY


def test_later_only_what_changed_is_asked_for(simulated, customers, fetch):
    old, kept = customers.create("a@x.cz"), customers.create("b@x.cz", name="Petr")
    simulated.advance(60)
    fetch()
    simulated.advance(60)
    customers.edit(old, customerGroup={"id": 2, "name": "Velkoobchod"})
    new, calls = customers.create("c@x.cz", name="Zora"), len(simulated.requests())

    entry = fetch()

    asked = paths(simulated, calls)
    assert (asked[0], sorted(asked[1:])) == (
        "/api/customers/changes",
        sorted([f"/api/customers/{old}", f"/api/customers/{new}"]),
    )
    assert (entry.created, entry.updated) == (1, 1)
    assert [row[3] for row in accounts()] == ["Velkoobchod", "VIP", "VIP"]
    assert CustomerAccount.objects.get(guid=kept).changed_at == YESTERDAY


def test_changes_of_many_pages_are_read_to_the_end_and_nothing_new_is_one_call(simulated, customers, fetch):
    fetch()
    simulated.advance(60)
    for number in range(45):
        customers.create(f"c{number}@x.cz", name=f"C{number}")
    fetch()
    assert CustomerAccount.objects.count() == 45
    simulated.advance(60)
    fetch()
    calls = len(simulated.requests())

    assert fetch().fetched == 0

    assert set(paths(simulated, calls)) == {"/api/customers/changes"}


def test_a_customer_who_is_deleted_and_never_ordered_is_gone(simulated, customers, fetch):
    gone, kept = customers.create("a@x.cz"), customers.create("b@x.cz")
    simulated.advance(60)
    fetch()
    simulated.advance(60)
    customers.delete(gone)

    assert fetch().deleted == 1

    assert (Customer.objects.count(), CustomerAccount.objects.get().guid) == (1, kept)
    calls = len(simulated.requests())
    assert fetch().deleted == 0
    assert paths(simulated, calls) == ["/api/customers/changes"]


def test_a_forged_deletion_deletes_nobody(simulated, customers, fetch):
    kept = customers.create("a@x.cz")
    simulated.advance(60)
    fetch()
    simulated.advance(60)
    customers._changes[kept] = (simulated.shop.clock.now(), "delete")

    assert fetch().deleted == 0

    assert CustomerAccount.objects.get().deleted_at is None


def test_who_was_deleted_before_the_log_begins_is_found_by_the_whole_list(simulated, customers, fetch):
    gone, kept = customers.create("a@x.cz"), customers.create("b@x.cz", name="Petr")
    fetch()
    customers.delete(gone)
    customers._changes.clear()
    SyncCursor.objects.update(position_at=datetime.now(UTC) - timedelta(days=31))

    assert fetch().deleted == 1

    assert CustomerAccount.objects.get().guid == kept


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_from_before_a_deletion_brings_nobody_back(simulated, shop, customers, told, drain, fetch):
    gone = customers.create("a@x.cz")
    simulated.advance(60)
    fetch()
    call_command("shoptet_snapshot", "customers", shop=shop.pk)
    drain()
    simulated.advance(60)
    customers.delete(gone)
    fetch()
    assert Customer.objects.count() == 0
    with all_tenants():
        services.watch_snapshots(now=clock.now() + timedelta(hours=1))

    drain()

    assert SnapshotExecution.objects.get(kind="customers-snapshot").status == "completed"
    assert Job.objects.get(actor="shoptet.catch_up_customer_deletions").state == "succeeded"
    assert Customer.objects.count() == 0


def test_a_log_that_does_not_reach_back_is_not_relied_on(simulated, customers, fetch):
    fetch()
    SyncCursor.objects.update(position_at=datetime.now(UTC) - timedelta(days=31))
    customers.create("a@x.cz")
    calls = len(simulated.requests())

    fetch()

    assert paths(simulated, calls)[0] == "/api/customers"
    assert Customer.objects.count() == 1


def test_who_cannot_be_read_is_set_aside_and_asked_for_again(simulated, customers, fetch):
    bad, _good = customers.create("a@x.cz", accounts="none"), customers.create("b@x.cz", name="Petr")

    assert (fetch().parked, ParkedRecord.objects.get().reason) == (1, "accounts: expected a list, got str")
    assert [row[0] for row in accounts()] == ["Petr"]
    customers._bodies[bad]["accounts"] = []
    fetch()

    assert [row[0] for row in accounts()] == ["Jana Nová", "Petr"]
    assert ParkedRecord.objects.filter(resolved_at=None).count() == 0


def test_a_run_stops_after_its_share_and_the_next_gets_past_whom_nobody_can_read(
    simulated, customers, fetch, monkeypatch
):
    monkeypatch.setattr(clients.limits, "CUSTOMERS_PER_PAGE", 2)
    for number in range(4):
        customers.create(accounts="none", changeTime=None, name=f"Bad {number}")
    customers.create("b@x.cz", name="Petr")
    runs = 0
    with pytest.raises(services.SyncPaused):
        fetch(most_details=2)
    while runs < 5:
        runs += 1
        try:
            fetch(most_details=2)
            break
        except services.SyncPaused:
            continue

    assert [row[0] for row in accounts()] == ["Petr"]
    assert SnapshotExecution.objects.filter(status="completed").count() == 1


def test_a_failed_run_moves_no_cursor(simulated, customers, fetch):
    customers.create("a@x.cz")
    simulated.inject(FaultKind.SERVER_ERROR, path="/api/customers/*", times=3)

    with pytest.raises(clients.TemporaryShoptetError):
        fetch()
    assert SyncCursor.objects.get().position_at is None

    assert fetch().created == 1


def test_two_at_once_are_one_and_a_stranger_has_none(simulated, customers, fetch):
    customers.create("a@x.cz")

    def report(*_):
        with pytest.raises(services.AlreadyRunning):
            fetch(holder="second")

    assert fetch(holder="first", report=report).status == "completed"
    with tenant_scope(Tenant.objects.create(name="Bob").pk):
        with pytest.raises(Shop.DoesNotExist):
            fetch()
        assert Customer.objects.count() == 0


def test_a_customer_without_anything_is_read():
    facts = domain.read_customer({"guid": " g ", "accounts": None, "billingAddress": None, "customerGroup": None})

    assert (facts.guid, facts.emails, facts.full_name, facts.changed_at) == ("g", (), "", None)


def test_the_main_account_comes_first():
    accounts = [{"email": "b@x.cz", "mainAccount": False}, {"email": " a@x.cz ", "mainAccount": True, "phone": "1"}]

    facts = domain.read_customer({"guid": "g", "accounts": accounts})

    assert (facts.emails, facts.phone) == (("a@x.cz", "b@x.cz"), "1")


@pytest.fixture
def told(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    settings.SHOPTET = {**settings.SHOPTET, "PUBLIC_URL": "http://127.0.0.1:9"}


@pytest.mark.django_db(transaction=True)
def test_a_snapshot_brings_everybody_and_never_older_over_newer(simulated, shop, customers, told, drain, fetch, capsys):
    old = customers.create("a@x.cz")
    customers.create("b@x.cz", name="Petr")
    customers.create("c@x.cz", accounts="none")
    call_command("shoptet_snapshot", "customers", shop=shop.pk)
    drain()
    simulated.advance(60)
    customers.edit(old, customerGroup={"id": 2, "name": "Velkoobchod"})
    fetch()
    with all_tenants():
        services.watch_snapshots(now=clock.now() + timedelta(hours=1))
    drain()

    entry = SnapshotExecution.objects.get(kind="customers-snapshot")
    assert (entry.status, entry.fetched, entry.parked) == ("completed", 3, 1)
    assert [(row[0], row[3]) for row in accounts()] == [("Jana Nová", "Velkoobchod"), ("Petr", "VIP")]
    assert Job.objects.filter(actor="shoptet.catch_up_deletions").count() == 0
    assert "is asked for" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_the_schedule_sends_a_job_for_each_shop(simulated, shop, customers, drain):
    customers.create("a@x.cz")

    actors.fetch_new_all_customers.send()
    drain()

    assert Job.objects.get(actor="shoptet.fetch_new_customers").state == "succeeded"
    assert Customer.objects.get().email == "a@x.cz"

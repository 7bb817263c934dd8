"""Statuses of orders, looked at by themselves."""

from datetime import timedelta

import pytest

from modules.accounts.models import Tenant
from modules.jobs.models import Job
from modules.kernel.tenancy import tenant_scope
from modules.orders.models import Order, OrderStatus
from modules.shoptet import actors, clients, selectors, services
from modules.shoptet.models import Shop, SnapshotExecution
from tests.shoptet.conftest import YESTERDAY
from tests.simulators.shoptet import FaultKind
from tests.simulators.shoptet.bodies import status_of

pytestmark = pytest.mark.slow

LONG_AGO = YESTERDAY - timedelta(days=1000)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", (0.01, 0.01))


@pytest.fixture
def refresh(shop):
    def run(*, holder="test", report=lambda *_: None, **options):
        return services.refresh_statuses(shop_id=shop.pk, holder=holder, report=report, **options)

    return run


def paths(simulated, after):
    return [request.path for request in simulated.requests(after=after)]


def rename(simulated, **names):
    simulated.shop.status_names.update({int(status_id.replace("m", "-")): name for status_id, name in names.items()})


def test_a_status_that_changed_without_a_change_time_is_found(simulated, sync, refresh):
    code, settled = simulated.create_order(), simulated.create_order()
    simulated.advance(60)
    sync()
    simulated.edit_order(code, {"status": status_of(7)}, changed_at=YESTERDAY)
    calls, before = len(simulated.requests()), Order.objects.filter(code=settled).values().get()

    entry = refresh()

    assert paths(simulated, calls) == ["/api/orders/statuses", "/api/orders", f"/api/orders/{code}"]
    assert (entry.status, entry.listed, entry.fetched, entry.updated) == ("completed", 2, 1, 1)
    assert Order.objects.values_list("status_id", "status_name").get(code=code) == (7, "Předáno dopravci")
    assert Order.objects.filter(code=settled).values().get() == before


def test_fifty_orders_are_one_call_and_a_second_look_fetches_none(simulated, sync, refresh):
    for _ in range(51):
        simulated.create_order()
    simulated.advance(60)
    sync()
    seen, calls = [], len(simulated.requests())

    entry = refresh(report=lambda *step: seen.append(step))

    assert paths(simulated, calls) == ["/api/orders/statuses", "/api/orders", "/api/orders"]
    assert seen == [(50, 51, "orders compared"), (51, 51, "orders compared")]
    assert (entry.listed, entry.fetched) == (51, 0)


def test_a_status_renamed_in_the_shop_is_renamed_on_every_order(simulated, sync, refresh):
    code = simulated.create_order({"creationTime": "2019-01-08T15:13:39+0100"})
    simulated.advance(60)
    sync()
    rename(simulated, m1="Čeká na nás")

    refresh()

    assert Order.objects.get(code=code).status_name == "Čeká na nás"
    assert OrderStatus.objects.get(status_id=-1).name == "Čeká na nás"


@pytest.mark.parametrize(
    ("status_id", "days", "is_seen"), [(-1, 100, True), (-1, 200, False), (-3, 100, False), (-3, 10, True)]
)
def test_recent_orders_and_open_ones_are_looked_at(simulated, sync, refresh, status_id, days, is_seen):
    created = (YESTERDAY - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S%z")
    simulated.create_order({"creationTime": created, "status": status_of(status_id)})
    simulated.advance(60)
    sync()

    assert refresh().listed == is_seen


def test_an_order_that_is_missing_is_buried_after_its_own_404_alone(simulated, sync, refresh):
    gone, hidden = simulated.create_order(), simulated.create_order({"code": "a,b"})
    simulated.advance(60)
    sync()
    simulated.delete_order(gone)
    simulated.shop.forget_deletions()

    assert refresh().deleted == 1

    assert list(Order.objects.filter(deleted_at=None).values_list("code", flat=True)) == [hidden]


def test_a_list_of_no_statuses_is_not_believed(simulated, sync, refresh):
    sync()
    simulated.shop.status_names.clear()

    with pytest.raises(clients.TemporaryShoptetError, match="statuses"):
        refresh()

    assert OrderStatus.objects.count() == 5
    assert SnapshotExecution.objects.latest("id").status == "error"


def test_a_shop_that_wants_a_pause_leaves_the_entry_open(simulated, shop, sync, refresh):
    simulated.create_order()
    sync()
    simulated.inject(FaultKind.TOO_MANY_REQUESTS, path="/api/orders")

    with pytest.raises(clients.RateLimited):
        refresh()
    Shop.objects.update(paused_until=None)

    assert (refresh().status, SnapshotExecution.objects.filter(kind="orders-statuses").count()) == ("completed", 1)


def test_two_looks_at_once_are_one(simulated, sync, refresh):
    simulated.create_order()
    sync()

    def report(*_):
        with pytest.raises(services.AlreadyRunning):
            refresh(holder="second")

    assert refresh(holder="first", report=report).status == "completed"


def test_a_stranger_cannot_look(simulated, refresh):
    bob = Tenant.objects.create(name="Bob")

    with tenant_scope(bob.pk), pytest.raises(Shop.DoesNotExist):
        refresh()

    assert simulated.requests() == []


@pytest.mark.django_db(transaction=True)
def test_the_schedule_sends_a_job_for_each_shop_and_the_job_brings_the_status(simulated, shop, sync, drain):
    code = simulated.create_order()
    simulated.advance(60)
    sync()
    simulated.edit_order(code, {"status": status_of(7)}, changed_at=YESTERDAY)

    actors.refresh_all_statuses.send()
    drain()

    job = Job.objects.get(actor="shoptet.refresh_statuses")
    assert (job.state, job.tenant_id, job.tags) == ("succeeded", shop.tenant_id, [f"shop:{shop.pk}"])
    assert selectors.pipeline_log(shop_id=shop.pk).filter(kind="orders-statuses", status="completed").count() == 1
    assert Order.objects.get().status_id == 7

"""The whole line as jobs: from the schedule to the customers' figures."""

import csv
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import transaction

from modules.accounts.models import Tenant
from modules.customers.models import CustomerMetrics, CustomerOrder
from modules.customers.selectors import totals
from modules.jobs.models import Job
from modules.kernel.tenancy import all_tenants
from modules.orders import services as order_services
from modules.orders.models import Order
from modules.shoptet import actors, clients, services
from modules.shoptet.models import Shop, SnapshotExecution
from tests.orders.factories import order_facts
from tests.simulators.shoptet import FaultKind, Options, SimulatedShop, cdnow

pytestmark = pytest.mark.django_db(transaction=True)
SAMPLE = Path(cdnow.SAMPLE_PATH)


@pytest.fixture(autouse=True)
def _everybody(monkeypatch):
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", (0.01, 0.01))
    with all_tenants():
        yield


def connect(simulated, *, tenant="Alice", **fields):
    owner, _ = Tenant.objects.get_or_create(name=tenant)
    shop = services.add_shop(tenant_id=owner.pk, name=f"{tenant}'s", base_url=simulated.url, token=simulated.token)
    Shop.objects.filter(id=shop.pk).update(**fields)
    return shop


def jobs(actor="shoptet.fetch_new_orders"):
    return Job.objects.filter(actor=actor).order_by("id")


@pytest.mark.journey
def test_the_sample_shop_comes_in_whole_and_every_order_finds_its_customer(drain):
    with SimulatedShop(cdnow.read_orders(), options=Options(bucket_drops=None), currency_code="USD") as simulated:
        connect(simulated)
        for _ in range(2):
            actors.fetch_new_all_orders.send()
            drain()

    found = totals()
    assert (found.orders, found.customers, found.linked) == (6919, 2357, 6919)
    assert found.revenues == {"USD": Decimal("244091.94")}
    counts, revenues = independent_figures()
    metrics = CustomerMetrics.objects.values_list("order_count", "revenue", "aov", "currency")
    assert Counter(metrics) == Counter(
        (counts[who], revenues[who], (revenues[who] / counts[who]).quantize(Decimal("0.01"), "ROUND_HALF_UP"), "USD")
        for who in counts
    )
    assert [entry.fetched for entry in SnapshotExecution.objects.order_by("id")] == [6919, 0]
    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}


def independent_figures():
    """Orders and revenue per customer, straight from the file."""
    counts, revenues = Counter(), Counter()
    with SAMPLE.open(encoding="ascii") as file:
        for row in csv.reader(file, delimiter=" ", skipinitialspace=True):
            counts[row[0]] += 1
            revenues[row[0]] += Decimal(row[-1])
    return counts, revenues


def test_the_schedule_sends_one_job_per_active_shop_and_none_twice(simulated):
    shops = [connect(simulated), connect(simulated, tenant="Bob"), connect(simulated, tenant="Carl", is_active=False)]
    Tenant.objects.create(name="Dora", is_active=False)
    connect(simulated, tenant="Dora")

    for _ in range(2):
        actors.fetch_new_all_orders(fallback_lookback_hours=24)

    sent = jobs().values_list("tenant_id", "arguments", "tags", "queue")
    assert list(sent) == [
        (
            shop.tenant_id,
            {"shop_id": shop.pk, "trigger": "schedule", "fallback_lookback_hours": 24},
            [f"shop:{shop.pk}"],
            "snapshots-download",
        )
        for shop in shops[:2]
    ]


@pytest.mark.slow
def test_a_shop_in_trouble_holds_up_no_other(drain, simulated):
    simulated.create_order()
    connect(simulated)
    services.add_shop(
        tenant_id=Tenant.objects.create(name="Bob").pk, name="Down", base_url="http://127.0.0.1:9", token="t"
    )

    actors.fetch_new_all_orders()
    drain()

    assert list(jobs().values_list("state", "attempt")) == [("succeeded", 1), ("retrying", 1)]
    assert Order.objects.count() == 1


def test_a_busy_shop_makes_the_job_wait_without_burning_an_attempt(drain, simulated):
    connect(simulated)
    simulated.inject(FaultKind.TOO_MANY_REQUESTS, retry_after="seconds", seconds=60)

    actors.fetch_new_all_orders()
    drain()

    job = jobs().get()
    assert (job.state, job.attempt) == ("scheduled", 0)
    assert 55 <= (job.run_at - datetime.now(UTC)).total_seconds() <= 60
    assert SnapshotExecution.objects.get().job_id == job.id


def test_a_refused_token_goes_straight_to_the_dead_letters_with_a_sentence(drain, simulated):
    connect(simulated, token_encrypted="")

    actors.fetch_new_all_orders()
    drain()

    job = jobs().get()
    assert (job.attempt, job.error_message) == (
        1,
        "The shop has no API token. Create one in Shoptet and enter it here.",
    )
    assert job.state == "failed"


def test_a_job_leaves_a_shop_to_the_run_that_reads_it(drain, simulated):
    shop = connect(simulated)
    services.request_orders(shop=shop)

    services.fetch_new_orders(shop_id=shop.pk, holder="command", report=lambda *_: drain())

    assert jobs().get().state == "succeeded"
    assert SnapshotExecution.objects.get().job_id is None


@pytest.mark.slow
def test_a_long_read_is_a_chain_of_short_jobs(drain, simulated, monkeypatch):
    monkeypatch.setattr(actors, "DETAILS_PER_JOB", 50)
    for _ in range(120):
        simulated.create_order()
    simulated.advance(60)
    shop = connect(simulated)

    services.request_orders(shop=shop)
    drain()

    assert list(jobs().values_list("state", flat=True)) == ["succeeded"] * 3
    entry = SnapshotExecution.objects.get()
    assert (entry.status, entry.created, entry.fetched, entry.trigger) == ("completed", 120, 120, "manual")
    assert entry.job_id == jobs().last().id


def test_orders_commit_with_the_job_that_finds_their_customers_or_not_at_all(simulated):
    shop = connect(simulated)

    def import_and_fail():
        with transaction.atomic():
            order_services.import_orders(
                channel_id=shop.channel_id, orders=[order_facts("A1")], fetched_at=datetime.now(UTC)
            )
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_and_fail()
    assert (Order.objects.count(), jobs("customers.attach_orders").count()) == (0, 0)

    order_services.import_orders(channel_id=shop.channel_id, orders=[order_facts("A1")], fetched_at=datetime.now(UTC))

    job = jobs("customers.attach_orders").get()
    assert job.arguments == {"tenant_id": shop.tenant_id, "order_ids": [Order.objects.get().pk]}
    assert job.tenant_id == shop.tenant_id


@pytest.mark.slow
def test_cancelled_and_deleted_orders_leave_the_figures(drain, simulated):
    kept, cancelled, deleted = (simulated.create_order({"email": "jana@x.cz"}) for _ in range(3))
    shop = connect(simulated)
    simulated.advance(60)
    services.request_orders(shop=shop)
    drain()
    assert CustomerMetrics.objects.values_list("order_count", "cancelled_count", "revenue").get() == (
        3,
        0,
        Decimal(726),
    )
    simulated.advance(60)
    simulated.cancel_order(cancelled)
    simulated.delete_order(deleted)

    services.request_orders(shop=shop)
    drain()

    assert CustomerMetrics.objects.values_list("order_count", "cancelled_count", "revenue").get() == (
        1,
        1,
        Decimal(242),
    )
    assert CustomerOrder.objects.filter(order__code=kept).count() == 1

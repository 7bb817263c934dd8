import io
from datetime import UTC, datetime

import pytest
from django.core.management import call_command

from modules.customers import actors
from modules.customers.models import CustomerMetrics, CustomerOrder
from modules.jobs.models import Job
from modules.kernel.tenancy import all_tenants
from modules.orders import services as order_services
from modules.orders.models import Order
from tests.orders.factories import make_channel, order_facts

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def channels():
    """Alice's and Bob's, with five orders each; their attachment jobs are lost on purpose."""
    with all_tenants():
        both = make_channel(), make_channel(tenant="Bob", name="Bob's shop")
        for channel in both:
            orders = [order_facts(f"A{number}", email=f"{number % 3}@x.cz") for number in range(5)]
            order_services.import_orders(channel_id=channel.pk, orders=orders, fetched_at=datetime.now(UTC))
        Job.objects.all().delete()
        yield both


def test_backfill_finds_every_order_without_a_customer_chunk_by_chunk(drain, channels):
    with all_tenants():
        order_services.import_orders(
            channel_id=channels[0].pk, orders=[order_facts("keyless")], fetched_at=datetime.now(UTC)
        )

    actors.backfill_from_orders.send(chunk=2)
    drain()

    assert CustomerOrder.objects.count() == 10
    assert list(Order.objects.filter(customer_link=None).values_list("code", flat=True)) == ["keyless"]
    assert Job.objects.filter(actor="customers.attach_orders", queue="customers").count() == 6
    assert CustomerMetrics.objects.count() == 6


def test_backfill_ends_although_some_orders_stay_doubtful(drain, channels):
    orders = [order_facts(f"D{n}", email="d@x.cz", customer_guid=f"g{n}") for n in range(2)]
    order_services.import_orders(
        channel_id=channels[0].pk, orders=[*orders, order_facts("D9", email="d@x.cz")], fetched_at=datetime.now(UTC)
    )

    actors.backfill_from_orders.send(chunk=1)
    drain()

    assert list(Order.objects.filter(customer_link=None).values_list("code", flat=True)) == ["D9"]
    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}


def test_recalculation_reaches_every_customer_of_every_tenant(drain, channels):
    actors.backfill_from_orders.send()
    drain()
    CustomerMetrics.objects.update(order_count=0)

    call_command("customers_recalculate_metrics", "--all", chunk=2, stdout=io.StringIO())
    drain()

    counts = CustomerMetrics.objects.order_by("customer__tenant_id", "customer__email").values_list(
        "order_count", flat=True
    )
    assert list(counts) == [2, 2, 1, 2, 2, 1]


def test_the_backfill_command_sends_the_job(drain, channels):
    call_command("customers_backfill_from_orders", stdout=io.StringIO())
    drain()

    assert CustomerOrder.objects.count() == 10

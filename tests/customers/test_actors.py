import io
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from modules.customers import actors, selectors, services
from modules.customers.events import metrics_recalculated
from modules.customers.models import Customer, CustomerMerge, CustomerMetrics, CustomerOrder
from modules.jobs import services as job_services
from modules.jobs.models import Batch, Job
from modules.kernel.tenancy import all_tenants
from modules.orders import services as order_services
from modules.orders.models import Order
from tests.orders.factories import make_channel, order_facts

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


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


@pytest.mark.slow
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


def run_command(*arguments):
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def state():
    """Every row that the commands may write."""
    return [list(model.objects.order_by("id").values()) for model in (Customer, CustomerOrder, CustomerMetrics)]


COMMANDS = ["customers_backfill_from_orders", "customers_sync_order_customers", "customers_recalculate_metrics"]


@pytest.mark.slow
def test_a_recalculation_is_one_batch_that_ends_by_telling(drain, channels):
    run_command("customers_backfill_from_orders")
    heard = []

    def hear(tenant_id, customers, **_kwargs):
        heard.append((tenant_id, customers))

    metrics_recalculated.connect(hear)
    try:
        actors.recalculate_metrics.send(chunk=2, everyone=True)
        drain()
    finally:
        metrics_recalculated.disconnect(hear)

    assert heard == [(channel.tenant_id, 3) for channel in channels]
    assert [(batch.name, batch.finished_at is not None) for batch in Batch.objects.order_by("id")] == [
        ("customers: recalculate metrics", True)
    ] * 2
    assert Job.objects.filter(actor="customers.recalculate_chunk", batch_id__isnull=False).count() == 4
    assert CustomerMetrics.objects.filter(is_predicted=True).count() == 6


def test_a_recalculation_of_who_is_due_sends_nothing_when_nobody_is(drain, channels):
    run_command("customers_backfill_from_orders")

    actors.recalculate_metrics.send()
    drain()

    assert Batch.objects.count() == 0
    assert Job.objects.filter(actor="customers.recalculate_chunk").count() == 0
    assert CustomerMetrics.objects.filter(is_predicted=True).count() == 6


@contextmanager
def broken_for(customer_id):
    """Let PostgreSQL refuse the figures of one customer, after it took those of others."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.customer_id = {customer_id} THEN RAISE EXCEPTION 'the disk is on fire'; END IF;
                RETURN NEW; END $$;
            CREATE TRIGGER refuse BEFORE UPDATE ON customers_customermetrics FOR EACH ROW EXECUTE FUNCTION refuse()"""
        )
        yield
        cursor.execute("DROP FUNCTION refuse CASCADE")


def test_a_chunk_that_breaks_halfway_is_told_and_whole_after_its_replay(drain, channels):
    run_command("customers_backfill_from_orders")
    CustomerMetrics.objects.update(order_count=9)
    rows = list(CustomerMetrics.objects.filter(tenant=channels[0].tenant_id).order_by("customer_id"))
    kwargs = {"tenant_id": channels[0].tenant_id, "customer_ids": [row.customer_id for row in rows]}
    job_id = UUID(actors.recalculate_chunk.send_with_options(kwargs=kwargs, max_attempts=1).message_id)
    with broken_for(rows[-1].customer_id):
        drain()

    job = Job.objects.get(id=job_id)
    assert (job.state, "on fire" in job.error_message) == ("failed", True)
    assert set(CustomerMetrics.objects.values_list("order_count", flat=True)) == {9}
    job_services.replay([job_id])
    drain()
    theirs = CustomerMetrics.objects.filter(tenant=channels[0].tenant_id)
    assert sorted(theirs.values_list("order_count", flat=True)) == [1, 2, 2]


def test_sync_repairs_links_that_orders_contradict(drain, channels):
    run_command("customers_backfill_from_orders")
    before = state()[1]
    right = dict(CustomerOrder.objects.values_list("order_id", "customer_id"))
    alices = list(Customer.objects.filter(tenant=channels[0].tenant_id).order_by("id"))
    links = CustomerOrder.objects.filter(tenant=channels[0].tenant_id).order_by("id")
    CustomerOrder.objects.filter(id=links[0].pk).update(customer=alices[1])  # another's
    CustomerOrder.objects.filter(id=links[3].pk).delete()  # nobody's
    Order.objects.filter(id=links[2].order_id).update(email="", email_normalized="")  # names nobody any more
    nameless = links[2].order_id

    actors.sync_order_customers.send(chunk=2)
    drain()

    right.pop(nameless)
    assert dict(CustomerOrder.objects.values_list("order_id", "customer_id")) == right
    assert len(before) == len(right) + 1
    assert list(selectors.orders_to_repair(tenant_id=channels[0].tenant_id)) == []
    assert sum(CustomerMetrics.objects.values_list("order_count", flat=True)) == 9


def test_sync_finds_nothing_after_a_claim_and_a_merge(drain, channels):
    tenant_id = channels[0].tenant_id
    orders = [
        order_facts("R1", email="r@x.cz", customer_guid="g"),
        order_facts("R2", email="0@x.cz", customer_guid="g"),
        order_facts("R3", email="1@x.cz"),
    ]
    run_command("customers_backfill_from_orders")
    order_services.import_orders(channel_id=channels[0].pk, orders=orders, fetched_at=datetime.now(UTC))
    drain()
    first, second = Customer.objects.filter(tenant=tenant_id, email__in=["1@x.cz", "2@x.cz"]).order_by("email")
    services.merge_customers(
        tenant_id=tenant_id, kept_id=first.pk, merged_id=second.pk, by="eva", now=datetime.now(UTC)
    )

    assert CustomerMerge.objects.filter(reason="claimed").count() == 1
    assert list(selectors.orders_to_repair(tenant_id=tenant_id)) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_a_dry_run_says_what_would_be_done_and_changes_nothing(channels, command):
    if command == "customers_recalculate_metrics":
        run_command("customers_backfill_from_orders")
        CustomerMetrics.objects.update(order_count=9, stale_at=datetime(2020, 1, 1, tzinfo=UTC))
    before = state()

    said = run_command(command, "--dry-run", "--chunk", "2")

    expected = "rows: 3, changed: 3" if command == "customers_recalculate_metrics" else "rows: 5, linked: 5"
    assert said.count(expected) == 2
    assert state() == before
    assert Job.objects.filter(actor__startswith="customers.").count() == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_with_a_queue_sends_a_batch_to_it_and_the_jobs_do_the_same(drain, channels, command):
    if command == "customers_recalculate_metrics":
        run_command("customers_backfill_from_orders")
        CustomerMetrics.objects.update(order_count=9, stale_at=datetime(2020, 1, 1, tzinfo=UTC))

    said = run_command(command, "--queue", "low", "--chunk", "2")

    batches = Batch.objects.order_by("id")
    assert [str(batch.id) in said for batch in batches] == [True, True]
    assert set(Job.objects.filter(batch_id__isnull=False).values_list("queue", flat=True)) == {"low"}
    drain()
    assert sorted(CustomerMetrics.objects.values_list("order_count", flat=True)) == [1, 1, 2, 2, 2, 2]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_for_one_shop_leaves_the_others_alone(channels, command):
    said = [run_command(command, "--shop", shop, "--dry-run") for shop in ("Bob's shop", str(channels[1].pk))]

    assert said[0] == said[1]
    assert f"Tenant {channels[1].tenant_id}" in said[0]
    assert f"Tenant {channels[0].tenant_id}" not in said[0]
    with pytest.raises(CommandError, match="There is no shop 'nowhere'"):
        run_command(command, "--shop", "nowhere")


@pytest.mark.parametrize(
    ("options", "why"), [(["--chunk", "0"], "--chunk is 1"), (["--queue", "low", "--dry-run"], "leave --queue out")]
)
def test_options_that_make_no_sense_are_refused(channels, options, why):
    with pytest.raises(CommandError, match=why):
        run_command("customers_sync_order_customers", *options)


def test_a_terminal_sees_a_bar(channels):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    call_command("customers_backfill_from_orders", "--chunk", "4", stdout=out)

    assert "█" * 24 + "░" * 6 + " 4 / 5" in out.getvalue()
    assert "█" * 30 + " 5 / 5" in out.getvalue()

from decimal import ROUND_HALF_UP, Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modules.customers import selectors, services
from modules.customers.domain import AttachResult
from modules.customers.models import Customer, CustomerAccount, CustomerMetrics, CustomerOrder
from modules.kernel.tenancy import all_tenants, tenant_scope
from modules.orders import services as order_services
from modules.orders.models import Order
from tests.customers.purchases import LATER, NOON, attach, place
from tests.orders.factories import at, make_channel, order_facts

pytestmark = pytest.mark.django_db


def links():
    return dict(CustomerOrder.objects.values_list("order__code", "customer_id").order_by("order__code"))


def figures():
    return list(
        CustomerMetrics.objects.order_by("customer_id").values_list("order_count", "cancelled_count", "revenue", "aov")
    )


def test_attach_orders_makes_customers_from_orders(channel):
    result = attach(
        channel,
        order_facts("A1", email=" Jana@X.cz ", phone="+420", full_name="Jana", total="100.00"),
        order_facts("A2", email="jana@x.cz", total="50.01"),
        order_facts("A3", customer_guid="g", email="petr@x.cz"),
        order_facts("A4"),
    )

    assert result == AttachResult(linked=3, nobody=1, ambiguous=0, customers_created=2, customers_touched=2)
    assert list(Customer.objects.order_by("email").values_list("email", "email_normalized", "full_name", "phone")) == [
        ("Jana@X.cz", "jana@x.cz", "Jana", "+420"),
        ("petr@x.cz", "petr@x.cz", "Jana Nová", ""),
    ]
    assert list(CustomerAccount.objects.values_list("channel_id", "guid")) == [(channel.pk, "g")]
    assert links().keys() == {"A1", "A2", "A3"}
    assert figures() == [(1, 0, Decimal("121.00"), Decimal("121.00")), (2, 0, Decimal("150.01"), Decimal("75.01"))]


def test_attach_orders_twice_is_once(channel):
    orders = [order_facts("A1", email="a@x.cz"), order_facts("A2", customer_guid="g", email="b@x.cz")]
    attach(channel, *orders)
    before = [
        list(model.objects.order_by("id").values())
        for model in (Customer, CustomerAccount, CustomerOrder, CustomerMetrics)
    ]

    result = attach(channel, *orders, now=LATER)

    assert result == AttachResult(linked=0, nobody=0, ambiguous=0, customers_created=0, customers_touched=2)
    assert [
        list(model.objects.order_by("id").values())
        for model in (Customer, CustomerAccount, CustomerOrder, CustomerMetrics)
    ] == before


def test_attach_orders_follows_an_order_that_moves_and_recalculates_both_customers(channel):
    attach(channel, order_facts("A1", email="a@x.cz"), order_facts("A2", email="b@x.cz"))

    attach(channel, order_facts("A1", email="b@x.cz", changed_at=LATER), fetched_at=LATER)

    assert set(links().values()) == {links()["A2"]}
    assert figures() == [
        (0, 0, Decimal("0.00"), None),
        (2, 0, Decimal("242.00"), Decimal("121.00")),
    ]


def test_attach_orders_forgets_a_customer_whom_the_order_no_longer_names(channel):
    attach(channel, order_facts("A1", email="a@x.cz"))

    result = attach(channel, order_facts("A1", changed_at=LATER), fetched_at=LATER)

    assert (result.nobody, links(), figures()) == (1, {}, [(0, 0, Decimal("0.00"), None)])


def test_attach_orders_makes_a_guest_who_registers_the_same_customer(channel):
    attach(channel, order_facts("A1", email="a@x.cz"))

    attach(channel, order_facts("A2", email="A@x.cz", customer_guid="g"))

    assert links()["A1"] == links()["A2"]
    assert Customer.objects.count() == 1


def test_attach_orders_unlinks_guests_when_their_email_turns_out_to_be_two_peoples(channel):
    attach(channel, order_facts("A1", email="a@x.cz"), order_facts("A2", email="a@x.cz", customer_guid="g1"))
    assert len(set(links().values())) == 1

    result = attach(channel, order_facts("A3", email="a@x.cz", customer_guid="g2"), order_facts("A4", email="a@x.cz"))

    assert (result.ambiguous, result.customers_touched) == (1, 2)
    assert links().keys() == {"A2", "A3"}
    assert [count for count, *_ in figures()] == [1, 1]


def test_attach_orders_counts_cancelled_orders_apart_and_deleted_ones_nowhere(channel):
    ids = place(
        channel,
        order_facts("A1", email="a@x.cz", total="10.00"),
        order_facts("A2", email="a@x.cz", total="0.00", is_cancelled=True),
        order_facts("A3", email="a@x.cz", total="30.00"),
    )
    services.attach_orders(tenant_id=channel.tenant_id, order_ids=ids, now=NOON)
    order_services.mark_deleted(channel_id=channel.pk, codes=["A3"], deleted_at=LATER)

    services.attach_orders(tenant_id=channel.tenant_id, order_ids=ids[2:], now=LATER)

    assert figures() == [(1, 1, Decimal("10.00"), Decimal("10.00"))]


def test_metrics_do_not_add_up_two_currencies(channel):
    euros = make_channel(name="Alice's other shop", currency="EUR")
    attach(channel, order_facts("A1", email="a@x.cz"))
    attach(euros, order_facts("A1", email="a@x.cz"))

    assert CustomerMetrics.objects.values_list("order_count", "currency", "revenue", "aov").get() == (2, "", None, None)
    assert selectors.totals().revenues == {"CZK": Decimal("121.00"), "EUR": Decimal("121.00")}


def test_metrics_leave_out_a_value_that_nobody_knows(channel):
    attach(channel, order_facts("A1", email="a@x.cz", total_default=None), order_facts("A2", email="a@x.cz"))

    assert figures() == [(2, 0, Decimal("121.00"), Decimal("121.00"))]


def test_metrics_remember_the_first_and_last_order(channel):
    attach(
        channel,
        order_facts("A1", email="a@x.cz", created_at=at("2026-01-01")),
        order_facts("A2", email="a@x.cz", created_at=at("2026-02-01")),
        order_facts("A3", email="a@x.cz", created_at=None),
        order_facts("A4", email="a@x.cz", created_at=at("2026-03-01"), is_cancelled=True),
    )

    metrics = CustomerMetrics.objects.get()
    assert (metrics.first_order_at, metrics.last_order_at) == (at("2026-01-01"), at("2026-02-01"))


orders_of_somebody = st.lists(
    st.tuples(
        st.sampled_from(["a@x.cz", "b@x.cz", ""]),
        st.decimals("-9999", "99999", places=2) | st.none(),
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders_of_somebody)
@pytest.mark.slow
def test_metrics_equal_an_independent_computation(channel, drawn):
    Order.objects.all().delete()
    Customer.objects.all().delete()
    orders = [
        order_facts(f"A{number}", email=email, total_default=value, is_cancelled=cancelled)
        for number, (email, value, cancelled) in enumerate(drawn)
    ]

    attach(channel, *orders)

    expected = []
    for email in sorted({facts.email for facts in orders} - {""}):
        counted = [facts.total_default for facts in orders if facts.email == email and not facts.is_cancelled]
        known = [value for value in counted if value is not None]
        cancelled = sum(facts.is_cancelled for facts in orders if facts.email == email)
        average = (sum(known, Decimal(0)) / len(known)).quantize(Decimal("0.01"), ROUND_HALF_UP) if known else None
        expected.append((email, len(counted), cancelled, sum(known, Decimal(0)), average))
    stored = CustomerMetrics.objects.order_by("customer__email").values_list(
        "customer__email", "order_count", "cancelled_count", "revenue", "aov"
    )
    assert list(stored) == expected


def test_attach_orders_takes_as_many_queries_for_fifty_orders_as_for_one(channel):
    counts = []
    for batch in (1, 3, 50):
        orders = [
            order_facts(f"{batch}-{n}", email=f"{batch}-{n}@x.cz", customer_guid=f"{batch}-{n}") for n in range(batch)
        ]
        ids = place(channel, *orders)
        with CaptureQueriesContext(connection) as queries:
            services.attach_orders(tenant_id=channel.tenant_id, order_ids=ids, now=NOON)
        counts.append(len(queries))

    assert counts[1:] == [counts[0], counts[0]]
    assert CustomerOrder.objects.count() == 54


def test_a_stranger_can_neither_attach_nor_see(channel):
    ids = place(channel, order_facts("A1", email="a@x.cz"))
    with all_tenants():
        bobs = make_channel(tenant="Bob", name="Bob's shop")

    with tenant_scope(bobs.tenant_id):
        result = services.attach_orders(tenant_id=bobs.tenant_id, order_ids=ids, now=NOON)
        attach(bobs, order_facts("A1", email="a@x.cz"))
        mine = Customer.objects.get()
        assert selectors.totals().orders == 1

    assert result == AttachResult(linked=0, nobody=0, ambiguous=0, customers_created=0, customers_touched=0)
    services.attach_orders(tenant_id=channel.tenant_id, order_ids=ids, now=NOON)
    assert Customer.objects.exclude(id=mine.pk).count() == 1
    assert [model.objects.count() for model in (Customer, CustomerOrder, CustomerMetrics)] == [1, 1, 1]


def test_recalculate_metrics_heals_figures_and_writes_nothing_else(channel):
    attach(channel, order_facts("A1", email="a@x.cz"), order_facts("A2", email="b@x.cz"))
    wrong, right = CustomerMetrics.objects.order_by("id")
    CustomerMetrics.objects.filter(id=wrong.pk).update(order_count=9)

    services.recalculate_metrics(
        tenant_id=channel.tenant_id, customer_ids=[wrong.customer_id, right.customer_id], now=LATER
    )

    assert list(CustomerMetrics.objects.order_by("id").values_list("order_count", "recalculated_at")) == [
        (1, LATER),
        (1, NOON),
    ]

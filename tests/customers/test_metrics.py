"""The figures: value, repeat purchases, scores and segments, and that two at once do no harm."""

import threading
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from modules.accounts.models import Membership, User
from modules.customers import selectors, services
from modules.customers.events import metrics_recalculated
from modules.customers.models import Customer, CustomerMetrics, Yardstick
from modules.kernel.tenancy import tenant_scope
from modules.notifications.models import LiveEvent
from modules.orders import services as order_services
from tests.customers.purchases import LATER, NOON, attach, place
from tests.customers.test_prediction import SAMPLE
from tests.orders.factories import at, make_channel, order_facts


def figures(*columns):
    return list(CustomerMetrics.objects.order_by("customer_id").values_list(*columns))


def recalculate(channel, now=NOON):
    ids = list(Customer.objects.values_list("id", flat=True))
    return services.recalculate_metrics(tenant_id=channel.tenant_id, customer_ids=ids, now=now)


def test_paid_orders_are_counted_apart_and_unknown_is_not_paid(channel):
    attach(channel, *(order_facts(f"A{n}", email="a@x.cz", is_paid=paid) for n, paid in enumerate((True, False, None))))
    attach(channel, order_facts("A9", email="a@x.cz", is_paid=True, is_cancelled=True))

    assert figures("order_count", "paid_count", "cancelled_count") == [(3, 1, 1)]


def test_value_is_without_vat_in_the_shops_currency_by_each_orders_own_rate(channel):
    attach(
        channel,
        order_facts("A1", email="a@x.cz", total_without_vat=Decimal("100.00")),
        order_facts(
            *("A2",),
            email="a@x.cz",
            currency="EUR",
            exchange_rate=Decimal("0.04"),
            total_without_vat=Decimal("4.00"),
            total_default=Decimal("121.00"),
        ),
    )

    assert figures("revenue", "clv", "currency") == [(Decimal("242.00"), Decimal("200.00"), "CZK")]


def test_a_refund_takes_from_the_value_and_is_no_purchase(channel):
    attach(
        channel,
        order_facts("A1", email="a@x.cz", total="100.00", created_at=at("2026-01-01")),
        order_facts("A2", email="a@x.cz", total="-30.00", created_at=at("2026-02-01")),
    )

    assert figures("order_count", "revenue", "clv", "frequency", "last_order_at") == [
        (2, Decimal("70.00"), Decimal("70.00"), 0, at("2026-01-01"))
    ]


def test_repeat_purchases_are_days_after_the_first_by_the_clock_on_the_wall(channel):
    attach(
        channel,
        order_facts("A1", email="a@x.cz", total="10.00", created_at=at("2026-01-01T22:30")),
        order_facts("A2", email="a@x.cz", total="20.00", created_at=at("2026-01-01T23:30")),  # the 2nd in Prague
        order_facts("A3", email="a@x.cz", total="30.00", created_at=at("2026-01-02T10:00")),
        order_facts("A4", email="a@x.cz", total="70.00", created_at=at("2026-02-02T10:00")),
    )

    assert figures("frequency", "repeat_value") == [(2, Decimal("60.00"))]


@pytest.mark.parametrize(
    ("days", "orders", "segment", "scores"),
    [
        (0, 1, "new", (5, 1)),
        (29, 9, "champions", (5, 5)),
        (30, 9, "champions", (4, 5)),
        (90, 5, "loyal", (3, 4)),
        (180, 3, "at_risk", (2, 3)),
        (180, 1, "sleeping", (2, 1)),
        (365, 9, "cant_lose", (1, 5)),
        (4000, 1, "lost", (1, 1)),
    ],
)
def test_a_segment_goes_by_days_and_orders_until_the_tenant_is_measured(channel, days, orders, segment, scores):
    last = NOON - timedelta(days=days)
    attach(channel, *(order_facts(f"A{n}", email="a@x.cz", created_at=last) for n in range(orders)))

    assert figures("segment", "recency_score", "frequency_score", "money_score") == [(segment, *scores, None)]


def test_who_never_bought_has_no_segment(channel):
    attach(channel, order_facts("A1", email="a@x.cz", is_cancelled=True))

    assert figures("segment", "recency_score", "frequency_score", "stale_at") == [("", None, None, None)]


def make_hundred(channel):
    """A hundred customers; the n-th bought n days ago for n crowns."""
    orders = [
        order_facts(f"A{n:03}", email=f"{n:03}@x.cz", total=f"{n}.00", created_at=NOON - timedelta(days=n, hours=1))
        for n in range(1, 101)
    ]
    attach(channel, *orders)
    services.measure(tenant_id=channel.tenant_id, now=NOON)


def test_a_tenant_is_measured_by_the_quintiles_of_its_customers(channel):
    make_hundred(channel)

    yard = Yardstick.objects.get()
    assert (yard.currency, yard.recency_days) == ("CZK", [20, 40, 60, 80])
    assert yard.money == [Decimal(20), Decimal(40), Decimal(60), Decimal(80)]
    found = figures("recency_score", "money_score")
    assert [found.count((score, 6 - score)) for score in (5, 4, 3, 2, 1)] == [19, 20, 20, 20, 21]


def test_a_measured_customer_who_is_recalculated_keeps_the_score(channel):
    make_hundred(channel)
    before = figures("customer_id", "recency_score", "money_score", "segment", "stale_at")

    assert recalculate(channel) == 0
    assert figures("customer_id", "recency_score", "money_score", "segment", "stale_at") == before


def test_customers_are_due_when_a_score_falls_and_at_no_other_time(channel):
    attach(channel, order_facts("A1", email="a@x.cz", created_at=NOON), order_facts("A2", email="b@x.cz"))
    attach(channel, order_facts("A3", email="b@x.cz", created_at=NOON - timedelta(days=5)))
    due = [NOON + timedelta(days=30, seconds=seconds) for seconds in (-1, 0)]

    found = [
        list(selectors.customers_to_recalculate(tenant_id=channel.tenant_id, now=now, everyone=False)) for now in due
    ]

    assert [len(ids) for ids in found] == [1, 2]  # b bought two hours earlier
    services.recalculate_metrics(tenant_id=channel.tenant_id, customer_ids=found[1], now=due[1])
    assert figures("recency_score", "stale_at")[0] == (4, NOON + timedelta(days=90))
    assert list(selectors.customers_to_recalculate(tenant_id=channel.tenant_id, now=due[1], everyone=False)) == []


def test_k_changed_orders_touch_k_customers(channel):
    make_hundred(channel)

    changed = [order_facts(f"A{n:03}", email=f"{n:03}@x.cz", total="500.00", changed_at=LATER) for n in (10, 20, 30)]
    result = attach(channel, *changed, now=LATER, fetched_at=LATER)

    assert result.customers_touched == 3
    assert CustomerMetrics.objects.filter(recalculated_at=LATER).count() == 3
    assert CustomerMetrics.objects.filter(is_predicted=False).count() == 100
    assert list(selectors.customers_to_recalculate(tenant_id=channel.tenant_id, now=LATER, everyone=False)) == []


def test_a_chunk_takes_two_queries_for_one_customer_and_for_many(channel):
    make_hundred(channel)
    ids = list(Customer.objects.values_list("id", flat=True))
    taken = []
    for chunk in (ids[:1], ids[:3], ids):
        with CaptureQueriesContext(connection) as queries:
            services.recalculate_metrics(tenant_id=channel.tenant_id, customer_ids=chunk, now=LATER)
        taken.append(sum("SAVEPOINT" not in query["sql"] for query in queries))

    assert taken == [2, 2, 2]


def test_customers_of_several_currencies_are_scored_by_time_and_number(channel):
    euros = make_channel(name="Alice's other shop", currency="EUR")
    for shop in (channel, euros):
        attach(shop, *(order_facts(f"A{n}", email=f"{n}@x.cz") for n in range(25)))

    services.measure(tenant_id=channel.tenant_id, now=NOON)

    assert figures("revenue", "clv", "money_score", "frequency_score")[0] == (None, None, None, 2)
    assert Yardstick.objects.values_list("currency", "money").get() == ("", None)


def test_a_few_customers_are_not_measured_by_each_other(channel):
    attach(channel, *(order_facts(f"A{n}", email=f"{n}@x.cz", created_at=NOON) for n in range(24)))

    services.measure(tenant_id=channel.tenant_id, now=NOON)

    assert (Yardstick.objects.count(), set(figures("segment"))) == (0, {("new",)})


def test_the_end_of_a_recalculation_is_told_and_the_count_is_forgotten(channel, django_capture_on_commit_callbacks):
    attach(channel, order_facts("A1", email="a@x.cz"))
    heard = []

    def hear(**told):
        heard.append((told["tenant_id"], told["customers"]))

    assert selectors.count_customers() == 1
    Customer.objects.create(tenant_id=channel.tenant_id, full_name="past the cache")
    assert selectors.count_customers() == 1
    metrics_recalculated.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            services.finish_recalculation(tenant_id=channel.tenant_id, customers=7, everyone=False, now=NOON)
    finally:
        metrics_recalculated.disconnect(hear)

    assert (heard, selectors.count_customers()) == ([(channel.tenant_id, 7)], 2)


def test_members_who_are_there_are_told_of_new_figures(channel):
    member = User.objects.create_user("jana")
    Membership.objects.create(user=member, tenant_id=channel.tenant_id)

    services.finish_recalculation(tenant_id=channel.tenant_id, customers=7, everyone=False, now=NOON)

    told = LiveEvent.objects.get()
    assert (told.user_id, told.type, told.payload) == (member.pk, "customer_metrics", {"customers": 7})


def test_the_count_is_the_tenants_own(channel):
    attach(channel, order_facts("A1", email="a@x.cz"))
    assert selectors.count_customers() == 1

    with tenant_scope(channel.tenant_id + 1):
        assert selectors.count_customers() == 0


@pytest.mark.slow
def test_predictions_follow_the_figures(channel):
    """Three weekly orders each; the n-th customer has been silent for n weeks since."""
    orders = [
        order_facts(f"{n:03}-{k}", email=f"{n:03}@x.cz", created_at=NOON - timedelta(days=7 * (n % 40 + k) + 1))
        for n in range(150)
        for k in range(3)
    ]
    attach(channel, *orders)
    attach(channel, order_facts("once", email="once@x.cz", created_at=NOON - timedelta(days=700)))
    services.measure(tenant_id=channel.tenant_id, now=NOON)

    fitted = services.fit_models(tenant_id=channel.tenant_id, now=NOON)
    counts = [services.predict_next(tenant_id=channel.tenant_id, limit=100, now=NOON) for _ in range(3)]

    assert (fitted, counts) == (1, [100, 51, 0])
    found = figures("predicted_orders", "predicted_clv", "alive_chance")
    assert found.pop()[2] is None  # a single order tells nothing of how long they stay away
    assert all(row[0] >= 0 and row[1] >= 0 and 0 <= row[2] <= 1 for row in found)
    recent, silent = found[0], found[39]
    assert recent[2] > silent[2]
    attach(channel, order_facts("new", email="000@x.cz", created_at=NOON))
    assert services.predict_next(tenant_id=channel.tenant_id, limit=100, now=NOON) == 1


def test_without_enough_customers_nothing_is_predicted(channel):
    attach(channel, order_facts("A1", email="a@x.cz"))
    services.measure(tenant_id=channel.tenant_id, now=NOON)

    assert services.fit_models(tenant_id=channel.tenant_id, now=NOON) == 0
    assert services.predict_next(tenant_id=channel.tenant_id, limit=10, now=NOON) == 1
    assert figures("predicted_orders", "predicted_clv", "alive_chance", "is_predicted") == [(None, None, None, True)]


@pytest.mark.django_db(transaction=True)
def test_two_recalculations_and_an_attachment_at_once_end_as_one_after_another(channel):
    attach(channel, *(order_facts(f"A{n:03}", email=f"{n % 30}@x.cz") for n in range(90)))
    more = place(channel, *(order_facts(f"B{n:03}", email=f"{n % 30}@x.cz") for n in range(60)))
    failures = []

    def run(work):
        try:
            with tenant_scope(channel.tenant_id):
                work()
        except Exception as error:  # noqa: BLE001 -- told by the main thread
            failures.append(error)
        finally:
            connection.close()

    def attach_more():
        for start in range(0, 60, 10):
            ids = more[start : start + 10]
            services.attach_orders(tenant_id=channel.tenant_id, order_ids=ids, now=LATER)

    jobs = [attach_more, *[lambda: [recalculate(channel, now=LATER) for _ in range(6)]] * 2]
    threads = [threading.Thread(target=run, args=[job]) for job in jobs]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert failures == []
    assert figures("order_count", "revenue") == [(5, Decimal("605.00"))] * 30


@pytest.mark.django_db(transaction=True)
def test_a_chunk_that_breaks_halfway_leaves_nothing_and_is_whole_the_next_time(channel):
    attach(channel, *(order_facts(f"A{n}", email=f"{n}@x.cz") for n in range(3)))
    CustomerMetrics.objects.update(order_count=9)

    with pytest.raises(RuntimeError), transaction.atomic():
        assert recalculate(channel) == 3
        raise RuntimeError("killed before the commit")
    assert figures("order_count") == [(9,)] * 3
    assert recalculate(channel) == 3

    assert figures("order_count") == [(1,)] * 3


@pytest.mark.slow
def test_the_cdnow_sample_comes_out_to_the_cent(channel):
    rows = [line.split() for line in SAMPLE.read_text(encoding="ascii").split("\n") if line.strip()]
    expected = defaultdict(lambda: [0, Decimal()])
    for row in rows:
        expected[row[0]][0] += 1
        expected[row[0]][1] += Decimal(row[4])
    orders = [
        order_facts(f"{n:05}", customer_guid=row[0], total=row[4], lines=(), created_at=at(row[2]))
        for n, row in enumerate(rows)
    ]
    imported = order_services.import_orders(channel_id=channel.pk, orders=orders, fetched_at=NOON)

    for ids in services.chunked(imported.order_ids, 1_000):
        services.attach_orders(tenant_id=channel.tenant_id, order_ids=ids, now=NOON)

    found = CustomerMetrics.objects.values_list("customer__accounts__guid", "order_count", "revenue", "clv")
    assert {guid: [count, revenue] for guid, count, revenue, _ in found} == expected
    assert {guid: clv for guid, _, _, clv in found} == {guid: total for guid, (_, total) in expected.items()}
    assert (len(expected), sum(total for _, total in expected.values())) == (2357, Decimal("244091.94"))
    assert sum(figures[0] for figures in CustomerMetrics.objects.values_list("frequency")) == 6696 - 2357

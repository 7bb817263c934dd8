"""What variants sell and how long they last, from order lines and stock."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modules.inventory import selectors, services
from modules.inventory.domain import LevelFacts
from modules.inventory.models import StockLevel, VariantMetrics
from modules.kernel.tenancy import all_tenants, tenant_scope
from modules.orders import services as order_services
from modules.orders.models import Order, SalesChannel
from tests.orders.factories import at, line_facts, make_channel, order_facts

pytestmark = pytest.mark.django_db
NOON, LATER = at("2026-03-01T12:00"), at("2026-03-01T13:00")


def ago(days):
    return NOON - timedelta(days=days)


def sell(channel, *lines, days=1, code=None, **facts):
    """Place one order with these lines so many days ago; return its code."""
    code = code or f"A{Order.objects.count()}"
    numbered = tuple(line_facts(number, **line) for number, line in enumerate(lines, start=1))
    order = order_facts(code, lines=numbered, created_at=ago(days), **facts)
    order_services.import_orders(channel_id=channel.pk, orders=[order], fetched_at=facts.get("changed_at", NOON))
    return code


def stock(channel, *levels, now=NOON, **options):
    facts = [LevelFacts(code=code, amount=Decimal(amount)) for code, amount in levels]
    return services.import_levels(channel_id=channel.pk, levels=facts, now=now, **options)


def recalculate(channel, *codes, now=NOON):
    return services.recalculate_variant_metrics(
        tenant_id=channel.tenant_id, channel_id=channel.pk, codes=codes or ["P"], now=now
    )


def figures(*columns, code="P"):
    return VariantMetrics.objects.filter(code=code).values_list(*columns).get()


def pieces(amount, code="P", **fields):
    return {"code": code, "amount": Decimal(amount), **fields}


def test_sales_are_counted_in_four_windows(channel):
    for days in (1, 6, 8, 29, 31, 89, 91, 364, 366):
        sell(channel, pieces(2), days=days)

    recalculate(channel)

    assert figures("sold_7", "sold_30", "sold_90", "sold_365") == (4, 8, 12, 16)
    assert figures("first_sold_at", "last_sold_at") == (ago(366), ago(1))


def test_cancelled_and_deleted_orders_sold_nothing_and_returns_take_away(channel):
    sell(channel, pieces(5), pieces(-2))
    sell(channel, pieces(7), is_cancelled=True)
    gone = sell(channel, pieces(7))
    order_services.mark_deleted(channel_id=channel.pk, codes=[gone], deleted_at=LATER)

    recalculate(channel)

    assert figures("sold_7") == (3,)


def test_one_code_on_two_lines_is_added_up_and_other_kinds_of_lines_are_not(channel):
    sell(channel, pieces(1), pieces(2), pieces(9, item_type="shipping"), pieces(9, item_type="deposit"))

    recalculate(channel)

    assert figures("sold_7") == (3,)


def test_a_part_of_a_set_is_counted_once(channel):
    sell(
        channel,
        pieces(2, code="SET", item_type="product-set"),
        pieces(6, item_type="product-set-item"),  # three in each, already multiplied
        pieces(1),
    )

    recalculate(channel, "P", "SET")

    assert (figures("sold_7"), figures("sold_7", code="SET")) == ((7,), (2,))


@pytest.mark.parametrize(
    ("amount", "sold", "risk", "days_left"),
    [
        (0, 90, "out", 0),
        (-3, 90, "out", 0),
        (14, 90, "high", 14),
        (15, 90, "medium", 15),
        (28, 90, "medium", 28),
        (29, 90, "low", 29),
        (29, 0, "none", None),
        (None, 90, "unknown", None),
    ],
)
def test_the_outlook_is_how_long_stock_lasts_at_the_pace_of_ninety_days(channel, amount, sold, risk, days_left):
    sell(channel, pieces(sold), days=89.99)
    sell(channel, pieces(1), days=400)
    if amount is not None:
        stock(channel, ("P", amount))

    recalculate(channel)

    expected = None if days_left is None else Decimal(days_left)
    assert figures("risk", "days_left", "velocity") == (risk, expected, Decimal(sold) / 90)


def test_the_pace_of_a_new_variant_is_taken_since_its_first_sale_but_of_a_week_at_least(channel):
    sell(channel, pieces(20), days=20)
    sell(channel, pieces(7, code="Q"), days=1)

    recalculate(channel, "P", "Q")

    assert (figures("velocity"), figures("velocity", code="Q")) == ((1,), (1,))


def test_more_returned_than_sold_is_no_pace(channel):
    sell(channel, pieces(-5))
    stock(channel, ("P", 3))

    recalculate(channel)

    assert figures("sold_7", "velocity", "days_left", "risk", "turnover") == (-5, 0, None, "none", 0)


def test_stocks_are_added_up_less_what_is_reserved(channel):
    levels = [
        LevelFacts(code="P", stock="Brno", amount=Decimal(5), reserved=Decimal(2)),
        LevelFacts(code="P", stock="Praha", amount=Decimal("1.5")),
    ]
    services.import_levels(channel_id=channel.pk, levels=levels, now=NOON)

    recalculate(channel)

    assert figures("amount", "name", "risk") == (Decimal("4.500"), "", "none")


def test_turnover_is_how_often_a_year_the_stock_is_sold(channel):
    sell(channel, pieces(30), days=200)
    stock(channel, ("P", 20))

    recalculate(channel)

    assert figures("turnover") == (Decimal("1.50"),)


@pytest.mark.parametrize(
    ("last_sale", "seen", "amount", "is_dead"),
    [
        (181, 1, 1, True),
        (179, 500, 1, False),
        (None, 181, 1, True),
        (None, 179, 1, False),
        (181, 500, 0, False),
    ],
)
def test_stock_is_dead_that_half_a_year_did_not_sell(channel, last_sale, seen, amount, is_dead):
    if last_sale:
        sell(channel, pieces(1), days=last_sale)
    stock(channel, ("P", amount), now=ago(seen))

    recalculate(channel)

    assert figures("is_dead_stock") == (is_dead,)


def test_revenue_is_without_vat_in_the_shops_currency(channel):
    euros = {"currency": "EUR", "exchange_rate": Decimal("0.04")}
    sell(channel, pieces(1, total_without_vat=Decimal("100.00")))
    sell(channel, pieces(1, total_without_vat=Decimal("2.00")), **euros)
    sell(channel, pieces(1, total_without_vat=Decimal("2.00")), currency="EUR", exchange_rate=None)

    recalculate(channel)

    assert figures("revenue_90") == (Decimal("150.00"),)


def test_twice_is_once_and_only_what_differs_is_written(channel):
    sell(channel, pieces(1), pieces(2, code="Q"))
    stock(channel, ("P", 3), ("Q", 4))
    assert recalculate(channel, "P", "Q") == 2
    before = list(VariantMetrics.objects.order_by("id").values())

    assert recalculate(channel, "P", "Q") == 0
    assert list(VariantMetrics.objects.order_by("id").values()) == before
    stock(channel, ("P", 2))
    assert recalculate(channel, "P", "Q", now=LATER) == 1


def test_what_nobody_sells_or_keeps_any_more_is_forgotten(channel):
    code = sell(channel, pieces(1))
    stock(channel, ("P", 3), ("Q", 1))
    recalculate(channel, "P", "Q")

    order_services.mark_deleted(channel_id=channel.pk, codes=[code], deleted_at=LATER)
    stock(channel, ("Q", 1), is_complete=True)
    recalculate(channel, "P", "Q")

    assert list(VariantMetrics.objects.values_list("code", flat=True)) == ["Q"]


def test_levels_say_which_variants_changed(channel):
    changed = [
        stock(channel, ("P", 3), ("Q", 1)),
        stock(channel, ("P", 3), ("Q", 2)),
        stock(channel, ("P", 3), ("P", 4)),
        stock(channel, ("Q", 2), is_complete=True),
    ]

    assert changed == [2, 1, 1, 1]
    assert list(StockLevel.objects.values_list("code", "amount")) == [("Q", 2)]


def test_a_chunk_takes_two_queries_for_one_variant_and_for_fifty(channel):
    sell(channel, *(pieces(1, code=f"P{n}") for n in range(50)))
    taken = []
    for count in (1, 3, 50):
        with CaptureQueriesContext(connection) as queries:
            recalculate(channel, *(f"P{n}" for n in range(count)), now=LATER)
        taken.append(sum("SAVEPOINT" not in query["sql"] for query in queries))

    assert taken == [2, 2, 2]


def test_a_stranger_neither_counts_nor_sees(channel):
    sell(channel, pieces(1))
    with all_tenants():
        bobs = make_channel(tenant="Bob", name="Bob's shop")

    with tenant_scope(bobs.tenant_id):
        services.recalculate_variant_metrics(tenant_id=bobs.tenant_id, channel_id=channel.pk, codes=["P"], now=NOON)
        recalculate(bobs)
        with pytest.raises(SalesChannel.DoesNotExist):
            stock(channel, ("P", 3))
    with all_tenants():
        assert (VariantMetrics.objects.count(), StockLevel.objects.count()) == (0, 0)


def test_weeks_are_told_from_their_mondays_with_the_quiet_ones(channel):
    sell(channel, pieces(2), days=0.1)
    sell(channel, pieces(3), days=15)
    recalculate(channel)

    weeks = selectors.weekly_sales(VariantMetrics.objects.get(), now=NOON, weeks=4)

    assert [(week.monday.isoformat(), week.pieces) for week in weeks] == [
        *(("2026-02-02", 0), ("2026-02-09", 3), ("2026-02-16", 0), ("2026-02-23", 2)),
    ]


lines = st.tuples(
    st.sampled_from(["P", "Q", ""]),
    st.decimals("-50", "500", places=3) | st.none(),
    st.sampled_from(["product", "gift", "product-set-item", "shipping"]),
)
drawn_orders = st.lists(st.tuples(st.integers(0, 400), st.booleans(), st.lists(lines, max_size=4)), max_size=6)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn_orders)
@pytest.mark.slow
def test_sold_pieces_equal_an_independent_count(channel, drawn):
    Order.objects.all().delete()
    VariantMetrics.objects.all().delete()
    expected = defaultdict(lambda: [0, 0, 0, 0])
    for days, is_cancelled, order_lines in drawn:
        sell(
            channel,
            *({"code": code, "amount": amount, "item_type": kind} for code, amount, kind in order_lines),
            days=days + 0.5,
            is_cancelled=is_cancelled,
        )
        for code, amount, kind in order_lines:
            if code and kind != "shipping" and not is_cancelled:
                for place, window in enumerate((7, 30, 90, 365)):
                    expected[code][place] += (amount or 0) if days < window else 0

    recalculate(channel, "P", "Q", "")

    found = VariantMetrics.objects.values_list("code", "sold_7", "sold_30", "sold_90", "sold_365")
    assert {code: sold for code, *sold in found} == expected

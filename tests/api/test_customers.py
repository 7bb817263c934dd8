"""Customers and stock over the API: what is told, what can be asked for, page by page."""

from datetime import timedelta
from decimal import Decimal

import pytest

from modules.customers import services as customer_services
from modules.customers.models import Customer, CustomerMetrics
from modules.inventory import services as inventory_services
from modules.inventory.domain import LevelFacts
from modules.inventory.models import VariantMetrics
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.orders import services as order_services
from tests.admin.factories import make_variant
from tests.api.within import within
from tests.orders.factories import line_facts, make_channel, order_facts

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def place(db):
    with within() as place:
        yield place


@pytest.fixture
def shop(alice):
    """Alice's shop with Jana, who bought twice, and two guests, one of whom is cancelled."""
    now = clock.now()
    with all_tenants():
        channel = make_channel()
        orders = [
            order_facts("A1", email="jana@x.cz", customer_guid="g", created_at=now - timedelta(days=40)),
            order_facts("A2", email="jana@x.cz", customer_guid="g", created_at=now - timedelta(days=3)),
            order_facts("A3", email="petr@x.cz", full_name="Petr", total="50.00", created_at=now - timedelta(days=9)),
            order_facts("A4", email="eva@x.cz", full_name="Eva", is_cancelled=True, created_at=now),
            order_facts("A5", lines=(line_facts(1, code="P2", amount=Decimal("0.5")),), created_at=now),
        ]
        found = order_services.import_orders(channel_id=channel.pk, orders=orders, fetched_at=now)
        customer_services.attach_orders(tenant_id=channel.tenant_id, order_ids=found.order_ids, now=now)
        levels = [LevelFacts(code="P1", amount=Decimal(4), stock="Brno"), LevelFacts(code="P3", amount=Decimal(1))]
        inventory_services.import_levels(channel_id=channel.pk, levels=levels, now=now)
        inventory_services.recalculate_variant_metrics(
            tenant_id=channel.tenant_id, channel_id=channel.pk, codes=["P1", "P2", "P3"], now=now
        )
    return channel


def names(answer):
    assert answer.status_code == 200, answer.text
    return [customer["name"] for customer in answer.json()["customers"]]


def test_a_customer_is_told_with_figures_accounts_and_orders(alice, shop):
    with all_tenants():
        jana = Customer.objects.get(email="jana@x.cz")

    told = alice.http.get(f"/customers/{jana.pk}").json()

    figures = told["metrics"]
    assert (told["name"], told["email"], told["accounts"]) == (
        *("Jana Nová", "jana@x.cz"),
        [{"shop": "Alice's shop", "guid": "g", "group": "", "emails": [], "deletedAt": None}],
    )
    assert [figures[name] for name in ("orders", "paidOrders", "cancelledOrders", "frequency", "recencyDays")] == [
        *(2, 2, 0, 1, 3),
    ]
    assert [figures[name] for name in ("revenue", "averageOrderValue", "value", "currency")] == [
        *("242.00", "121.00", "242.00", "CZK"),
    ]
    assert (figures["segment"], figures["scores"]) == ("promising", {"recency": 5, "frequency": 2, "money": None})
    assert figures["predicted"] is None
    assert [(order["code"], order["linkedBy"]) for order in told["newestOrders"]] == [("A2", "guid"), ("A1", "created")]


def test_a_merged_customer_is_told_as_part_of_the_other(alice, shop):
    with all_tenants():
        jana, petr = Customer.objects.filter(email__in=["jana@x.cz", "petr@x.cz"]).order_by("email")
        customer_services.merge_customers(
            tenant_id=shop.tenant_id, kept_id=jana.pk, merged_id=petr.pk, by="eva", now=clock.now()
        )

    told = [alice.http.get(f"/customers/{customer.pk}").json() for customer in (jana, petr)]

    assert [one["mergedInto"] for one in told] == [None, jana.pk]
    assert [one["mergedCustomers"] for one in told] == [[petr.pk], []]
    assert (told[0]["metrics"]["orders"], told[1]["metrics"]) == (3, None)
    assert names(alice.http.get("/customers")) == ["Eva", "Jana Nová"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("segment=new", ["Petr"]),
        ("email=JANA@x.cz", ["Jana Nová"]),
        ("minOrders=1", ["Petr", "Jana Nová"]),
        ("minRevenue=50.01", ["Jana Nová"]),
        ("minOrders=1&email=eva@x.cz", []),
    ],
)
def test_customers_are_found_by_segment_email_and_figures(alice, shop, query, found):
    assert names(alice.http.get(f"/customers?{query}")) == found


def test_customers_come_page_by_page(alice, shop):
    first = alice.http.get("/customers?limit=2")
    second = alice.http.get(f"/customers?limit=2&cursor={first.json()['nextCursor']}")

    assert (names(first), names(second), second.json()["nextCursor"]) == (["Eva", "Petr"], ["Jana Nová"], None)


def test_segments_are_counted_with_what_they_brought(alice, bob, shop):
    assert alice.http.get("/customers/segments").json() == {
        "segments": [
            {"segment": "promising", "customers": 1, "revenue": "242.00"},
            {"segment": "new", "customers": 1, "revenue": "50.00"},
        ],
        "currency": "CZK",
        "unlinkedOrders": 1,
    }
    assert bob.http.get("/customers/segments").json() == {"segments": [], "currency": "", "unlinkedOrders": 0}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/customers?segmnt=new", "segmnt"),
        ("/customers?segment=best", "segment"),
        ("/customers?limit=101", "limit"),
        ("/customers?email=%00", "email"),
        ("/customers?cursor=99999999999999999999", "cursor"),
        ("/customers?minRevenue=NaN", "minRevenue"),
        ("/customers/segments?limit=1", "limit"),
        ("/inventory/variants?risk=often", "risk"),
        ("/inventory/variants?codes=P1", "codes"),
        ("/inventory/variants/1?risk=out", "risk"),
    ],
)
def test_a_wrong_question_is_refused_with_its_name(alice, path, field):
    answer = alice.http.get(path)

    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])


def codes(answer):
    assert answer.status_code == 200, answer.text
    return [variant["code"] for variant in answer.json()["variants"]]


def test_a_variant_is_told_with_stocks_and_weeks(alice, shop):
    with all_tenants():
        variant = VariantMetrics.objects.get(code="P1")

    told = alice.http.get(f"/inventory/variants/{variant.pk}").json()

    assert [told[name] for name in ("shop", "code", "amount", "sold7Days", "sold90Days", "risk", "isDeadStock")] == [
        *("Alice's shop", "P1", "4.000", "1.000", "3.000", "low", False),
    ]
    assert [(stock["stock"], stock["amount"]) for stock in told["stocks"]] == [("Brno", "4.000")]
    assert (len(told["weeks"]), sum(Decimal(week["sold"]) for week in told["weeks"])) == (52, 3)


@pytest.mark.parametrize(
    ("query", "found"),
    [("", ["P1", "P2", "P3"]), ("code=P2", ["P2"]), ("risk=unknown", ["P2"]), ("risk=none", ["P3"]), ("shop=x", [])],
)
def test_variants_are_found_by_code_risk_and_shop(alice, shop, query, found):
    assert codes(alice.http.get(f"/inventory/variants?{query}")) == found


def test_variants_come_page_by_page_and_dead_stock_by_itself(alice, shop):
    make_variant(alice.tenant, code="P4", is_dead_stock=True)
    first = alice.http.get("/inventory/variants?limit=3")
    second = alice.http.get(f"/inventory/variants?limit=3&cursor={first.json()['nextCursor']}")

    assert (codes(first), codes(second), second.json()["nextCursor"]) == (["P1", "P2", "P3"], ["P4"], None)
    assert codes(alice.http.get("/inventory/variants?deadStock=true")) == ["P4"]


def test_a_page_takes_as_many_queries_for_three_as_for_one(alice, shop, django_assert_max_num_queries):
    for path in ("/customers?limit=1", "/customers?limit=3", "/inventory/variants?limit=1", "/inventory/variants"):
        with django_assert_max_num_queries(3):  # the token, its use, the page
            assert alice.http.get(path).status_code == 200
    with all_tenants():
        assert CustomerMetrics.objects.count() == 3

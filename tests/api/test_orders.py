"""Orders through the API."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.orders import services
from tests.admin.factories import make_order, make_shop
from tests.api.within import within
from tests.orders.factories import line_facts

pytestmark = pytest.mark.django_db
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def place(db):
    with within() as found:
        yield found


@pytest.fixture
def shop(alice):
    return make_shop(alice.tenant, "Alice's")


def codes(caller, **params):
    answer = caller.http.get("/orders", params=params)
    assert answer.status_code == 200, answer.text
    return [order["code"] for order in answer.json()["orders"]]


def test_an_order_is_shown_with_its_lines_and_exact_amounts(alice, shop):
    order = make_order(shop, "00123", created_at=MARCH, lines=(line_facts(1, code="007"), line_facts(2)))

    shown = alice.http.get(f"/orders/{order.pk}").json()

    assert (shown["code"], shown["shop"], shown["orderedAt"]) == ("00123", "Alice's", "2026-03-01T00:00:00Z")
    assert shown["totalWithVat"] == str(order.total_with_vat)
    assert [line["lineNumber"] for line in shown["lines"]] == [1, 2]
    assert shown["lines"][0]["code"] == "007"
    assert alice.http.get("/orders").json()["orders"][0].items() <= shown.items()


def test_the_newest_come_first_page_by_page_and_each_once(alice, shop):
    for number, days in enumerate([3, 1, 1, 1, 2]):
        make_order(shop, f"A{number}", created_at=MARCH - timedelta(days=days))
    make_order(shop, "timeless", created_at=None)
    make_order(shop, "timeless too", created_at=None)
    pages, cursor = [], {}
    while True:
        page = alice.http.get("/orders", params={"limit": 2, **cursor}).json()
        pages.append([order["code"] for order in page["orders"]])
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}

    assert pages == [["timeless too", "timeless"], ["A3", "A2"], ["A1", "A4"], ["A0"]]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"code": "paid"}, ["paid"]),
        ({"email": " JANA@x.cz"}, ["paid"]),
        ({"email": "nobody"}, []),
        ({"isPaid": "true"}, ["paid"]),
        ({"isCancelled": "true"}, ["cancelled"]),
        ({"statusId": -4}, ["cancelled"]),
        ({"isDeleted": "true"}, ["deleted"]),
        ({"orderedFrom": "2026-03-01T00:00:00Z"}, ["paid"]),
        ({"orderedTo": "2026-03-01T00:00:00Z"}, ["cancelled"]),
        ({"changedFrom": "2026-03-02T00:00:00Z"}, ["cancelled"]),
        ({"changedFrom": "2026-03-02T20:00:00+20:00"}, ["cancelled"]),
        ({"shop": "Alice's"}, ["paid", "cancelled"]),
        ({"shop": "Bob's"}, []),
    ],
)
def test_filters(alice, shop, params, expected):
    day, minute = timedelta(days=1), timedelta(minutes=1)
    make_order(shop, "paid", created_at=MARCH, changed_at=MARCH, is_paid=True, email="jana@x.cz", status_id=-3)
    late = {"changed_at": MARCH + 2 * day, "is_paid": False, "is_cancelled": True, "status_id": -4}
    make_order(shop, "cancelled", created_at=MARCH - day, **late)
    make_order(shop, "deleted", created_at=MARCH, is_paid=True)
    with all_tenants():
        services.mark_deleted(channel_id=shop.channel_id, codes=["deleted"], deleted_at=clock.now() + minute)

    assert codes(alice, **params) == expected


@pytest.mark.parametrize(
    "params",
    [
        {"statusId": "x"},
        {"limit": 101},
        {"cursor": 0},
        {"orderedFrom": "2026-03-01"},
        {"changedFrom": "0001-01-01T00:00:00+20:00"},
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(alice, params):
    assert alice.http.get("/orders", params=params).status_code == 422


def test_a_misspelled_filter_is_refused(alice):
    assert alice.http.get("/orders", params={"e-mail": "x"}).status_code == 422


def test_a_strangers_order_is_not_there_nor_is_its_place(alice, bob, shop):
    hers = make_order(shop, "A1", created_at=MARCH)
    bobs = make_order(make_shop(bob.tenant, "Bob's"), "B1", created_at=MARCH + timedelta(days=1))

    assert bob.http.get(f"/orders/{hers.pk}").status_code == 404
    assert (codes(bob), codes(bob, cursor=hers.pk)) == (["B1"], ["B1"])
    assert (codes(alice), codes(alice, cursor=bobs.pk)) == (["A1"], ["A1"])


def test_an_unchanged_order_is_not_sent_again(alice, shop):
    at = f"/orders/{make_order(shop).pk}"
    tag = alice.http.get(at).headers["ETag"]

    assert alice.http.get(at, headers={"If-None-Match": tag}).status_code == 304


def test_a_list_takes_as_many_queries_for_one_as_for_three(alice, shop):
    make_order(shop, "A0")
    codes(alice)
    taken = []
    for more in ([], ["A1", "A2"]):
        for code in more:
            make_order(shop, code)
        with CaptureQueriesContext(connection) as queries:
            codes(alice)
        taken.append(len([query for query in queries if "orders_" in query["sql"]]))

    assert taken == [1, 1]

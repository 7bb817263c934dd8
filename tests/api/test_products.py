"""Products through the API."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.catalog import services
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from tests.admin.factories import make_product, make_shop
from tests.api.within import within
from tests.catalog.factories import category_facts, variant_facts

pytestmark = pytest.mark.django_db
MARCH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def place(db):
    with within() as found:
        yield found


@pytest.fixture
def shop(alice):
    return make_shop(alice.tenant, "Alice's")


def guids(caller, **params):
    answer = caller.http.get("/catalog/products", params=params)
    assert answer.status_code == 200, answer.text
    return [product["guid"] for product in answer.json()["products"]]


def test_a_product_is_shown_with_variants_categories_and_overlays(alice, shop):
    variants = (variant_facts("00123", price=Decimal("99.90")), variant_facts("B", position=2))
    product = make_product(shop, "p1", category_guids=("c1", "c2"), variants=variants)
    with all_tenants():
        services.replace_categories(storefront_id=product.storefront_id, categories=[category_facts("c1")])
        target = services.open_storefront(tenant_id=alice.tenant.pk, kind="shoptet", name="Target", currency="EUR")
        services.fill_from(target_id=target.pk, master_id=product.storefront_id)

    shown = alice.http.get(f"/catalog/products/{product.pk}").json()

    assert (shown["guid"], shown["shop"], shown["name"]) == ("p1", "Alice's", "Lamp")
    assert [(row["code"], row["price"]) for row in shown["variants"]] == [("00123", "99.90"), ("B", "121.00")]
    assert shown["categories"] == [{"guid": "c1", "name": "Lights"}, {"guid": "c2", "name": ""}]
    assert shown["overlays"] == [{"shop": "Target", "name": "", "price": None, "currency": "EUR", "isVisible": None}]
    assert alice.http.get("/catalog/products").json()["products"][0].items() <= shown.items()


def test_the_list_comes_page_by_page_and_each_once(alice, shop):
    for number in range(5):
        make_product(shop, f"p{number}")
    first = alice.http.get("/catalog/products", params={"limit": 3}).json()

    rest = alice.http.get("/catalog/products", params={"limit": 3, "cursor": first["nextCursor"]}).json()

    assert [row["guid"] for row in first["products"] + rest["products"]] == [f"p{number}" for number in range(5)]
    assert rest["nextCursor"] is None


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"guid": "p1"}, ["p1"]),
        ({"code": "00123"}, ["p1"]),
        ({"code": "123"}, []),
        ({"ean": "859"}, ["p2"]),
        ({"code": "00123", "ean": "859"}, []),
        ({"visibility": "hidden"}, ["p2"]),
        ({"changedFrom": "2026-03-01T00:00:00Z"}, ["p2"]),
        ({"isDeleted": "true"}, ["gone"]),
        ({"shop": "Alice's"}, ["p1", "p2"]),
        ({"shop": "Bob's"}, []),
    ],
)
def test_filters(alice, shop, params, expected):
    make_product(shop, "p1", variants=(variant_facts("00123"),))
    twins = (variant_facts("X", ean="859"), variant_facts("Y", ean="859"))
    make_product(shop, "p2", changed_at=MARCH, visibility="hidden", variants=twins)
    gone = make_product(shop, "gone", variants=(variant_facts("Z"),))
    with all_tenants():
        services.mark_deleted(storefront_id=gone.storefront_id, guids=["gone"], deleted_at=clock.now())

    assert guids(alice, **params) == expected


@pytest.mark.parametrize("params", [{"name": "x"}, {"limit": 101}, {"changedFrom": "yesterday"}])
def test_a_filter_that_makes_no_sense_is_refused(alice, params):
    assert alice.http.get("/catalog/products", params=params).status_code == 422


def test_a_strangers_product_is_not_there(alice, bob, shop):
    hers = make_product(shop, "p1")

    assert bob.http.get(f"/catalog/products/{hers.pk}").status_code == 404
    assert (guids(bob), guids(bob, code="00123")) == ([], [])


def test_an_unchanged_product_is_not_sent_again(alice, shop):
    at = f"/catalog/products/{make_product(shop).pk}"
    tag = alice.http.get(at).headers["ETag"]

    assert alice.http.get(at, headers={"If-None-Match": tag}).status_code == 304


def test_a_list_takes_as_many_queries_for_one_as_for_three(alice, shop):
    make_product(shop, "p0")
    guids(alice)
    taken = []
    for more in ([], ["p1", "p2"]):
        for guid in more:
            make_product(shop, guid)
        with CaptureQueriesContext(connection) as queries:
            guids(alice)
        taken.append(len([query for query in queries if "catalog_" in query["sql"]]))

    assert taken == [1, 1]

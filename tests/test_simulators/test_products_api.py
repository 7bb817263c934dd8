"""GET /api/products, its details, changes and snapshot; GET /api/categories."""

import gzip
import json

import httpx
import pytest

from tests.simulators.shoptet import FaultKind, SimulatedShop

from .field_list import find_violations

pytestmark = pytest.mark.slow

SINCE = {"from": "2026-05-01T00:00:00+0200"}


def data(client: httpx.Client, path: str, **parameters: str) -> dict:
    return client.get(path, params=parameters).raise_for_status().json()["data"]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("products_list", "/api/products"),
        ("product_detail", "/api/products/G-1?include=allCategories"),
        ("products_changes", "/api/products/changes?from=2026-05-01T00:00:00%2B0200"),
        ("categories", "/api/categories"),
    ],
)
def test_an_answer_has_the_fields_of_the_vendors_list(
    shop: SimulatedShop, client: httpx.Client, name: str, path: str
) -> None:
    category = {"guid": shop.products.put_category("Lampy"), "name": "Lampy", "parentGuid": None}
    shop.products.create({"guid": "G-1", "categories": [category]})

    assert find_violations(name, client.get(path).raise_for_status().json()["data"]) == []


def test_categories_of_a_product_come_on_demand(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.products.create({"guid": "G-1"})

    assert "categories" not in data(client, "/api/products/G-1")
    assert data(client, "/api/products/G-1", include="allCategories")["categories"] == []
    assert client.get("/api/products/G-1", params={"include": "items"}).status_code == 400


def test_a_product_that_is_not_there_is_a_404_of_the_api(client: httpx.Client) -> None:
    answer = client.get("/api/products/none")

    assert (answer.status_code, answer.json()["errors"][0]["errorCode"]) == (404, "product-not-found")


def test_the_list_is_cut_by_time_and_into_pages(shop: SimulatedShop, client: httpx.Client) -> None:
    old = shop.products.create()
    shop.advance(60)
    new = shop.products.create()
    at = data(client, f"/api/products/{new}")["changeTime"]

    assert [row["guid"] for row in data(client, "/api/products", changeTimeFrom=at)["products"]] == [new]
    assert [row["guid"] for row in data(client, "/api/products", changeTimeTo=at)["products"]] == sorted(
        [old, new], reverse=True
    )
    paginator = data(client, "/api/products", itemsPerPage="1")["paginator"]
    assert paginator == {"totalCount": 2, "page": 1, "pageCount": 2, "itemsOnPage": 1, "itemsPerPage": 1}


def test_a_move_of_stock_is_no_change_of_the_product(shop: SimulatedShop, client: httpx.Client) -> None:
    guid = shop.products.create()
    before = data(client, f"/api/products/{guid}")
    shop.advance(60)

    shop.products.move_stock(guid, "1.000")

    after = data(client, f"/api/products/{guid}")
    assert (before["changeTime"], after["variants"][0]["stock"]) == (after["changeTime"], "1.000")


def test_the_change_log_tells_edits_and_deletions(shop: SimulatedShop, client: httpx.Client) -> None:
    kept, gone = shop.products.create(), shop.products.create()
    shop.products.delete(gone)

    assert [row["guid"] for row in data(client, "/api/products/changes", **SINCE, changeType="delete")["changes"]] == [
        gone
    ]
    assert [row["guid"] for row in data(client, "/api/products/changes", **SINCE, changeType="edit")["changes"]] == [
        kept
    ]


def test_a_snapshot_has_the_details_of_all(shop: SimulatedShop, client: httpx.Client) -> None:
    guid = shop.products.create()
    client.post("/api/webhooks", json={"data": [{"event": "job:finished", "url": "http://127.0.0.1:9/"}]})

    answer = client.get("/api/products/snapshot", params={"include": "allCategories"})

    assert answer.status_code == 202
    job = data(client, f"/api/system/jobs/{answer.json()['data']['jobId']}")["job"]
    lines = gzip.decompress(httpx.get(job["resultUrl"], trust_env=False).content).splitlines()
    assert [json.loads(line) for line in lines] == [data(client, f"/api/products/{guid}", include="allCategories")]


@pytest.mark.parametrize("kind", [FaultKind.NULLS, FaultKind.UNREADABLE, FaultKind.NUL_CHARACTER])
def test_faults_strike_products_too(shop: SimulatedShop, client: httpx.Client, kind: FaultKind) -> None:
    guid = shop.products.create()
    fault = shop.inject(kind, path=f"/api/products/{guid}")

    spoiled, whole = data(client, f"/api/products/{guid}"), data(client, f"/api/products/{guid}")

    assert (fault.struck, spoiled["guid"], spoiled == whole) == (1, guid, False)

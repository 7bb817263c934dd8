"""GET /api/orders and /api/orders/{code}: envelope, paging, filters, sections on demand."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.simulators.shoptet import Options, SimulatedShop

from .conftest import Connect, OpenShop
from .field_list import find_violations

pytestmark = pytest.mark.slow

Codes = Callable[..., list[str]]


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["errors"][0]
    return answer.status_code, error["errorCode"], error["instance"]


def test_an_answer_comes_in_the_vendors_envelope(client: httpx.Client) -> None:
    answer = client.get("/api/orders")

    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json() == {
        "data": {
            "orders": [],
            "paginator": {"totalCount": 0, "page": 1, "pageCount": 0, "itemsOnPage": 0, "itemsPerPage": 50},
        },
        "errors": None,
        "metadata": {"requestId": answer.headers["x-request-id"]},
    }


def test_the_date_header_tells_the_shops_time(client: httpx.Client) -> None:
    assert client.get("/api/orders").headers["date"] == "Mon, 04 May 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("orders_list", "/api/orders"),
        ("order_detail", "/api/orders/A-1"),
        (
            "order_detail",
            "/api/orders/A-1?include=notes,images,shippingDetails,stockLocation,surchargeParameters,paymentTransactions,productFlags",
        ),
        ("orders_changes", "/api/orders/changes?from=2026-05-01T00:00:00%2B0200"),
        ("order_statuses", "/api/orders/statuses"),
        ("eshop", "/api/eshop"),
        (
            "eshop",
            "/api/eshop?include=orderAdditionalFields,orderStatuses,paymentMethods,shippingMethods,imageCuts,countries,cashDesk",
        ),
    ],
)
def test_an_answer_has_the_fields_of_the_vendors_list(
    shop: SimulatedShop, client: httpx.Client, name: str, path: str
) -> None:
    shop.create_order({"code": "A-1"})

    assert find_violations(name, client.get(path).raise_for_status().json()["data"]) == []


def test_pages_are_cut_from_the_list_with_the_highest_code_first(
    shop: SimulatedShop, client: httpx.Client, codes_of: Codes
) -> None:
    for code in ("1", "2", "3", "4", "5"):
        shop.create_order({"code": code})

    paginator = client.get("/api/orders", params={"page": 3, "itemsPerPage": 2}).json()["data"]["paginator"]

    assert [codes_of(page=page, itemsPerPage=2) for page in (1, 2, 3)] == [["5", "4"], ["3", "2"], ["1"]]
    assert paginator == {"totalCount": 5, "page": 3, "pageCount": 3, "itemsOnPage": 1, "itemsPerPage": 2}


@pytest.mark.parametrize(
    ("list_order", "expected"),
    [
        ("code_ascending", ["1", "2", "3"]),
        ("changed_ascending", ["2", "3", "1"]),
        ("changed_descending", ["1", "3", "2"]),
        ("unsorted", ["3", "1", "2"]),
    ],
)
def test_the_list_can_come_in_another_order(
    open_shop: OpenShop, connect: Connect, list_order: str, expected: list[str]
) -> None:
    shop = open_shop(list_order=list_order)
    for code in ("2", "3", "1"):
        shop.create_order({"code": code})
        shop.advance(1)

    rows = connect(shop).get("/api/orders").json()["data"]["orders"]

    assert [row["code"] for row in rows] == expected


def test_a_page_beyond_the_last_is_empty(client: httpx.Client) -> None:
    answer = client.get("/api/orders", params={"page": 2})

    assert (answer.status_code, answer.json()["data"]["orders"]) == (200, [])


def test_a_page_beyond_the_last_can_be_refused(open_shop: OpenShop, connect: Connect) -> None:
    client = connect(open_shop(options=Options(missing_page_is_404=True)))

    assert client.get("/api/orders").status_code == 200
    assert error_of(client.get("/api/orders", params={"page": 2})) == (404, "page-not-found", "page")


@pytest.mark.parametrize(
    ("query", "code", "instance"),
    [
        ("itemsPerPage=51", "invalid-parameter", "itemsPerPage"),
        ("itemsPerPage=0", "invalid-parameter", "itemsPerPage"),
        ("page=0", "invalid-parameter", "page"),
        ("page=first", "invalid-parameter", "page"),
        ("sort=code", "invalid-parameter", "sort"),
        ("include=notes", "invalid-parameter", "include"),
        ("statusId=", "missing-parameter", "statusId"),
        ("changeTimeFrom=2026-05-04", "invalid-parameter", "changeTimeFrom"),
        ("changeTimeFrom=2026-05-04T12:00:00+0200", "invalid-parameter", "changeTimeFrom"),
        ("orderCodes=" + ",".join(str(code) for code in range(51)), "invalid-parameter", "orderCodes"),
    ],
)
def test_a_parameter_the_vendor_would_refuse_gets_400(
    client: httpx.Client, query: str, code: str, instance: str
) -> None:
    assert error_of(client.get(f"/api/orders?{query}")) == (400, code, instance)


def test_an_unknown_parameter_is_named_as_the_vendor_names_it(client: httpx.Client) -> None:
    errors = client.get("/api/orders?sort=code").json()["errors"]

    assert errors[0]["message"] == "Unsupported query parameters"


FILTERED: list[tuple[dict[str, Any], list[str]]] = [
    ({"creationTimeFrom": "2026-05-02T00:00:00+0200"}, ["C", "B"]),
    ({"creationTimeTo": "2026-05-02T00:00:00+02:00"}, ["B", "A"]),
    ({"changeTimeFrom": "2026-05-03T10:00:00+0000"}, ["C", "B"]),
    ({"changeTimeTo": "2026-05-03T12:00:00+0200"}, ["B", "A"]),
    ({"changeTimeFrom": "2026-05-03T12:00:01+0200", "creationTimeFrom": "2026-05-01T00:00:00+0200"}, ["C"]),
    ({"codeFrom": "B"}, ["C", "B"]),
    ({"codeTo": "B"}, ["B", "A"]),
    ({"statusId": -4}, ["B"]),
    ({"customerGuid": "00000000-0000-0000-0000-000000000001"}, ["C"]),
    ({"email": "Jana@Example.com"}, ["A"]),
    ({"phone": "+420111222333"}, ["B"]),
    ({"productCode": "00123"}, ["C"]),
    ({"sourceId": -7}, ["A"]),
    ({"shippingGuid": "00000000-0000-0000-0000-00000000000a"}, ["A"]),
    ({"shippingCompanyCode": "zasilkovna"}, ["B"]),
    ({"paymentMethodGuid": "00000000-0000-0000-0000-00000000000c"}, ["C"]),
    ({"orderCodes": "A,C,Z", "statusId": -4}, ["C", "A"]),
]


@pytest.mark.parametrize(("parameters", "expected"), FILTERED)
def test_a_filter_lets_through_what_it_names(
    shop: SimulatedShop, codes_of: Codes, parameters: dict[str, Any], expected: list[str]
) -> None:
    make_three_orders(shop)

    assert codes_of(**parameters) == expected


def make_three_orders(shop: SimulatedShop) -> None:
    zeros = "00000000-0000-0000-0000-000000"
    changes: dict[str, dict[str, Any]] = {
        "A": {"email": "jana@example.com", "source": {"id": -7}, "shipping": {"guid": f"{zeros}00000a"}},
        "B": {"status": {"id": -4}, "phone": "+420111222333"},
        "C": {"customerGuid": f"{zeros}000001", "items": [{"code": "00123"}]},
    }
    changes["B"]["shippingDetails"] = {"shippingCompanyCode": "zasilkovna"}
    changes["C"]["paymentMethod"] = {"guid": f"{zeros}00000c"}
    for day, code in enumerate(changes, start=1):
        times = {"creationTime": f"2026-05-{day:02}T00:00:00+0200", "changeTime": f"2026-05-{day + 1:02}T12:00:00+0200"}
        shop.create_order({"code": code, **times, **changes[code]})


def test_change_times_can_exclude_their_own_instant(open_shop: OpenShop, connect: Connect) -> None:
    shop = open_shop(options=Options(exclusive_change_time=True))
    client = connect(shop)
    make_three_orders(shop)
    noon = "2026-05-03T12:00:00+0200"

    def codes(path: str, rows: str, **parameters: str) -> list[str]:
        return [row["code"] for row in client.get(path, params=parameters).json()["data"][rows]]

    assert codes("/api/orders", "orders", changeTimeFrom=noon) == ["C"]
    assert codes("/api/orders", "orders", changeTimeTo=noon) == ["A"]
    assert codes("/api/orders/changes", "changes", **{"from": noon}) == ["C"]
    assert codes("/api/orders", "orders", creationTimeTo="2026-05-02T00:00:00+0200") == ["B", "A"]


def test_a_list_row_is_a_header_without_items(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.create_order({"billingAddress": {"fullName": "Eva Malá"}, "notes": {"customerRemark": "Zvonit"}})

    row = client.get("/api/orders").json()["data"]["orders"][0]

    assert (row["fullName"], row["remark"], "items" in row, "vatMode" in row) == ("Eva Malá", "Zvonit", False, False)


@pytest.mark.parametrize("code", ["2026/0001", "A B", "Žluťoučký", "A%2FB", "A?B", "č.1+2"])
def test_a_detail_is_found_by_its_encoded_code(shop: SimulatedShop, client: httpx.Client, code: str) -> None:
    shop.create_order({"code": code})
    encoded = "".join(f"%{byte:02X}" for byte in code.encode())

    assert client.get(f"/api/orders/{encoded}").json()["data"]["order"]["code"] == code


def test_a_slash_that_is_not_encoded_finds_nothing(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.create_order({"code": "2026/0001"})

    assert error_of(client.get("/api/orders/2026/0001")) == (404, "endpoint-not-found", "unknown")


def test_an_order_the_shop_has_not_gets_404(client: httpx.Client) -> None:
    assert error_of(client.get("/api/orders/2026000099")) == (404, "order-not-found", "2026000099")


def test_the_api_is_read_only(client: httpx.Client) -> None:
    assert error_of(client.delete("/api/orders/2026000099")) == (405, "method-not-allowed", "unknown")


def test_a_detail_has_a_section_only_when_asked(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.create_order({"code": "1", "notes": {"eshopRemark": "Dárek"}})

    bare = client.get("/api/orders/1").json()["data"]["order"]
    full = client.get("/api/orders/1?include=notes,images").json()["data"]["order"]

    assert set(full) - set(bare) == {"notes"}
    assert set(full["items"][0]) - set(bare["items"][0]) == {"mainImage"}
    assert full["notes"]["eshopRemark"] == "Dárek"


def test_a_section_that_does_not_exist_gets_400(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.create_order({"code": "1"})

    assert error_of(client.get("/api/orders/1?include=items")) == (400, "invalid-parameter", "include")


def test_money_and_quantities_are_text(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.create_order({"code": "1"})

    order = client.get("/api/orders/1").json()["data"]["order"]

    assert order["price"] == {
        "withVat": "242.00",
        "withoutVat": "200.00",
        "vat": "42.00",
        "toPay": "242.00",
        "currencyCode": "CZK",
        "exchangeRate": "1.00000000",
        "invoicingExchangeRate": "1.00000000",
    }
    assert [item["amount"] for item in order["items"]] == ["1.000", "1.000", "1.000"]


def test_quantities_can_be_numbers_as_in_the_vendors_examples(open_shop: OpenShop, connect: Connect) -> None:
    shop = open_shop(options=Options(vendor_numbers=True))
    shop.create_order({"code": "1"})

    data = connect(shop).get("/api/orders/1").json()["data"]

    assert data["order"]["items"][0]["amount"] == 1.0
    assert sorted(set(find_violations("order_detail", data))) == [
        "order.completion[].amount is number",
        "order.completion[].amountCompleted is number",
        "order.items[].amount is number",
        "order.items[].amountCompleted is number",
        "order.items[].displayPrices[].vatRate is integer",
        "order.items[].itemPrice.vatRate is integer",
        "order.items[].unitPrice.vatRate is integer",
    ]


def test_the_shop_names_its_statuses(client: httpx.Client) -> None:
    data = client.get("/api/orders/statuses").json()["data"]

    assert data["defaultStatus"] == -1
    assert [(status["id"], status["name"], status["system"]) for status in data["statuses"]] == [
        (-1, "Nevyřízená", True),
        (-2, "Vyřizuje se", True),
        (-3, "Vyřízena", True),
        (-4, "Stornována", True),
        (7, "Předáno dopravci", False),
    ]


def test_the_shop_tells_its_time_zone_and_currencies(client: httpx.Client) -> None:
    data = client.get("/api/eshop").json()["data"]

    assert data["settings"]["timezone"] == "Europe/Prague"
    assert [(row["code"], row["isDefault"], row["exchangeRate"]) for row in data["currencies"]] == [
        ("CZK", True, "1.00000000"),
        ("EUR", False, "0.03980000"),
    ]

"""Each fault, and which calls it strikes."""

import json
import time
from typing import Any

import httpx
import pytest

from tests.simulators.shoptet import SimulatedShop

from .field_list import find_violations

pytestmark = pytest.mark.slow


@pytest.fixture
def order(shop: SimulatedShop) -> str:
    """The path of the only order."""
    return f"/api/orders/{shop.create_order()}"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("expired_token", 401, "expired-token"),
        ("without_rights", 403, "invalid-token-no-rights"),
        ("not_found", 404, "order-not-found"),
        ("locked", 423, "locked"),
        ("too_many_requests", 429, "too-many-requests"),
        ("server_error", 500, "internal-server-error"),
        ("unavailable", 503, "service-unavailable"),
    ],
)
def test_a_refusal_strikes_once_and_then_the_order_is_there(
    shop: SimulatedShop, client: httpx.Client, order: str, kind: str, status: int, code: str
) -> None:
    fault = shop.inject(kind)

    struck, after = client.get(order), client.get(order)

    assert (struck.status_code, struck.json()["errors"][0]["errorCode"]) == (status, code)
    assert (after.status_code, fault.struck) == (200, 1)
    assert [request.fault for request in shop.requests()] == [kind, None]


def test_a_bad_gateway_answers_in_html(shop: SimulatedShop, client: httpx.Client, order: str) -> None:
    shop.inject("bad_gateway")

    answer = client.get(order)

    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")
    assert answer.text.startswith("<html>")


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        ("date", "Mon, 04 May 2026 10:00:30 GMT"),
        ("past_date", "Mon, 04 May 2026 09:59:30 GMT"),
        ("seconds", "30"),
        ("none", None),
    ],
)
def test_a_429_may_say_when_to_come_back(
    shop: SimulatedShop, client: httpx.Client, retry_after: str, expected: str | None
) -> None:
    shop.inject("too_many_requests", retry_after=retry_after, seconds=30)

    assert client.get("/api/eshop").headers.get("retry-after") == expected


def test_a_fault_strikes_the_next_n_calls_of_its_path(shop: SimulatedShop, client: httpx.Client, order: str) -> None:
    shop.inject("server_error", path="/api/orders/2*", times=2)

    statuses = [client.get(path).status_code for path in ("/api/orders", order, "/api/eshop", order, order)]

    assert statuses == [200, 500, 200, 500, 200]


def test_a_fault_strikes_every_kth_call_for_ever(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.inject("unavailable", every=3, times=None)

    assert [client.get("/api/eshop").status_code for _ in range(7)] == [200, 200, 503, 200, 200, 503, 200]


def test_a_fault_can_wait_for_a_parameter(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.inject("expired_token", path="/api/orders", query={"page": "2"})

    assert [client.get("/api/orders", params={"page": page}).status_code for page in (1, 2, 3)] == [200, 401, 200]


def test_faults_can_be_taken_back(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.inject("server_error", times=None)

    shop.clear_faults()

    assert client.get("/api/eshop").status_code == 200


def test_an_unknown_fault_is_refused(shop: SimulatedShop) -> None:
    with pytest.raises(ValueError, match="'thunderstorm' is not a valid FaultKind"):
        shop.inject("thunderstorm")


def test_a_reset_connection_gives_no_answer(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.inject("reset")

    with pytest.raises(httpx.ReadError, match="reset"):
        client.get("/api/eshop")

    assert (shop.requests()[-1].status, client.get("/api/eshop").status_code) == (None, 200)


def test_a_hanging_call_is_answered_late(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.inject("hang", seconds=0.3)
    started = time.monotonic()

    answer = client.get("/api/eshop")

    assert (answer.status_code, time.monotonic() - started >= 0.3) == (200, True)


def test_a_slow_body_comes_in_drips(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.inject("slow_body", seconds=1)
    started = time.monotonic()

    with client.stream("GET", "/api/eshop") as answer:
        headers_after = time.monotonic() - started
        body = answer.read()

    assert (headers_after < 0.5, time.monotonic() - started >= 1) == (True, True)
    assert json.loads(body)["errors"] is None


def test_a_cut_body_breaks_off(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.inject("cut_body")

    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        client.get("/api/eshop")


def test_truncated_json_looks_complete_to_http(shop: SimulatedShop, client: httpx.Client) -> None:
    whole = client.get("/api/eshop").content
    shop.inject("truncated_json")

    answer = client.get("/api/eshop")

    assert (answer.status_code, answer.content) == (200, whole[: len(whole) // 2])


def test_an_answer_can_be_too_big(shop: SimulatedShop, client: httpx.Client) -> None:
    small = len(client.get("/api/eshop").content)
    shop.inject("too_big", size=3_000_000)

    assert len(client.get("/api/eshop").content) == small + 3_000_000 + len(',"padding":""')


def test_a_detail_can_be_of_another_order(shop: SimulatedShop, client: httpx.Client, order: str) -> None:
    other = shop.create_order()
    shop.inject("other_order", times=2)

    answered = [client.get(path).json()["data"]["order"]["code"] for path in (order, f"/api/orders/{other}")]

    assert answered == [other, order.removeprefix("/api/orders/")]


def test_an_order_can_be_null_everywhere(shop: SimulatedShop, client: httpx.Client, order: str) -> None:
    whole = client.get(order).json()["data"]["order"]
    shop.inject("nulls")

    assert client.get(order).json()["data"]["order"] == {**dict.fromkeys(whole), "code": whole["code"]}


def test_an_order_can_be_unreadable(shop: SimulatedShop, client: httpx.Client, order: str) -> None:
    shop.inject("unreadable")

    data = client.get(order).json()["data"]

    assert find_violations("order_detail", data) == ["order.price is string", "order.items is string"]


@pytest.mark.parametrize(
    ("kind", "name", "raw"),
    [
        ("nul_character", "Jan\u0000 Novák", b"Jan\\u0000 Nov"),
        ("line_separator", "Jan\u2028Novák", b"Jan\xe2\x80\xa8Nov"),
    ],
)
def test_a_name_can_hold_what_databases_and_readers_stumble_over(
    shop: SimulatedShop, client: httpx.Client, order: str, kind: str, name: str, raw: bytes
) -> None:
    shop.inject(kind)

    answer = client.get(order)

    assert answer.json()["data"]["order"]["billingAddress"]["fullName"] == name
    assert answer.content.count(raw) == 1


def test_one_order_can_have_amounts_as_numbers(shop: SimulatedShop, client: httpx.Client, order: str) -> None:
    shop.inject("number_amounts")

    amounts = [client.get(order).json()["data"]["order"]["items"][0]["amount"] for _ in range(2)]

    assert amounts == [1.0, "1.000"]


def test_a_damaged_list_shows_it_in_its_first_row(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.create_order({"code": "1"})
    shop.create_order({"code": "2"})
    shop.inject("nulls", path="/api/orders")

    rows = client.get("/api/orders").json()["data"]["orders"]

    assert [(row["code"], row["guid"] is None) for row in rows] == [("2", True), ("1", False)]


def read_list(client: httpx.Client, **parameters: Any) -> tuple[list[list[str]], list[int]]:
    """Read pages of two until the paginator says so; return the codes by page and the totals seen."""
    pages, totals, page, page_count = [], [], 1, 1
    while page <= page_count:
        data = client.get("/api/orders", params={"page": page, "itemsPerPage": 2, **parameters}).json()["data"]
        pages.append([row["code"] for row in data["orders"]])
        totals.append(data["paginator"]["totalCount"])
        page, page_count = page + 1, data["paginator"]["pageCount"]
    return pages, totals


@pytest.fixture
def five_orders(shop: SimulatedShop) -> None:
    for code in ("11", "12", "13", "14", "15"):
        shop.create_order({"code": code})


@pytest.mark.usefixtures("five_orders")
def test_an_insert_between_pages_shows_an_order_twice(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.inject("shift_by_insert")

    pages, totals = read_list(client)

    assert (pages, totals) == ([["15", "14"], ["14", "13"], ["12", "11"]], [5, 6, 6])
    assert [order.code for order in shop.shop.orders()] == ["2026000001", "15", "14", "13", "12", "11"]


@pytest.mark.usefixtures("five_orders")
def test_a_delete_between_pages_hides_an_order(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.edit_order("15", {"status": {"id": -2}})
    shop.inject("shift_by_delete")

    pages, totals = read_list(client, statusId=-1)

    assert (pages, totals) == ([["14", "13"], ["11"]], [4, 3])
    assert [order.code for order in shop.shop.orders()] == ["15", "13", "12", "11"]


@pytest.mark.usefixtures("five_orders")
def test_a_middle_page_can_be_empty(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.inject("empty_page")

    assert read_list(client) == ([["15", "14"], [], ["11"]], [5, 5, 5])


def test_a_list_can_lack_its_paginator(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.inject("no_paginator")

    assert client.get("/api/orders").json()["data"] == {"orders": []}

"""What a change in the shop does to its list, its details and its change log."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.simulators.shoptet import SimulatedShop

pytestmark = pytest.mark.slow

SINCE = "2026-04-01T00:00:00+0200"


@pytest.fixture
def changes_of(client: httpx.Client) -> Callable[..., list[tuple[str, str, str]]]:
    """List GET /api/orders/changes as (code, time, type)."""

    def changes(since: str = SINCE, **parameters: Any) -> list[tuple[str, str, str]]:
        answer = client.get("/api/orders/changes", params={"from": since, **parameters}).raise_for_status()
        return [(row["code"], row["changeTime"], row["changeType"]) for row in answer.json()["data"]["changes"]]

    return changes


Changes = Callable[..., list[tuple[str, str, str]]]


def test_a_new_order_gets_the_next_code_and_the_present(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.create_order()
    code = shop.create_order(total=Decimal("12.10"))

    order = client.get(f"/api/orders/{code}").json()["data"]["order"]

    assert code == "2026000002"
    assert (order["creationTime"], order["changeTime"]) == ("2026-05-04T12:00:00+0200", "2026-05-04T12:00:00+0200")
    assert order["price"]["withVat"] == "12.10"


def test_an_edit_changes_what_it_names_and_the_change_time(shop: SimulatedShop) -> None:
    code = shop.create_order()
    before = shop.shop.body(code)
    shop.advance(60)

    shop.edit_order(code, {"email": None, "price": {"toPay": "0.00"}})

    assert shop.shop.body(code) == {
        **before,
        "changeTime": "2026-05-04T12:01:00+0200",
        "email": None,
        "price": {**before["price"], "toPay": "0.00"},
    }


def test_a_filtered_list_follows_every_change(shop: SimulatedShop, codes_of: Callable[..., list[str]]) -> None:
    for code in ("1", "2", "3"):
        shop.create_order({"code": code})
    seen = [codes_of(statusId=-1)]
    shop.cancel_order("1")
    seen.append(codes_of(statusId=-1))
    shop.delete_order("2")
    seen.append(codes_of(statusId=-1))
    shop.create_order({"code": "4"})

    assert [*seen, codes_of(statusId=-1), codes_of(statusId=-4)] == [
        ["3", "2", "1"],
        ["3", "2"],
        ["3"],
        ["4", "3"],
        ["1"],
    ]


def test_an_edit_can_be_committed_behind_the_cursor(shop: SimulatedShop, changes_of: Changes) -> None:
    code = shop.create_order()

    shop.edit_order(code, {"paid": None}, changed_at=datetime(2026, 5, 1, 8, 0, tzinfo=UTC))

    assert changes_of() == [(code, "2026-05-01T10:00:00+0200", "edit")]


def test_a_cancelled_order_costs_nothing_but_keeps_its_lines(shop: SimulatedShop, client: httpx.Client) -> None:
    code = shop.create_order()

    shop.cancel_order(code)

    order = client.get(f"/api/orders/{code}").json()["data"]["order"]
    assert order["status"] == {"id": -4, "name": "Stornována"}
    assert (order["price"]["withVat"], order["items"][0]["itemPrice"]["withVat"]) == ("0.00", "242.00")


def test_a_deleted_order_is_gone_but_for_the_change_log(
    shop: SimulatedShop, client: httpx.Client, changes_of: Changes
) -> None:
    code = shop.create_order()
    shop.advance(60)

    shop.delete_order(code)

    assert client.get(f"/api/orders/{code}").status_code == 404
    assert client.get("/api/orders").json()["data"]["orders"] == []
    assert changes_of() == [(code, "2026-05-04T12:01:00+0200", "delete")]


def test_the_change_log_names_each_order_once_with_its_last_change(shop: SimulatedShop, changes_of: Changes) -> None:
    for code in ("1", "2", "3"):
        shop.create_order({"code": code})
    shop.advance(60)
    shop.edit_order("1", {"paid": False})
    shop.delete_order("1")
    shop.edit_order("2", {"paid": False})

    assert changes_of() == [
        ("3", "2026-05-04T12:00:00+0200", "edit"),
        ("1", "2026-05-04T12:01:00+0200", "delete"),
        ("2", "2026-05-04T12:01:00+0200", "edit"),
    ]
    assert changes_of(changeType="delete") == [("1", "2026-05-04T12:01:00+0200", "delete")]
    assert changes_of(since="2026-05-04T12:01:00+0200", changeType="edit", itemsPerPage=1, page=1) == [
        ("2", "2026-05-04T12:01:00+0200", "edit")
    ]


def test_a_code_used_again_is_an_order_again(shop: SimulatedShop, changes_of: Changes) -> None:
    shop.create_order({"code": "1"})
    shop.delete_order("1")

    shop.create_order({"code": "1", "guid": "00000000-0000-0000-0000-000000000001"})

    assert changes_of() == [("1", "2026-05-04T12:00:00+0200", "edit")]


def test_the_change_log_forgets_after_30_days(shop: SimulatedShop, changes_of: Changes) -> None:
    shop.create_order({"code": "1"})
    shop.advance(30 * 86_400)
    assert changes_of() == [("1", "2026-05-04T12:00:00+0200", "edit")]

    shop.advance(1)

    assert changes_of() == []


@pytest.mark.parametrize(
    ("query", "instance"), [("", "from"), ("?from=yesterday", "from"), (f"?from={SINCE}&changeType=add", "changeType")]
)
def test_the_change_log_refuses_what_the_vendor_would(client: httpx.Client, query: str, instance: str) -> None:
    answer = client.get("/api/orders/changes" + query.replace("+", "%2B"))

    assert (answer.status_code, answer.json()["errors"][0]["instance"]) == (400, instance)


def test_the_change_log_has_pages_of_up_to_1000(client: httpx.Client) -> None:
    def status(size: int) -> int:
        return client.get("/api/orders/changes", params={"from": SINCE, "itemsPerPage": size}).status_code

    assert (status(1000), status(1001)) == (200, 400)


def test_times_carry_the_offset_of_the_shops_season(shop: SimulatedShop) -> None:
    january, july = datetime(2026, 1, 15, 12, tzinfo=UTC), datetime(2026, 7, 15, 12, tzinfo=UTC)
    for code, instant in (("1", january), ("2", july)):
        shop.create_order({"code": code})
        shop.edit_order(code, {}, changed_at=instant)

    times = [shop.shop.body(code)["changeTime"] for code in ("1", "2")]

    assert times == ["2026-01-15T13:00:00+0100", "2026-07-15T14:00:00+0200"]


def test_a_reset_brings_back_the_shop_as_opened(shop: SimulatedShop, client: httpx.Client) -> None:
    shop.create_order()
    shop.inject("server_error", times=None)
    client.get("/api/eshop")

    shop.reset()

    assert client.get("/api/orders").json()["data"]["orders"] == []
    assert [request.number for request in shop.requests()] == [1]

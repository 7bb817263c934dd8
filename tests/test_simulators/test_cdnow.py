"""The CDNOW purchases as a shop: totals, customers, times."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.simulators.shoptet import Options, SimulatedShop, cdnow
from tests.simulators.shoptet.clock import TIME_ZONE, read_instant

from .conftest import NOON
from .field_list import find_violations

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shop() -> Iterator[SimulatedShop]:
    with open_cdnow() as opened:
        yield opened


@pytest.fixture(scope="module")
def client(shop: SimulatedShop) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shop.url, headers={"Shoptet-Private-API-Token": shop.token}) as connected:
        yield connected


@pytest.fixture(scope="module")
def rows(client: httpx.Client) -> list[dict[str, Any]]:
    """Every row of the list, read page by page through the API."""
    pages = [client.get("/api/orders", params={"page": page}).json()["data"] for page in range(1, 140)]
    return [row for page in pages for row in page["orders"]]


def open_cdnow() -> SimulatedShop:
    return SimulatedShop(
        cdnow.read_orders(), options=Options(bucket_drops=None), now=NOON, currency_code=cdnow.CURRENCY_CODE
    )


def test_the_list_has_every_purchase_once(client: httpx.Client, rows: list[dict[str, Any]]) -> None:
    paginator = client.get("/api/orders", params={"page": 139}).json()["data"]["paginator"]

    assert paginator == {"totalCount": 6919, "page": 139, "pageCount": 139, "itemsOnPage": 19, "itemsPerPage": 50}
    assert (len(rows), len({row["code"] for row in rows}), len({row["guid"] for row in rows})) == (6919, 6919, 6919)


def test_the_purchases_add_up_to_the_cent(rows: list[dict[str, Any]]) -> None:
    assert sum(Decimal(row["price"]["withVat"]) for row in rows) == Decimal("244091.94")
    assert {row["price"]["currencyCode"] for row in rows} == {"USD"}


def test_the_customers_are_told_apart_by_guid_or_cleaned_email(rows: list[dict[str, Any]]) -> None:
    customers = {row["customerGuid"] or row["email"].strip().lower() for row in rows}

    assert len(customers) == 2357


def test_about_a_third_of_the_customers_are_guests(rows: list[dict[str, Any]]) -> None:
    guests = {row["email"].strip().lower() for row in rows if row["customerGuid"] is None}
    registered = {row["email"].strip().lower() for row in rows if row["customerGuid"]}

    assert (len(guests), len(registered), guests & registered) == (814, 1543, set())


def test_some_emails_are_typed_untidily(rows: list[dict[str, Any]]) -> None:
    emails = [row["email"] for row in rows]

    assert sum(email != email.strip() for email in emails) == 884
    assert sum(email != email.lower() for email in emails) == 862


def test_orders_are_created_on_the_local_day_of_their_purchase(rows: list[dict[str, Any]]) -> None:
    days = sorted(read_instant(row["creationTime"]).astimezone(TIME_ZONE).strftime("%Y%m%d") for row in rows)
    lines = cdnow.SAMPLE_PATH.read_text(encoding="ascii").splitlines()

    assert days == sorted(line.split()[2] for line in lines)


@pytest.mark.parametrize("day", [date(1997, 3, 30), date(1997, 10, 26)])
def test_a_day_on_which_the_clocks_change_has_its_own_length(day: date) -> None:
    moments = [cdnow._moment_of(day, code=str(code)).astimezone(TIME_ZONE) for code in range(1000)]

    assert {moment.date() for moment in moments} == {day}
    assert max(moments).hour == 23


def test_codes_rise_by_purchase_date(rows: list[dict[str, Any]]) -> None:
    days = [read_instant(row["creationTime"]).astimezone(TIME_ZONE).date() for row in reversed(rows)]

    assert days == sorted(days)
    assert (rows[-1]["code"], rows[0]["code"][:4]) == ("1997000001", "1998")


def test_orders_were_last_changed_in_the_quarter_before_opening(rows: list[dict[str, Any]]) -> None:
    assert {row["changeTime"][:7] for row in rows} == {"2026-01", "2026-02", "2026-03"}


def test_the_spread_of_changes_moves_with_the_opening() -> None:
    later = timedelta(days=91)
    changed = [order.changed_at for order in cdnow.read_orders() if order.changed_at]

    moved = [order.changed_at for order in cdnow.read_orders(opened_at=cdnow.OPENED_AT + later)]

    assert moved == [instant + later for instant in changed]


def test_a_purchase_is_a_whole_order(client: httpx.Client) -> None:
    data = client.get("/api/orders/1997000001?include=notes").json()["data"]

    order = data["order"]
    assert find_violations("order_detail", data) == []
    assert order["status"] == {"id": -3, "name": "Vyřízena"}
    assert [(item["itemType"], item["amount"], item["itemPrice"]["withVat"]) for item in order["items"]] == [
        ("product", "2.000", "29.33"),
        ("shipping", "1.000", "0.00"),
        ("billing", "1.000", "0.00"),
    ]
    assert order["price"]["withVat"] == "29.33"


def test_every_detail_agrees_with_its_row(shop: SimulatedShop, rows: list[dict[str, Any]]) -> None:
    bodies = shop.shop.bodies()

    assert [find_violations("order_detail", {"order": body}) for body in list(bodies.values())[:200]] == [[]] * 200
    for row in rows:
        body = bodies[row["code"]]
        assert {key: body[key] for key in ("guid", "changeTime", "email", "price")} == {
            key: row[key] for key in ("guid", "changeTime", "email", "price")
        }


def test_the_shop_sells_what_its_orders_are_of():
    with SimulatedShop(list(cdnow.read_orders())[:200], currency_code=cdnow.CURRENCY_CODE) as shop:
        cdnow.fill_shelves(shop.shop)

        sold = {line["productGuid"] for order in shop.shop.orders() for line in order.load()["items"][:1]}
        assert sold <= set(shop.products.bodies())
        assert len(sold) > 20
        assert len(shop.shop.stocks.supplies(1)) > 30

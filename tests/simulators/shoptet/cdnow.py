"""The CDNOW purchases told as Shoptet orders: the same file and options give the same shop, byte for byte."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

from .bodies import Sale, guid
from .clock import TIME_ZONE
from .products import variant_body
from .state import Order, Shop

SAMPLE_PATH = Path(__file__).parents[2] / "data" / "cdnow_sample.txt"
CURRENCY_CODE = "USD"
OPENED_AT = datetime(2026, 3, 31, 21, 59, 59, tzinfo=UTC)  # the last second of March in Prague
CHANGE_SPREAD = timedelta(days=90, hours=-1)  # back to the first second of January; one hour went to summer time

_NAMES = (
    ("Jan", "Petr", "Tomáš", "Jiří", "Zdeněk", "Ondřej", "Řehoř", "Lukáš"),
    ("Novák", "Dvořák", "Černý", "Procházka", "Kučera", "Šťastný", "Říha", "Veselý"),
    ("Jana", "Eva", "Lucie", "Kateřina", "Šárka", "Zuzana", "Žaneta", "Marie"),
    ("Nováková", "Dvořáková", "Černá", "Procházková", "Kučerová", "Šťastná", "Říhová", "Veselá"),
)
SHELVES = {"Jazz": 8, "Rock": 12, "Pop": 12, "Classical": 8}  # CDs of each; the data set names none


@dataclass(frozen=True, slots=True, order=True)
class Purchase:
    bought_on_date: date
    line: int
    customer: str
    pieces: int
    dollars: Decimal


def read_purchases(path: Path) -> list[Purchase]:
    """Return the purchases by date, then line. Takes the sample (five columns) and the full file (four, a header)."""
    lines = path.read_text(encoding="ascii").splitlines()
    return sorted(
        _purchase(line, text.split()) for line, text in enumerate(lines, start=1) if text.split()[0].isdigit()
    )


def read_orders(path: Path = SAMPLE_PATH, *, opened_at: datetime = OPENED_AT) -> Iterator[Order]:
    """Yield one order per purchase, codes rising by date and line; last changed in the quarter before `opened_at`."""
    numbers: Counter[int] = Counter()
    for index, purchase in enumerate(read_purchases(path)):
        year = purchase.bought_on_date.year
        numbers[year] += 1
        yield Order.from_sale(_sale(purchase, code=f"{year}{numbers[year]:06}", index=index, opened_at=opened_at))


def fill_shelves(shop: Shop) -> None:
    """Let a shop sell the CDs that the orders are of, each in its category and most of them in stock."""
    for shelf, count in SHELVES.items():
        category = shop.products.put_category(shelf)
        named = {"guid": category, "name": shelf, "visible": True}
        for number in range(1, count + 1):
            code = f"{shelf.upper()}-{number:02}"
            variant = variant_body(code, currency_code=CURRENCY_CODE, price=f"{9 + number % 8}.90")
            shop.products.create(
                {
                    "guid": guid("product", code),
                    "name": f"{shelf} {number}",
                    "variants": [variant],
                    "defaultCategory": named,
                    "categories": [named],
                }
            )
            if pieces := _draw("stock", code) % 40:
                shop.stocks.move(code, str(pieces))


def is_guest(customer: str) -> bool:
    """Tell whether a customer never registered: about a third; the shop knows their e-mail alone."""
    return _draw("guest", customer) % 3 == 0


def _purchase(line: int, columns: list[str]) -> Purchase:
    # The first column is the customer's number in the full data set: the same person in both files.
    customer, (bought, pieces, dollars) = columns[0], columns[-3:]
    return Purchase(
        date(int(bought[:4]), int(bought[4:6]), int(bought[6:])), line, customer, int(pieces), Decimal(dollars)
    )


def _sale(purchase: Purchase, *, code: str, index: int, opened_at: datetime) -> Sale:
    customer = purchase.customer
    return Sale(
        code=code,
        created_at=_moment_of(purchase.bought_on_date, code=code),
        changed_at=opened_at - timedelta(seconds=_draw("changed", code) % int(CHANGE_SPREAD.total_seconds())),
        email=_email(customer, code),
        full_name=_full_name(customer),
        total=purchase.dollars,
        first_item_id=10 * (index + 1),
        customer_guid=None if is_guest(customer) else guid("customer", customer),
        pieces=Decimal(purchase.pieces),
        product=_cd(code),
        currency_code=CURRENCY_CODE,
    )


def _draw(*parts: str) -> int:
    """Return a number that looks random and is the same in every run."""
    return int.from_bytes(hashlib.blake2b(":".join(parts).encode(), digest_size=8).digest(), "big")


def _cd(order_code: str) -> str:
    """Return which CD an order is of."""
    codes = [f"{shelf.upper()}-{number:02}" for shelf, count in SHELVES.items() for number in range(1, count + 1)]
    return codes[min(_draw("cd", order_code) % len(codes), _draw("taste", order_code) % len(codes))]


def _moment_of(day: date, *, code: str) -> datetime:
    """Return an instant of the local `day`, whose length is 23 or 25 hours when the clocks change."""
    start, end = (
        datetime.combine(midnight, time(), TIME_ZONE).astimezone(UTC) for midnight in (day, day + timedelta(days=1))
    )
    return start + timedelta(seconds=_draw("created", code) % int((end - start).total_seconds()))


def _email(customer: str, code: str) -> str:
    """Return the customer's address as typed for this order: one in eight capitalized, one in eight with spaces."""
    email = f"customer{customer}@example.com"
    return {0: email.replace("c", "C", 1).replace("e.com", "e.COM"), 1: f" {email} "}.get(
        _draw("email", code) % 8, email
    )


def _full_name(customer: str) -> str:
    draw = _draw("name", customer)
    first, last = _NAMES[:2] if draw % 2 else _NAMES[2:]
    return f"{first[draw // 2 % len(first)]} {last[draw // 64 % len(last)]}"

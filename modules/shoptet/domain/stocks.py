"""What is in stock, and what moved there."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from modules.inventory.domain import LevelFacts
from modules.shoptet.domain.reader import Reader, clean


@dataclass(frozen=True, slots=True)
class Movement:
    """What a variant had in a stock after a movement there; `amount` None where nobody counts."""

    id: int
    code: str
    amount: Decimal | None


def read_stock_ids(data: Any) -> list[int]:
    """Return the numbers of the stocks in GET /api/stocks; raises UnreadableOrder."""
    stocks = Reader(clean(data), "data").parts("stocks")
    return [stock.required_number("id") for stock in stocks]


def read_movement(row: Any) -> Movement:
    """Return a row of GET /api/stocks/{id}/movements; raises UnreadableOrder."""
    movement = Reader(clean(row))
    amount = movement.decimal("actualAmount", places=3)
    return Movement(movement.required_number("id"), movement.required_key("productCode"), amount)


def read_supply(row: Any, *, stock: str) -> LevelFacts | None:
    """Return a row of GET /api/stocks/{id}/supplies, None where nobody counts; raises UnreadableOrder."""
    supply = Reader(clean(row))
    code, amount = supply.required_key("code"), supply.decimal("amount", places=3)
    reserved = supply.decimal("claim", places=3) or Decimal(0)
    if amount is None:
        return None
    return LevelFacts(code=code, amount=amount, reserved=reserved, stock=stock, location=supply.text("location"))


def read_last_id(data: Any) -> int:
    """Return `lastId` of GET /api/stocks/{id}/movements/last, 0 before the first; raises UnreadableOrder."""
    return Reader(clean(data), "data").number("lastId") or 0

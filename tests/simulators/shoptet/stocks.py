"""What the simulated shop has in its stocks, and every movement there."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from .answers import ApiError, Json
from .bodies import guid
from .clock import ShopClock, write_instant

_PLACES = Decimal("0.001")


class Stocks:
    """The stocks of one shop, by number; `titles` may be changed, too."""

    def __init__(self, clock: ShopClock) -> None:
        self._clock = clock
        self.announce: Callable[[str, str], None] = lambda _event, _instance: None
        self.reset()

    def reset(self) -> None:
        self.titles: dict[int, str] = {1: "Hlavní sklad"}
        self.is_newest_first = False  # the vendor says nothing of the order
        self._supplies: dict[tuple[int, str], Json] = {}
        self._movements: dict[int, list[Json]] = {}
        self._last_id = 100

    def move(self, code: str, change: str, *, stock_id: int = 1) -> None:
        """Take in, or out, so many pieces of a variant."""
        supply = self._supply(stock_id, code)
        amount = Decimal(supply["amount"] or 0) + Decimal(change)
        supply["amount"] = str(amount.quantize(_PLACES))
        self._last_id += 1
        self._movements.setdefault(stock_id, []).append(
            _movement(self._last_id, code=code, amount=supply["amount"], change=change, at=self._clock.now())
        )
        self.announce("stock:movement", str(stock_id))

    def tell(self, code: str, *, stock_id: int = 1, **fields: object) -> None:
        """Change what the shop says of a variant in a stock, without a movement."""
        self._supply(stock_id, code).update(fields)

    def forget(self, code: str, *, stock_id: int = 1) -> None:
        del self._supplies[stock_id, code]

    def listed(self) -> Json:
        rows = [_stock(stock_id, title) for stock_id, title in self.titles.items()]
        return {"stocks": rows, "defaultStockId": min(self.titles, default=1)}

    def supplies(self, stock_id: int) -> list[Json]:
        self._check(stock_id)
        return [dict(supply) for (stock, _code), supply in sorted(self._supplies.items()) if stock == stock_id]

    def movements(self, stock_id: int, *, after: int) -> list[Json]:
        self._check(stock_id)
        rows = [row for row in self._movements.get(stock_id, []) if row["id"] > after]
        return rows[::-1] if self.is_newest_first else rows

    def last_movement(self, stock_id: int) -> Json:
        rows = self.movements(stock_id, after=0)
        if not rows:
            raise ApiError(404, "movement-not-found", "There was no movement.", instance=str(stock_id))
        newest = max(rows, key=lambda row: int(row["id"]))
        return {"lastId": newest["id"], "lastChangeTime": newest["changeTime"]}

    def _check(self, stock_id: int) -> None:
        if stock_id not in self.titles:
            raise ApiError(404, "stock-not-found", f"Stock {stock_id} not found.", instance=str(stock_id))

    def _supply(self, stock_id: int, code: str) -> Json:
        plain = {"productGuid": guid("product", code), "code": code, "amount": "0.000", "claim": "0.000"}
        return self._supplies.setdefault((stock_id, code), {**plain, "location": None})


def _stock(stock_id: int, title: str) -> Json:
    return {
        "id": stock_id,
        "title": title,
        "isDeliveryPoint": False,
        "visibleOnEshop": True,
        "deliveryPointTitle": None,
        "deliveryPointAddress": None,
    }


def _movement(number: int, *, code: str, amount: str, change: str, at: datetime) -> Json:
    return {
        "id": number,
        "productCode": code,
        "actualAmount": amount,
        "amountChange": str(Decimal(change).quantize(_PLACES)),
        "changedBy": "admin",
        "changeTime": write_instant(at),
    }

"""What customers are likely to spend in the next year; recalculated figures are predicted anew, the rest is kept."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from modules.customers import selectors
from modules.customers.domain import History, PurchaseModel, ValueModel, fit_purchases, fit_values
from modules.customers.models import Yardstick

WEEKS = 52.0
SAMPLE = 5_000  # customers that a model is fitted to; more only take longer
MAX_ORDERS = Decimal("99999.99")
MAX_VALUE = Decimal(10) ** 13

_STORE = """
UPDATE customers_customermetrics stored
SET predicted_orders = found.orders, predicted_clv = found.value, alive_chance = found.alive, is_predicted = TRUE
FROM unnest(%s::bigint[], %s::timestamptz[], %s::numeric[], %s::numeric[], %s::numeric[])
    AS found (id, recalculated_at, orders, value, alive)
WHERE stored.id = found.id AND stored.recalculated_at = found.recalculated_at
"""


def fit_models(*, tenant_id: int, now: datetime) -> int:
    """Fit the models to a tenant's customers by currency; return how many currencies have one of purchases.

    Takes seconds of computing; the figures of one currency are read before and written after, in no transaction.
    """
    fitted = 0
    for yard in Yardstick.objects.filter(tenant_id=tenant_id).exclude(currency="").order_by("currency"):
        rows = selectors.histories(tenant_id=tenant_id, currency=yard.currency, limit=SAMPLE)
        histories = [history_of(row, now=now) for row in rows]
        found = {"purchases": fit_purchases(histories), "values": fit_values(histories)}
        parameters = {name: asdict(model) for name, model in found.items() if model}
        Yardstick.objects.filter(id=yard.pk).update(parameters=parameters)
        fitted += "purchases" in parameters
    return fitted


def forget_predictions(*, tenant_id: int) -> int:
    """Let all of a tenant's customers be predicted anew; return how many there are."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE customers_customermetrics SET is_predicted = FALSE WHERE tenant_id = %s AND is_predicted",
            [tenant_id],
        )
        return int(cursor.rowcount)


def predict_next(*, tenant_id: int, limit: int, now: datetime) -> int:
    """Predict at most `limit` customers whose figures changed since; return how many. Two queries and one write.

    A customer without a model is predicted as unknown. Who is recalculated meanwhile is predicted again.
    """
    with transaction.atomic():
        models = _models(tenant_id)
        rows = selectors.unpredicted(tenant_id=tenant_id, limit=limit)
        found = [_predict(row, models.get(row.currency, (None, None)), now=now) for row in rows]
        columns = [list(column) for column in zip(*found, strict=True)] or [[], [], []]
        with connection.cursor() as cursor:
            cursor.execute(_STORE, [[row.id for row in rows], [row.recalculated_at for row in rows], *columns])
    return len(rows)


Models = tuple[PurchaseModel | None, ValueModel | None]


def _models(tenant_id: int) -> dict[str, Models]:
    rows = Yardstick.objects.filter(tenant_id=tenant_id).values_list("currency", "parameters")
    return {
        currency: (
            PurchaseModel(**found["purchases"]) if "purchases" in found else None,
            ValueModel(**found["values"]) if "values" in found else None,
        )
        for currency, found in rows
    }


def _predict(row: "selectors.Purchases", models: Models, *, now: datetime) -> Sequence[Decimal | None]:
    """Return the orders and their value in a year, and the chance that the customer is not lost.

    Of who bought once, the model holds that nobody is lost, however long ago; that is no answer to show.
    """
    purchases, values = models
    if purchases is None or row.first_at is None:
        return None, None, None
    history = history_of(row, now=now)
    orders = _decimal(purchases.expected_purchases(history, weeks=WEEKS), most=MAX_ORDERS)
    value = _decimal(float(orders) * values.expected_value(history), most=MAX_VALUE) if values else None
    alive = _decimal(purchases.chance_alive(history), places=4) if history.repeats else None
    return orders, value, alive


def history_of(row: "selectors.Purchases", *, now: datetime) -> History:
    """Return what the models see of a customer who has bought."""
    if row.first_at is None or row.last_at is None:
        raise ValueError("A customer without a purchase has no history.")
    week = timedelta(weeks=1)
    mean = float(row.repeat_value) if row.repeat_value is not None else None
    age = max(now - row.first_at, row.last_at - row.first_at)  # an order of tomorrow, by a shop's clock
    return History(row.frequency, round((row.last_at - row.first_at) / week, 2), round(age / week, 2), mean)


def _decimal(value: Any, *, places: int = 2, most: Decimal | None = None) -> Decimal:
    found = Decimal(str(round(value, places)))
    return min(found, most) if most is not None else found

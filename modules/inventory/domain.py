"""How long stock lasts. Pure: no Django, no clock, no network."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

SOLD_TYPES = ("product", "bazar", "gift", "product-set", "product-set-item")
"""Lines that take something off a shelf; shipping, discounts, deposits and services do not."""

PACE_DAYS = 90  # what the velocity is taken from: long enough for a quiet week, short enough for a season
SHORTEST_DAYS = 7  # ... of a variant that is new: one day's sales are no pace
LEAD_DAYS = 14  # until an order to a supplier arrives; what lasts no longer is too late to order
DEAD_DAYS = 180  # without a sale, stock is money that sleeps


class Risk(StrEnum):
    """How likely a variant is to be missing, worst first."""

    OUT = "out"  # sells, and there is none
    HIGH = "high"  # gone before an order to the supplier arrives
    MEDIUM = "medium"  # to be ordered now
    LOW = "low"
    NONE = "none"  # does not sell
    UNKNOWN = "unknown"  # nobody told how many there are


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelFacts:
    """How many of a variant are in one stock; `reserved` of them belong to orders already.

    `stock` is the source's own name or number of the stock, "" for the only one.
    """

    code: str
    amount: Decimal
    reserved: Decimal = Decimal(0)
    stock: str = ""
    location: str = ""

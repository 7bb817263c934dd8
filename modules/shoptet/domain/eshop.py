"""What a shop says of itself."""

from dataclasses import dataclass
from typing import Any

from modules.orders.domain import StatusFacts
from modules.shoptet.domain.reader import Reader, clean


@dataclass(frozen=True, slots=True, kw_only=True)
class EshopFacts:
    """What a shop says about itself. `currency` is its default one, `timezone` an IANA name; either may be ""."""

    eshop_id: int | None
    name: str
    currency: str
    timezone: str
    statuses: tuple[StatusFacts, ...]


def read_eshop(data: Any) -> EshopFacts:
    """Return what GET /api/eshop?include=orderStatuses says; raises UnreadableOrder."""
    eshop = Reader(clean(data), "data")
    contact, settings = eshop.part("contactInformation"), eshop.part("settings")
    defaults = [currency.text("code") for currency in eshop.parts("currencies") if currency.flag("isDefault")]
    statuses = eshop.part("orderStatuses").parts("statuses")
    return EshopFacts(
        eshop_id=contact.number("eshopId"),
        name=contact.text("eshopName"),
        currency=defaults[0].strip().upper()[:3] if defaults else "",
        timezone=settings.text("timezone"),
        statuses=tuple(_read_status(status) for status in statuses),
    )


def read_statuses(data: Any) -> tuple[StatusFacts, ...]:
    """Return what GET /api/orders/statuses says; raises UnreadableOrder."""
    reader = Reader(clean(data), "data")
    statuses = tuple(_read_status(status) for status in reader.parts("statuses"))
    if not statuses:
        raise reader.unreadable("statuses", "is empty")  # every shop has the system's own
    return statuses


def _read_status(status: Reader) -> StatusFacts:
    return StatusFacts(
        status_id=status.required_number("id"),
        name=status.text("name"),
        position=status.number("order") or 0,
        marks_paid=bool(status.flag("markAsPaid")),
    )

"""Customers: rows of lists, and the detail."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modules.customers.domain import ProfileFacts
from modules.orders.domain import UnreadableOrder
from modules.shoptet.domain.reader import Reader, clean


@dataclass(frozen=True, slots=True)
class ListedCustomer:
    """A row of the customer list or of the log of their changes."""

    guid: str
    changed_at: datetime | None
    is_deleted: bool


def read_listed_customer(row: Any) -> ListedCustomer:
    """Return a row of GET /api/customers or /api/customers/changes; raises UnreadableOrder when it has no GUID."""
    customer = Reader(clean(row))
    guid = _read_guid(customer)
    try:
        return ListedCustomer(guid, customer.time("changeTime"), customer.text("changeType") == "delete")
    except UnreadableOrder:
        return ListedCustomer(guid, None, is_deleted=False)


def read_customer(record: Any) -> ProfileFacts:
    """Return the facts of `data.customer`; raises UnreadableOrder. E-mails are those of its accounts."""
    customer = Reader(clean(record))
    accounts = sorted(customer.parts("accounts"), key=lambda account: not account.flag("mainAccount"))
    address = customer.part("billingAddress")
    main = accounts[0] if accounts else Reader(None)
    return ProfileFacts(
        guid=_read_guid(customer),
        emails=tuple(email for account in accounts if (email := account.text("email").strip())),
        full_name=address.text("fullName") or main.text("fullName"),
        phone=main.text("phone"),
        company=address.text("company"),
        city=address.text("city"),
        country_code=address.text("countryCode"),
        group_name=customer.part("customerGroup").text("name"),
        changed_at=customer.time("changeTime"),
    )


def _read_guid(customer: Reader) -> str:
    guid = customer.key("guid").strip()
    if not guid:
        raise customer.unreadable("guid", "is empty")
    return guid

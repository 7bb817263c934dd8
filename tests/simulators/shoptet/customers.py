"""The registered customers of the simulated shop, and its log of their changes."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .answers import ApiError, Json
from .bodies import Body, guid
from .clock import ShopClock, write_instant

LIST_KEYS = ("guid", "creationTime", "changeTime", "billCompany", "billFullName", "adminUrl")


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer; `load` returns a fresh body each time."""

    text: str

    def load(self) -> Body:
        body: Body = json.loads(self.text)
        return body


class Customers:
    """The customers of one shop by GUID; read and changed from any thread, under the shop's lock or without."""

    def __init__(self, clock: ShopClock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        self._bodies: dict[str, Body] = {}
        self._changes: dict[str, tuple[datetime, str]] = {}

    def create(self, *emails: str, name: str = "Jana Nová", **fields: Any) -> str:
        """Add a customer with an account for each e-mail, the first the main one; return the GUID."""
        number = len(self._changes) + 1
        key = guid("customer", str(number))
        self._put({**_plain(key, emails, name=name, created_at=self._clock.now()), **fields})
        return key

    def edit(self, key: str, **fields: Any) -> None:
        self._put({**self._bodies[key], **fields})

    def delete(self, key: str) -> None:
        del self._bodies[key]
        self._changes[key] = (self._clock.now(), "delete")

    def all(self) -> list[Customer]:
        return [Customer(json.dumps(body)) for _key, body in sorted(self._bodies.items())]

    def rows(self) -> list[Json]:
        return [_row(customer.load()) for customer in self.all()]

    def detail(self, key: str) -> Body:
        """Return a customer's body. Raises ApiError 404."""
        if key not in self._bodies:
            raise ApiError(404, "customer-not-found", f'Customer with guid "{key}" not found.', instance=key)
        return Customer(json.dumps(self._bodies[key])).load()

    def changes(self, since: datetime) -> list[Json]:
        told = sorted((at, key, kind) for key, (at, kind) in self._changes.items() if at >= since)
        return [{"guid": key, "changeTime": write_instant(at), "changeType": kind} for at, key, kind in told]

    def _put(self, body: Body) -> None:
        now = self._clock.now()
        self._bodies[body["guid"]] = {**body, "changeTime": write_instant(now)}
        self._changes[body["guid"]] = (now, "edit")


def _row(body: Body) -> Json:
    address = body.get("billingAddress") or {}
    known = {**body, "billCompany": address.get("company"), "billFullName": address.get("fullName")}
    return {key: known.get(key) for key in LIST_KEYS}


def _plain(key: str, emails: tuple[str, ...], *, name: str, created_at: datetime) -> Body:
    return {
        "guid": key,
        "billingAddress": {"company": None, "fullName": name, "city": "Praha 1", "countryCode": "CZ"},
        "deliveryAddress": [],
        "creationTime": write_instant(created_at),
        "customerGroup": {"id": 1, "name": "VIP"},
        "priceList": None,
        "remark": None,
        "priceRatio": "1.0000",
        "birthDate": None,
        "accounts": [_account(email, name=name, is_main=place == 0) for place, email in enumerate(emails)],
        "disabledOrders": False,
        "remarks": [],
        "adminUrl": "https://simulated-shop.example/admin/zakaznici-detail?id=16",
    }


def _account(email: str, *, name: str, is_main: bool) -> Json:
    return {
        "guid": guid("account", email),
        "fullName": name,
        "email": email,
        "phone": "+420777888999",
        "mainAccount": is_main,
        "authorized": True,
        "emailVerified": True,
    }

"""Webhooks: who is told of which event, signed as the vendor signs; sent when somebody says `deliver`."""

import hashlib
import hmac
import json
import threading
from collections import deque
from dataclasses import dataclass

import httpx

from .answers import ApiError, Json
from .bodies import guid
from .clock import ShopClock, write_instant
from .eshop import ESHOP_ID

MAX_AT_ONCE = 50
MAX_ATTEMPTS = 3
TIMEOUT_SECONDS = 4  # source: the vendor's documentation of webhooks
SIGNATURE_HEADER = "Shoptet-Webhook-Signature"


@dataclass(slots=True)
class Delivery:
    """One event on its way; `body` is signed and sent byte for byte."""

    event: str
    url: str
    body: bytes
    attempts: int = 0
    status: int | None = None


class Webhooks:
    """Registrations of one shop and the events that wait to be sent; used from any thread."""

    def __init__(self, clock: ShopClock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self.key = ""
        self.outbox: deque[Delivery] = deque()
        self.sent: list[Delivery] = []
        self._registered: dict[int, Json] = {}
        self._keys = 0

    def rows(self) -> list[Json]:
        return list(self._registered.values())

    def find(self, number: int) -> Json:
        if number not in self._registered:
            raise ApiError(404, "webhook-not-found", f'Webhook "{number}" not found.', instance=str(number))
        return self._registered[number]

    def has(self, event: str) -> bool:
        return any(row["event"] == event for row in self.rows())

    def register(self, wanted: list[Json]) -> list[Json]:
        """Add registrations. Raises ApiError 422 when one event has its URL already."""
        if not 1 <= len(wanted) <= MAX_AT_ONCE:
            raise ApiError(413, "too-many-entities", "Too many entities.")
        if taken := [row["event"] for row in wanted if self.has(row["event"])]:
            raise ApiError(422, "invalid-request-data", "Webhook already exists for this event", instance=taken[0])
        return [self._add(row["event"], row["url"]) for row in wanted]

    def change(self, number: int, values: Json) -> Json:
        row = self.find(number)
        row.update({name: values[name] for name in ("event", "url") if name in values})
        return row

    def remove(self, number: int) -> None:
        self.find(number)
        del self._registered[number]

    def renew_key(self) -> str:
        """Return a new key; every call makes another one."""
        self._keys += 1
        self.key = guid("signature key", str(self._keys)).replace("-", "")
        return self.key

    def announce(self, event: str, instance: str) -> None:
        """Put an event into the outbox of whoever registered for it."""
        with self._lock:
            for row in self.rows():
                if row["event"] == event:
                    self.outbox.append(Delivery(event, row["url"], self.body(event, instance)))

    def body(self, event: str, instance: str) -> bytes:
        created = write_instant(self._clock.now())
        content = {"eshopId": ESHOP_ID, "event": event, "eventCreated": created, "eventInstance": instance}
        return json.dumps(content).replace("/", r"\/").encode()  # as PHP escapes

    def sign(self, body: bytes) -> str:
        return hmac.new(self.key.encode(), body, hashlib.sha1).hexdigest()

    def deliver(self) -> list[Delivery]:
        """Send what waits, the oldest first; what fails waits again, three attempts in all."""
        with self._lock:
            waiting, self.outbox = list(self.outbox), deque()
        if not waiting:
            return []
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as http:
            for delivery in waiting:
                self._send(http, delivery)
        self.sent += waiting
        self.outbox.extend(item for item in waiting if item.status != 200 and item.attempts < MAX_ATTEMPTS)
        return waiting

    def _send(self, http: httpx.Client, delivery: Delivery) -> None:
        headers = {SIGNATURE_HEADER: self.sign(delivery.body), "Content-Type": "application/json"}
        delivery.attempts += 1
        try:
            delivery.status = http.post(delivery.url, content=delivery.body, headers=headers).status_code
        except httpx.HTTPError:
            delivery.status = None

    def _add(self, event: str, url: str) -> Json:
        number = 10_201 + len(self._registered)
        now = write_instant(self._clock.now())
        self._registered[number] = {"id": number, "event": event, "url": url, "created": now, "updated": None}
        return self._registered[number]

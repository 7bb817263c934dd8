"""What a shop tells by itself, and the proof that it was the shop."""

import hashlib
import hmac
import json
from dataclasses import dataclass

from modules.orders.domain import UnreadableOrder
from modules.shoptet.domain.reader import Reader, clean

MAX_CODE_LENGTH = 512


@dataclass(frozen=True, slots=True)
class WebhookFacts:
    """One event as the shop tells it. `created` is its time as text: with the rest it identifies the event."""

    eshop_id: int | None
    event: str
    instance: str
    created: str

    @property
    def codes(self) -> list[str]:
        """Return the codes of the records it is about: one, or for a mass event the list inside `instance`."""
        if not self.instance.startswith("["):
            return [self.instance]
        try:
            listed = json.loads(self.instance)
        except (ValueError, RecursionError):
            return []
        return [code for code in listed if isinstance(code, str)]


def read_webhook(body: bytes) -> WebhookFacts:
    """Return the event in a webhook's body; raises UnreadableOrder for what is none."""
    try:
        event = Reader(clean(json.loads(body)), "")
    except (ValueError, RecursionError):
        raise UnreadableOrder("body", "is not JSON") from None
    facts = WebhookFacts(
        event.number("eshopId"), event.key("event"), event.text("eventInstance"), event.key("eventCreated")
    )
    if not facts.event or not facts.instance:
        raise event.unreadable("event", "is missing")
    return facts


def is_install_code(text: str) -> bool:
    """Return whether a text may be the code of an installation: the vendor's have 255 characters."""
    return 0 < len(text) <= MAX_CODE_LENGTH and text.isascii() and text.isprintable() and " " not in text


def webhook_signature(body: bytes, key: str) -> str:
    """Return what the shop writes into `Shoptet-Webhook-Signature`: HMAC-SHA1 of the raw body, lower-case hex."""
    return hmac.new(key.encode(), body, hashlib.sha1).hexdigest()


def is_signed(body: bytes, *, signature: str, keys: tuple[str, ...]) -> bool:
    """Return whether `signature` is that of one of `keys`, in a time that tells nothing of it."""
    given = signature.encode("latin-1", "replace")
    proofs = [hmac.compare_digest(webhook_signature(body, key).encode(), given) for key in keys if key]
    return any(proofs)

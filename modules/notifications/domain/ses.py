"""What Amazon SES tells of a mail: both of its forms, whatever order and company they come in.

Source: https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html (of identities) and
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html (of configuration sets).
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Any
from uuid import UUID

HEADER = "X-Backroom-Mail"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MAX_DETAIL = 500


@dataclass(frozen=True)
class Fate:
    """What became of one recipient: a state of `Recipient`, or "" for news that change none.

    suppression: why the address is to be mailed no more ("bounce", "complaint"), or "".
    """

    address: str
    state: str
    detail: str = ""
    suppression: str = ""


@dataclass(frozen=True)
class SesEvent:
    """One event. `mail_id` is our own number of the mail, None where the event does not carry it."""

    kind: str
    provider_id: str
    mail_id: UUID | None
    destination: list[str]
    fates: list[Fate] = field(default_factory=list)
    failure: str = ""
    """Why SES did not send the whole mail; empty for all other events."""

    @property
    def proves_sending(self) -> bool:
        """Return whether SES took the mail, so that one of which this was uncertain has gone out."""
        return self.kind in {"Send", "Delivery", "Bounce", "Complaint", "DeliveryDelay"}


def read_event(text: str) -> SesEvent | None:
    """Return the event that a message of SNS holds, or None when it is none (SES says hello in plain text)."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or not isinstance(told.get("mail"), dict):
        return None
    kind = str(told.get("eventType") or told.get("notificationType") or "")
    mail = told["mail"]
    destination = [_address(each) for each in _list(mail.get("destination"))]
    fates = _READERS[kind](told, destination) if kind in _READERS else []
    return SesEvent(
        kind, str(mail.get("messageId") or "")[:200], _own_number(mail), destination, fates, _failure(kind, told)
    )


def _own_number(mail: dict[str, Any]) -> UUID | None:
    """Return our number of the mail from the header that we gave it, else from its Message-ID, which holds it, too."""
    headers = {
        str(h.get("name", "")).lower(): h.get("value") for h in _list(mail.get("headers")) if isinstance(h, dict)
    }
    common = mail.get("commonHeaders")
    named = [headers.get(HEADER.lower()), headers.get("message-id")]
    named.append(common.get("messageId") if isinstance(common, dict) else None)
    found = [match for text in named if isinstance(text, str) and (match := _UUID.search(text.lower()))]
    return UUID(found[0][0]) if found else None


def _bounce(told: dict[str, Any], _destination: list[str]) -> list[Fate]:
    """Each recipient by itself: in a permanent bounce, one may only be delayed (status 4.x)."""
    bounce = _dict(told.get("bounce"))
    is_permanent = bounce.get("bounceType") == "Permanent"
    return [_bounced(each, bounce, is_permanent=is_permanent) for each in _dicts(bounce.get("bouncedRecipients"))]


def _bounced(recipient: dict[str, Any], bounce: dict[str, Any], *, is_permanent: bool) -> Fate:
    status = str(recipient.get("status") or "")
    is_final = is_permanent and (not status or status.startswith("5"))
    words = [bounce.get("bounceType"), bounce.get("bounceSubType"), status, recipient.get("diagnosticCode")]
    return Fate(
        _address(recipient.get("emailAddress")),
        "bounced" if is_final else "",
        _detail(words),
        "bounce" if is_final else "",
    )


def _complaint(told: dict[str, Any], _destination: list[str]) -> list[Fate]:
    complaint = _dict(told.get("complaint"))
    type_ = complaint.get("complaintFeedbackType")
    is_praise = type_ == "not-spam"  # somebody took the mail out of the spam folder
    detail = _detail([type_, complaint.get("complaintSubType")])
    return [
        Fate(_address(each.get("emailAddress")), *(("", detail) if is_praise else ("complained", detail, "complaint")))
        for each in _dicts(complaint.get("complainedRecipients"))
    ]


def _delivery(told: dict[str, Any], _destination: list[str]) -> list[Fate]:
    delivery = _dict(told.get("delivery"))
    detail = _detail([delivery.get("smtpResponse")])
    return [Fate(_address(each), "delivered", detail) for each in _list(delivery.get("recipients"))]


def _delay(told: dict[str, Any], _destination: list[str]) -> list[Fate]:
    delay = _dict(told.get("deliveryDelay"))
    return [
        Fate(_address(each.get("emailAddress")), "", _detail([delay.get("delayType"), each.get("diagnosticCode")]))
        for each in _dicts(delay.get("delayedRecipients"))
    ]


def _send(_told: dict[str, Any], destination: list[str]) -> list[Fate]:
    return [Fate(address, "accepted") for address in destination]


def _unsent(told: dict[str, Any], destination: list[str]) -> list[Fate]:
    return [Fate(address, "refused", _failure(str(told.get("eventType")), told)) for address in destination]


_READERS = {
    "Bounce": _bounce,
    "Complaint": _complaint,
    "Delivery": _delivery,
    "DeliveryDelay": _delay,
    "Send": _send,
    "Reject": _unsent,
    "Rendering Failure": _unsent,
}


def _failure(kind: str, told: dict[str, Any]) -> str:
    if kind == "Reject":
        return _detail(["Rejected", _dict(told.get("reject")).get("reason")])
    if kind == "Rendering Failure":
        return _detail(["Not rendered", _dict(told.get("failure")).get("errorMessage")])
    return ""


def _address(text: Any) -> str:
    """Return the bare address of `Jane <jane@example.com>`, in lower case."""
    return parseaddr(text)[1].lower() if isinstance(text, str) else ""


def _detail(words: Iterable[Any]) -> str:
    return " ".join(str(word) for word in words if word).replace("\0", "")[:MAX_DETAIL]


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in _list(value) if isinstance(each, dict)]

"""The mails that there are, and what each of them needs to be told: the sample is the shape."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modules.notifications.domain.kinds import Kind

LANGUAGES = ("en", "cs", "pl")
MAX_RECIPIENTS = 50  # as many as SES takes in one message
MAX_VALUE = 2_000  # characters of one value
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


class InvalidMail(ValueError):
    """A mail that must not go out as it is; `field` says what of it is wrong."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(f"{field}: {message}")


@dataclass(frozen=True)
class MailKind:
    """A mail: a value of each shape that its templates show, and what it obeys.

    kind: the preference that can switch it off; None for what somebody asked for. is_secret: its text opens
    something (a link that sets a password), so it is forgotten once it is sent and shown to no operator.
    """

    sample: Mapping[str, Any]
    kind: Kind | None = None
    is_secret: bool = False


_PERSON = {"name": "Jana Nováková"}

MAILS: dict[str, MailKind] = {
    "registration_confirmation": MailKind(
        {**_PERSON, "confirm_url": "https://example.com/confirm/1", "hours": 24}, is_secret=True
    ),
    "password_reset": MailKind({**_PERSON, "reset_url": "https://example.com/reset/1", "minutes": 60}, is_secret=True),
    "invitation": MailKind(
        {
            "inviter": "Jana Nováková",
            "target": "Chalupa",
            "accept_url": "https://example.com/invitation/1",
            "expires": "31. 12. 2026",
        },
        is_secret=True,
    ),
    "invitation_accepted": MailKind(
        {**_PERSON, "member": "Petr Dvořák", "target": "Chalupa", "open_url": "https://example.com/"},
        kind=Kind.INVITATION_ACCEPTED,
    ),
    "weekly_summary": MailKind(
        {
            **_PERSON,
            "start": "21. 12. 2026",
            "end": "27. 12. 2026",
            "records_created": 4,
            "records_updated": 2,
            "documents_uploaded": 7,
            "comments_added": 3,
            "new_records": [{"property": "Chalupa", "count": 2}],
            "new_comments": [{"record": "Revize komínu", "author": "Petr Dvořák"}],
            "new_members": [{"property": "Chalupa", "member": "Petr Dvořák"}],
            "pending_drafts": 2,
            "pending_invitations": 1,
            "expiring_drafts": 1,
            "open_url": "https://example.com/",
        },
        kind=Kind.WEEKLY_SUMMARY,
    ),
    "export_ready": MailKind(
        {"size": "12,4 MB", "hours": 24, "download_url": "https://example.com/export/1"}, is_secret=True
    ),
    "export_failed": MailKind({"reason": "1,4 GB > 1,0 GB"}),
    "draft_expiring": MailKind(
        {
            **_PERSON,
            "property": "Chalupa",
            "created": "1. 12. 2026",
            "expires": "31. 12. 2026",
            "days": 7,
            "open_url": "https://example.com/drafts/1",
        },
        kind=Kind.DRAFT_EXPIRING,
    ),
}


def get_mail(template: str) -> MailKind:
    """Return the mail of this name; raises InvalidMail."""
    if template not in MAILS:
        raise InvalidMail("template", f"there is no mail {template!r}; there are: {', '.join(MAILS)}.")
    return MAILS[template]


def check_values(template: str, values: Mapping[str, Any]) -> None:
    """Raise InvalidMail unless `values` has the sample's shape: a mail is whole or it is not sent."""
    _check_mapping("values", values, get_mail(template).sample)


def check_line(field: str, text: str) -> None:
    """Raise InvalidMail for a text that would break out of its line, and so could add a header."""
    if _CONTROL.search(text):
        raise InvalidMail(field, "a line break or another control character is not allowed.")
    if len(text) > MAX_VALUE:
        raise InvalidMail(field, f"is over {MAX_VALUE} characters.")


def _check_mapping(field: str, values: Any, sample: Mapping[str, Any]) -> None:
    if not isinstance(values, Mapping):
        raise InvalidMail(field, "is to be a mapping.")
    if missing := [name for name in sample if values.get(name) is None]:
        raise InvalidMail(f"{field}.{missing[0]}", "is missing.")
    if unknown := sorted(set(values) - set(sample)):
        raise InvalidMail(f"{field}.{unknown[0]}", "is nothing that the mail shows.")
    for name, wanted in sample.items():
        _check_value(f"{field}.{name}", values[name], wanted)


def _check_value(field: str, value: Any, wanted: Any) -> None:
    if isinstance(wanted, Mapping):
        _check_mapping(field, value, wanted)
    elif isinstance(wanted, list):
        if not isinstance(value, list | tuple):
            raise InvalidMail(field, "is to be a list.")
        for number, item in enumerate(value):
            _check_value(f"{field}.{number}", item, wanted[0])
    elif type(value) is not type(wanted):
        raise InvalidMail(field, f"is to be {type(wanted).__name__}, not {type(value).__name__}.")
    elif isinstance(value, str):
        check_line(field, value)
        if field.endswith("_url") and not value.startswith(("https://", "http://")):
            raise InvalidMail(field, "is to begin with https:// or http://.")

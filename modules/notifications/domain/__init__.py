"""What may be said to people, and how it is written; no Django, no clock, no network."""

from modules.notifications.domain.kinds import CHANNELS, Channel, Kind
from modules.notifications.domain.mails import (
    LANGUAGES,
    MAILS,
    MAX_RECIPIENTS,
    InvalidMail,
    MailKind,
    check_line,
    check_values,
    get_mail,
)
from modules.notifications.domain.markup import html_of, subject_of, text_of

__all__ = [
    "CHANNELS",
    "LANGUAGES",
    "MAILS",
    "MAX_RECIPIENTS",
    "Channel",
    "InvalidMail",
    "Kind",
    "MailKind",
    "check_line",
    "check_values",
    "get_mail",
    "html_of",
    "subject_of",
    "text_of",
]

"""Authors are told of drafts that they left behind: once that they are there, once that they will be deleted."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.formats import date_format

from modules.drafts import selectors
from modules.drafts.domain import Retention, as_text
from modules.drafts.models import Record
from modules.drafts.selectors import Reader
from modules.notifications import selectors as notification_selectors
from modules.notifications import services as notification_services
from modules.notifications.domain import Channel, Kind
from modules.notifications.services import Mail, Notice

log = logging.getLogger(__name__)
Report = Callable[[int], None]


@dataclass(frozen=True)
class Reminded:
    """How many drafts their readers were reminded and warned of, and how many have nobody who could be warned."""

    reminders: int
    warnings: int
    of_nobody: int


def remind(*, retention: Retention, reminder_days: int, limit: int, now: datetime, report: Report) -> Reminded:
    """Tell of drafts in scope that are `reminder_days` old, and of those that will be deleted in `warn_days`.

    Each draft once for each; `limit` drafts in a transaction of mark, notice and mail, until there are none. Two
    at once take different drafts. Who is told is the author, or the project's owner where the author has left.
    """
    reminders = warnings = 0
    while told := _remind_batch(reminder_days, limit=limit, now=now):
        reminders += told
        report(told)
    while told := _warn_batch(retention, limit=limit, now=now):
        warnings += told
        report(told)
    return Reminded(reminders, warnings, selectors.count_drafts_of_nobody(retention=retention, now=now))


@transaction.atomic
def _remind_batch(days: int, *, limit: int, now: datetime) -> int:
    due = selectors.drafts_to_remind_of(days=days, now=now).order_by("created_at")
    drafts = _locked(due, limit)
    _mark(drafts, reminded_at=now)
    _tell(drafts, Kind.DRAFT_REMINDER, lambda draft: _reminder(draft, now), now=now)
    return len(drafts)


@transaction.atomic
def _warn_batch(retention: Retention, *, limit: int, now: datetime) -> int:
    due = selectors.drafts_to_warn_of(retention=retention, now=now).order_by("created_at")
    drafts = _locked(due, limit)
    expires_at = retention.expires_at(now)
    _mark(drafts, warned_at=now, expires_at=expires_at)
    payload = {"expiresAt": as_text(expires_at), "daysRemaining": retention.warn_days}
    _tell(drafts, Kind.DRAFT_EXPIRING, lambda draft: {**_which(draft), **payload}, now=now)
    _mail(drafts, retention, expires_at)
    return len(drafts)


def _locked(due: Any, limit: int) -> list[Any]:
    """Return drafts that no other run has in hand, each with its `reader_id`."""
    return list(due.select_related("property").select_for_update(of=("self",), skip_locked=True)[:limit])


def _mark(drafts: list[Any], **fields: datetime) -> None:
    Record.objects.filter(pk__in=[draft.pk for draft in drafts]).update(**fields)


def _which(draft: Any) -> dict[str, Any]:
    return {"zaznamId": str(draft.public_id), "propertyName": draft.property.name}


def _reminder(draft: Any, now: datetime) -> dict[str, Any]:
    return {**_which(draft), "createdAt": as_text(draft.created_at), "daysOld": (now - draft.created_at).days}


def _tell(drafts: list[Any], kind: Kind, payload: Callable[[Any], dict[str, Any]], *, now: datetime) -> None:
    for tenant_id, theirs in _by_tenant(drafts):
        notices = [Notice(draft.reader_id, kind, payload(draft)) for draft in theirs]
        notification_services.notify_many(tenant_id=tenant_id, notices=notices, now=now)


def _by_tenant(drafts: list[Any]) -> Iterable[tuple[int, list[Any]]]:
    ordered = sorted(drafts, key=lambda draft: draft.tenant_id)
    return [(tenant_id, list(theirs)) for tenant_id, theirs in groupby(ordered, key=lambda draft: draft.tenant_id)]


def _mail(drafts: list[Any], retention: Retention, expires_at: datetime) -> None:
    """Send the warnings by mail, too, to those who want it so; without addresses to lead to, there are no mails."""
    if not (settings.DRAFTS["APP_URL"] and settings.NOTIFICATIONS["PUBLIC_URL"]):
        return
    readers = selectors.readers(draft.reader_id for draft in drafts)
    for tenant_id, theirs in _by_tenant(drafts):
        wanting = notification_selectors.wanting(
            tenant_id=tenant_id,
            user_ids={draft.reader_id for draft in theirs},
            kind=Kind.DRAFT_EXPIRING,
            channel=Channel.EMAIL,
        )
        mails = [
            _warning(draft, readers[draft.reader_id], retention, expires_at)
            for draft in theirs
            if draft.reader_id in wanting and readers[draft.reader_id].email
        ]
        refused = notification_services.send_emails(tenant_id=tenant_id, mails=mails)
        for key, error in refused.items():  # the notice inside the product is told all the same
            log.warning("No mail %s: %s", key, error)


def _warning(draft: Any, reader: Reader, retention: Retention, expires_at: datetime) -> Mail:
    locale = reader.locale or notification_selectors.locale_of(None)
    values = {
        "name": _one_line(reader.name),
        "property": _one_line(draft.property.name),
        "created": _day(draft.created_at, reader, locale),
        "expires": _day(expires_at, reader, locale),
        "days": retention.warn_days,
        "open_url": f"{settings.DRAFTS['APP_URL']}/records/{draft.public_id}",
    }
    return Mail(
        key=f"draft_expiring:{draft.public_id}:{as_text(expires_at)}",
        template="draft_expiring",
        to=[reader.email],
        values=values,
        user_id=reader.user_id,
        locale=locale,
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _day(moment: datetime, reader: Reader, locale: str) -> str:
    zone = ZoneInfo(reader.timezone or settings.TIME_ZONE)
    with translation.override(locale):
        return date_format(moment.astimezone(zone), "SHORT_DATE_FORMAT")

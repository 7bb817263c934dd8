"""Questions about mails, notices and what people want."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from django.conf import settings
from django.db import connection
from django.db.models import BigIntegerField, Count, Func, Max, Min, Q, QuerySet

from modules.accounts.models import Membership, User
from modules.notifications.domain import CHANNELS, LANGUAGES, Channel, Kind
from modules.notifications.domain.live import Position
from modules.notifications.models import (
    CleanupReceipt,
    EmailMessage,
    LiveEvent,
    Notification,
    Preference,
    Recipient,
    Suppression,
)


def find_mail(mail_id: int) -> EmailMessage | None:
    """Return the mail with its user, or None when it is gone or another tenant's."""
    return EmailMessage.objects.select_related("user").filter(pk=mail_id).first()


def recipients(mail: EmailMessage) -> list[Recipient]:
    """Return whom the mail goes to, in the order in which they were named."""
    return list(Recipient.objects.filter(mail=mail).order_by("id"))


def suppressed(*, tenant_id: int, addresses: Iterable[str]) -> set[str]:
    """Return those of the addresses, as they are written here, that the tenant mails no more."""
    by_key = {address.lower(): address for address in addresses}
    found = Suppression.objects.filter(tenant_id=tenant_id, address__in=by_key, lifted_at=None)
    return {by_key[key] for key in found.values_list("address", flat=True)}


def locale_of(user_id: int | None) -> str:
    """Return the person's language, or the installation's where nobody chose one."""
    return locales_of({user_id} if user_id else set())[user_id]


def locales_of(user_ids: Collection[int]) -> dict[int | None, str]:
    """Return each person's language, at None and for who chose none the installation's; one question for all."""
    default = settings.LANGUAGE_CODE if settings.LANGUAGE_CODE in LANGUAGES else "en"
    chosen = dict(User.objects.filter(pk__in=user_ids).values_list("pk", "locale")) if user_ids else {}
    return {None: default, **{user_id: chosen.get(user_id) or default for user_id in user_ids}}


def members(*, tenant_id: int, user_ids: Iterable[int]) -> set[int]:
    """Return those of the people who belong to the tenant."""
    found = Membership.objects.filter(tenant_id=tenant_id, user_id__in=set(user_ids))
    return set(found.values_list("user_id", flat=True))


def wants(*, tenant_id: int, user_id: int, kind: Kind, channel: Channel) -> bool:
    """Return whether the person wants to be told this way; everybody does who did not say no."""
    return user_id in wanting(tenant_id=tenant_id, user_ids=[user_id], kind=kind, channel=channel)


def wanting(*, tenant_id: int, user_ids: Iterable[int], kind: Kind, channel: Channel) -> set[int]:
    """Return those of the people who want to be told of `kind` this way; one question however many they are."""
    asked = set(user_ids)
    if channel not in CHANNELS[kind]:
        return set()
    said_no = Preference.objects.filter(tenant_id=tenant_id, user_id__in=asked, type=kind, channel=channel, is_on=False)
    return asked - set(said_no.values_list("user_id", flat=True))


def preferences(*, tenant_id: int, user_id: int) -> dict[tuple[Kind, Channel], bool]:
    """Return what the person wants, for every kind and each of its ways, in the order of the kinds."""
    said = Preference.objects.filter(tenant_id=tenant_id, user_id=user_id)
    stored = {(kind, channel): is_on for kind, channel, is_on in said.values_list("type", "channel", "is_on")}
    ways = [(kind, channel) for kind in Kind for channel in Channel if channel in CHANNELS[kind]]
    return {way: stored.get(way, True) for way in ways}


def notices() -> "QuerySet[Notification]":
    """Return the notices in scope, newest first."""
    return Notification.objects.order_by("-id")


_OPEN_FROM = Func(
    template="pg_snapshot_xmin(pg_current_snapshot())::text::bigint", function="", output_field=BigIntegerField()
)
"""The first transaction that may still write: all before it have ended."""


def live_now() -> Position:
    """Return the position from which on everything is still to come."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return Position(cursor.fetchone()[0])


def live_events(*, user_id: int, after: Position, limit: int = 100) -> list[LiveEvent]:
    """Return what the person is to be told in the tenant in scope after a position, in order, each once."""
    later = Q(transaction__gt=after.transaction) | Q(transaction=after.transaction, id__gt=after.number)
    found = LiveEvent.objects.filter(later, user_id=user_id, transaction__gte=after.transaction)
    return list(found.filter(transaction__lt=_OPEN_FROM).order_by("transaction", "id")[:limit])


def old_notices(*, rule: str, before: datetime) -> "QuerySet[Notification]":
    """Return the notices in scope that a rule of the cleanup calls old, oldest first."""
    if rule == CleanupReceipt.Rule.READ:
        return Notification.objects.filter(read_at__lt=before).order_by("read_at")
    return Notification.objects.filter(read_at=None, created_at__lt=before).order_by("created_at")


def tally(*, rule: str, before: datetime) -> tuple[int, datetime | None, datetime | None]:
    """Return how many notices in scope a rule of the cleanup calls old, the oldest and the newest of its moments."""
    moment = "read_at" if rule == CleanupReceipt.Rule.READ else "created_at"
    found = old_notices(rule=rule, before=before).aggregate(count=Count("id"), oldest=Min(moment), newest=Max(moment))
    return found["count"], found["oldest"], found["newest"]


def recipients_of(mails: Sequence[EmailMessage]) -> dict[int, list[str]]:
    """Return the addresses of many mails at once, by the mail's number."""
    found: dict[int, list[str]] = {}
    rows = Recipient.objects.filter(mail__in=mails).order_by("id").values_list("mail_id", "address")
    for mail_id, address in rows:
        found.setdefault(mail_id, []).append(address)
    return found


def troubles(*, since: datetime) -> tuple[int, int]:
    """Return how many mails in scope failed since then, and of how many nobody knows whether they went out."""
    mails = EmailMessage.objects.filter(
        finished_at__gte=since, state__in=[EmailMessage.State.FAILED, EmailMessage.State.UNCERTAIN]
    )
    found = mails.aggregate(
        failed=Count("id", filter=Q(state=EmailMessage.State.FAILED)),
        uncertain=Count("id", filter=Q(state=EmailMessage.State.UNCERTAIN)),
    )
    return found["failed"], found["uncertain"]

"""People are told inside the product, as far as they want to be, and say what they want."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from modules.notifications import selectors
from modules.notifications.domain import CHANNELS, Channel, Kind
from modules.notifications.models import Notification, Preference
from modules.notifications.services._live import Live, announce


class NotAMember(LookupError):
    """The person does not belong to the tenant."""


class NoSuchWay(ValueError):
    """Nobody is told of this kind of thing in this way."""


@dataclass(frozen=True)
class Notice:
    """What one person is told. The payload is plain JSON."""

    user_id: int
    kind: Kind
    payload: Mapping[str, Any]


def notify(*, tenant_id: int, user_id: int, kind: Kind, payload: Mapping[str, Any], now: datetime) -> bool:
    """Tell one person inside the product; return False when they do not want it. Raises NotAMember."""
    return notify_many(tenant_id=tenant_id, notices=[Notice(user_id, kind, payload)], now=now) == 1


def notify_many(*, tenant_id: int, notices: Sequence[Notice], now: datetime) -> int:
    """Tell many at once, also live; return how many are told, without those who do not want it.

    Raises NotAMember, and then tells nobody. Not safe to repeat: the caller marks what it told of, in one
    transaction with this.
    """
    people = {notice.user_id for notice in notices}
    if strangers := people - selectors.members(tenant_id=tenant_id, user_ids=people):
        raise NotAMember(f"No members of the tenant {tenant_id}: {', '.join(map(str, sorted(strangers)))}.")
    told = [
        Notification(
            tenant_id=tenant_id, user_id=notice.user_id, type=notice.kind, payload=dict(notice.payload), created_at=now
        )
        for kind in {notice.kind for notice in notices}
        for notice in _wanted(tenant_id, kind, [notice for notice in notices if notice.kind == kind])
    ]
    Notification.objects.bulk_create(told, batch_size=1_000)
    announce(tenant_id=tenant_id, events=[_as_news(notice) for notice in told], now=now)
    return len(told)


def _as_news(notice: Notification) -> Live:
    told = {"id": notice.pk, "type": notice.type, "payload": notice.payload}
    return Live(notice.user_id, "notification", told)


def _wanted(tenant_id: int, kind: Kind, notices: list[Notice]) -> list[Notice]:
    wanting = selectors.wanting(
        tenant_id=tenant_id, user_ids=[notice.user_id for notice in notices], kind=kind, channel=Channel.IN_APP
    )
    return [notice for notice in notices if notice.user_id in wanting]


def mark_read(*, notification_ids: Sequence[int], now: datetime) -> int:
    """Note that these were read; return how many were not before. The first time stays. Safe to repeat."""
    unread = Notification.objects.filter(pk__in=notification_ids, read_at=None)
    return unread.update(read_at=now)


def mark_all_read(*, tenant_id: int, user_id: int, until_id: int, now: datetime) -> int:
    """Note that the person has read what they were told up to `until_id`; return how many were not read before.

    What comes meanwhile stays unread: nobody has seen it.
    """
    unread = Notification.objects.filter(Q(pk__lte=until_id), tenant_id=tenant_id, user_id=user_id, read_at=None)
    return unread.update(read_at=now)


def set_preferences(
    *, tenant_id: int, user_id: int, wanted: Mapping[tuple[Kind, Channel], bool], now: datetime
) -> None:
    """Keep what a person wants; what is not named stays. Safe to repeat. Raises NoSuchWay, NotAMember."""
    for kind, channel in wanted:
        if channel not in CHANNELS[kind]:
            raise NoSuchWay(f"{kind} is not told by {channel}; it is by: {', '.join(sorted(CHANNELS[kind]))}.")
    if not selectors.members(tenant_id=tenant_id, user_ids=[user_id]):
        raise NotAMember(f"No member of the tenant {tenant_id}: {user_id}.")
    Preference.objects.bulk_create(
        [
            Preference(tenant_id=tenant_id, user_id=user_id, type=kind, channel=channel, is_on=is_on, changed_at=now)
            for (kind, channel), is_on in wanted.items()
        ],
        update_conflicts=True,
        unique_fields=["tenant", "user", "type", "channel"],
        update_fields=["is_on", "changed_at"],
    )

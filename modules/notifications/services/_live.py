"""What people who are there are told at once; the rows are what they go on from after a broken line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modules.accounts.models import Membership
from modules.notifications.models import LiveEvent


@dataclass(frozen=True)
class Live:
    """What one person is told. The payload is plain JSON, and small: whoever wants more asks the API."""

    user_id: int
    type: str
    payload: Mapping[str, Any]


def announce(*, tenant_id: int, events: Sequence[Live], now: datetime) -> None:
    """Tell people who listen, after the caller's transaction, with one INSERT. Not safe to repeat."""
    LiveEvent.objects.bulk_create(
        [
            LiveEvent(tenant_id=tenant_id, user_id=each.user_id, type=each.type, payload=each.payload, created_at=now)
            for each in events
        ],
        batch_size=1_000,
    )


def announce_to_members(*, tenant_id: int, type: str, payload: Mapping[str, Any], now: datetime) -> None:  # noqa: A002 -- the event's word
    """Tell every member who listens, but no guest: it is of the tenant's own data. See `announce`."""
    people = Membership.objects.filter(tenant_id=tenant_id, user__is_active=True).exclude(role=Membership.Role.GUEST)
    events = [Live(user_id, type, payload) for user_id in people.values_list("user_id", flat=True)]
    announce(tenant_id=tenant_id, events=events, now=now)


def prune_live(*, before: datetime, limit: int) -> int:
    """Delete at most `limit` events of all tenants from before that; return how many went. Safe to repeat."""
    old = LiveEvent.objects.filter(created_at__lt=before).order_by("created_at").values("pk")[:limit]
    return LiveEvent.objects.filter(pk__in=old).delete()[0]

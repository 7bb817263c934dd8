"""Questions about who may see what."""

from datetime import datetime

from django.contrib.auth.models import AnonymousUser
from django.db.models import Count, Max, Min

from modules.accounts.domain import TokenText
from modules.accounts.models import ActivityEntry, ApiToken, Membership, Tenant, User

Tally = tuple[int, datetime | None, datetime | None]
"""How many, the oldest, the newest."""

NO_DIGEST = "0" * 64  # compared with when there is no such token, so that the answer takes as long


def visible_tenant_ids(user: User | AnonymousUser) -> list[int]:
    """Return the tenants that `user` is a member of, in ascending order; empty for a stranger."""
    if not user.is_authenticated:
        return []
    found = Membership.objects.filter(user=user, tenant__is_active=True)
    return list(found.order_by("tenant_id").values_list("tenant_id", flat=True))


def get_tenant(*, name: str) -> Tenant:
    """Return the tenant called `name`; raises Tenant.DoesNotExist."""
    return Tenant.objects.get(name=name)


def find_token(text: str, *, now: datetime) -> ApiToken | None:
    """Return the token whose text this is, or None when it is wrong, revoked, expired or its tenant inactive."""
    held = TokenText.parse(text)
    if held is None:
        return None
    token = ApiToken.objects.filter(prefix=held.prefix, tenant__is_active=True).first()
    is_proven = held.proves(token.digest if token else NO_DIGEST)
    if token is None or not is_proven or token.revoked_at:
        return None
    return None if token.expires_at and token.expires_at <= now else token


def tally_activity(*, before: datetime) -> Tally:
    """Return how many entries in scope are older than `before`, and when the oldest and the newest were made."""
    found = ActivityEntry.objects.filter(at__lt=before)
    figures = found.aggregate(count=Count("id"), oldest=Min("at"), newest=Max("at"))
    return figures["count"], figures["oldest"], figures["newest"]

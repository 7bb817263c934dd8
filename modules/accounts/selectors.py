"""Questions about who may see what."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.signing import BadSignature, Signer
from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet

from modules.accounts.domain import ACCESS_MARK, TokenText, fingerprint
from modules.accounts.models import (
    ActivityEntry,
    ApiToken,
    CleanupReceipt,
    Login,
    Membership,
    RefreshToken,
    Tenant,
    User,
)
from modules.kernel.tenancy import all_tenants

Tally = tuple[int, datetime | None, datetime | None]
"""How many, the oldest, the newest."""

NO_DIGEST = "0" * 64  # compared with when there is no such token, so that the answer takes as long


def visible_tenant_ids(user: User | AnonymousUser) -> list[int]:
    """Return the tenants that `user` is a member of, not a guest, in ascending order; empty for a stranger."""
    if not user.is_authenticated:
        return []
    found = Membership.objects.filter(user=user, tenant__is_active=True).exclude(role=Membership.Role.GUEST)
    return list(found.order_by("tenant_id").values_list("tenant_id", flat=True))


CHOSEN = "console_tenant"  # in a session: the one tenant that its reader wants to see
TENANTS_OFFERED = 200


def tenants_to_choose(user: User | AnonymousUser) -> dict[int, str]:
    """Return the names by id, in order of name, of the tenants that `user` may see; the first TENANTS_OFFERED."""
    if not user.is_authenticated:
        return {}
    with all_tenants():
        found = Tenant.objects.order_by("name").values_list("id", "name")
        if not user.is_superuser:
            found = found.filter(id__in=visible_tenant_ids(user))
        return dict(found[:TENANTS_OFFERED])


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


def access_signer() -> Signer:
    """Return what signs access tokens and nothing else; it knows the keys in SECRET_KEY_FALLBACKS, too."""
    return Signer(salt="accounts.access")


def find_login(text: str, *, now: datetime) -> Login | None:
    """Return the login, with its user, whose access token this is, or None when it opens nothing any more."""
    mark, _, signed = text.partition("_")
    if mark != ACCESS_MARK:
        return None
    try:
        login_id, until = access_signer().unsign_object(signed)
    except BadSignature:
        return None
    login = Login.objects.select_related("user").filter(pk=login_id).first() if now.timestamp() < until else None
    return login if login and is_open(login) else None


def is_open(login: Login) -> bool:
    """Return whether nobody ended it, and its person is active and has the same password as then."""
    return login.revoked_at is None and login.user.is_active and login.credential == fingerprint(login.user.password)


def memberships_of(user_id: int) -> list[Membership]:
    """Return the person's memberships with their tenants, those of inactive ones left out, in order of tenant."""
    found = Membership.objects.filter(user_id=user_id, tenant__is_active=True).select_related("tenant")
    return list(found.order_by("tenant_id"))


def scopes_of(role: str) -> list[str]:
    """Return what a member of this role may do through the API: viewers look, guests have the diary, others all.

    What a viewer or a guest may do in the diary is up to what they own and what is shared with them.
    """
    every: Sequence[str] = ApiToken.Scope.values
    if role == Membership.Role.GUEST:
        return [scope for scope in every if scope.startswith(("drafts:", "notifications:"))]
    if role == Membership.Role.VIEWER:
        return [scope for scope in every if scope.endswith(":read") or scope == ApiToken.Scope.DRAFTS_WRITE]
    return list(every)


def tally_tokens(*, now: datetime, revoked_before: datetime) -> dict[str, Tally]:
    """Return by rule of the cleanup how many would go, the oldest, the newest."""
    expired, revoked = Q(expires_at__lt=now), Q(revoked_at__lt=revoked_before)
    kept = RefreshToken.objects.filter(login=OuterRef("pk")).exclude(expired).exclude(revoked)
    return {
        CleanupReceipt.Rule.EXPIRED: _tally(RefreshToken.objects.filter(expired), "expires_at"),
        CleanupReceipt.Rule.REVOKED: _tally(RefreshToken.objects.filter(revoked).exclude(expired), "revoked_at"),
        CleanupReceipt.Rule.LOGINS: _tally(Login.objects.filter(~Exists(kept)), "opened_at"),
    }


def tally_activity(*, before: datetime) -> Tally:
    """Return how many entries in scope are older than `before`, and when the oldest and the newest were made."""
    return _tally(ActivityEntry.objects.filter(at__lt=before), "at")


def _tally(rows: "QuerySet[Any]", moment: str) -> Tally:
    found = rows.aggregate(count=Count("id"), oldest=Min(moment), newest=Max(moment))
    return found["count"], found["oldest"], found["newest"]

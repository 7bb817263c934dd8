"""Who there is, and the tokens of tenants' programs."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from modules.accounts.domain import TokenText, UnknownScope
from modules.accounts.models import ApiToken, Tenant

USED_EVERY = timedelta(minutes=1)  # a token's use is written down this often at most


def open_tenant(*, name: str) -> Tenant:
    """Return the tenant called `name`, made if there is none. Safe to repeat."""
    return Tenant.objects.get_or_create(name=name)[0]


def create_token(
    *,
    tenant_id: int,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    created_by_id: int | None = None,
) -> tuple[ApiToken, TokenText]:
    """Make a token and return it with its text, which exists nowhere else from now on.

    Raises UnknownScope. `expires_at` is aware; None lasts until the token is revoked.
    """
    if unknown := sorted(set(scopes) - set(ApiToken.Scope.values)):
        raise UnknownScope(f"Unknown scope: {', '.join(unknown)}; there are: {', '.join(ApiToken.Scope.values)}.")
    text = TokenText.new()
    token = ApiToken.objects.create(
        tenant_id=tenant_id,
        name=name,
        prefix=text.prefix,
        digest=text.digest,
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
        created_by_id=created_by_id,
    )
    return token, text


def revoke_token(*, prefix: str, now: datetime) -> bool:
    """Let the token open nothing any more; return False when it was revoked before. Raises ApiToken.DoesNotExist."""
    token = ApiToken.objects.get(prefix=prefix)
    return bool(ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=now))


def note_use(token: ApiToken, *, now: datetime) -> None:
    """Write down that the token was used, at most once a minute however many requests there are."""
    if token.last_used_at and token.last_used_at > now - USED_EVERY:
        return
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - USED_EVERY)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)

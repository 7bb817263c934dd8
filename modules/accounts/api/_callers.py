"""Who is calling: a token opens one tenant, within its scopes, so many times a minute."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import wraps
from math import ceil
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja.security import HttpBearer

from modules.accounts import clients, selectors, services
from modules.accounts.clients import Allowance
from modules.accounts.models import ApiToken, Login, Membership
from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.tenancy import tenant_scope

READING = {"GET", "HEAD"}
TENANT_HEADER = "Backroom-Tenant"


@dataclass(frozen=True)
class Caller:
    """Who sends a request, and the one tenant that it is about. `user_id` is None for a program, as is `role`."""

    tenant_id: int
    name: str
    scopes: Collection[str]
    bucket: str
    user_id: int | None = None
    role: str | None = None


class BearerToken(HttpBearer):
    """Opens one part of the API, for a program or a person: reading takes `<area>:read`, the rest `<area>:write`."""

    def __init__(self, area: str) -> None:
        super().__init__()
        self.area = area

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        """Return the caller, or None for a wrong token; raises Problem 429 and 403, and 400 without a tenant."""
        now = clock.now()
        found = selectors.find_token(token, now=now)
        caller = _as_program(found) if found else _as_person(request, selectors.find_login(token, now=now))
        if caller is None:
            return None
        per_minute = settings.API["TOKEN_PER_MINUTE"]
        tenants = {f"tenant:{caller.tenant_id}": settings.API["TENANT_PER_MINUTE"]}
        limit(request, {caller.bucket: per_minute, **tenants})
        self._check_scope(request, caller)
        if found:
            services.note_use(found, now=now)
        return caller

    def _check_scope(self, request: HttpRequest, caller: Caller) -> None:
        scope = f"{self.area}:{'read' if request.method in READING else 'write'}"
        if scope not in caller.scopes:
            has = ", ".join(caller.scopes) or _("none")
            raise Problem(
                403, _("This takes the scope %(scope)s; the token has: %(has)s.") % {"scope": scope, "has": has}
            )


class PersonToken(HttpBearer):
    """Opens what is a person's own, whatever tenants there are: an access token alone."""

    def authenticate(self, request: HttpRequest, token: str) -> Login | None:
        """Return the person's login, or None for a wrong token; raises Problem 429."""
        login = selectors.find_login(token, now=clock.now())
        if login:
            limit(request, {_bucket(login): settings.API["TOKEN_PER_MINUTE"]})
        return login


class MemberToken(PersonToken):
    """Opens what is a person's own within one of their tenants, whatever their role there."""

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:  # type: ignore[override] # a narrower one
        """Return the person as a caller, or None for a wrong token; raises Problem 400, 403 and 429."""
        return _as_person(request, super().authenticate(request, token))


def _as_program(token: ApiToken) -> Caller:
    return Caller(token.tenant_id, token.name, token.scopes, f"token:{token.pk}")


def _as_person(request: HttpRequest, login: Login | None) -> Caller | None:
    if login is None:
        return None
    membership = _membership(request, login)
    scopes = selectors.scopes_of(membership.role)
    return Caller(membership.tenant_id, login.user.username, scopes, _bucket(login), login.user_id, membership.role)


def _membership(request: HttpRequest, login: Login) -> Membership:
    """Return the membership of the tenant that the header names; without it, the only one there is.

    Where somebody is a guest, too, does not count then: an invitation must not break their programs at home.
    """
    mine = selectors.memberships_of(login.user_id)
    named = request.headers.get(TENANT_HEADER)
    if named is None:
        return _only(mine)
    found = [membership for membership in mine if named == str(membership.tenant_id)]
    if not found:
        raise _no_member()
    return found[0]


def _only(mine: list[Membership]) -> Membership:
    homes = [membership for membership in mine if membership.role != Membership.Role.GUEST] or mine
    if not homes:
        raise _no_member()
    if len(homes) > 1:
        told = {"header": TENANT_HEADER, "numbers": ", ".join(str(membership.tenant_id) for membership in mine)}
        raise Problem(400, _("Name one of your tenants in the header %(header)s: %(numbers)s.") % told)
    return homes[0]


def _no_member() -> Problem:
    return Problem(403, _("You are no member of this tenant."))


def _bucket(login: Login) -> str:
    return f"person:{login.user_id}"


def with_rate_limit(run: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Tell in each answer how many requests are left."""

    @wraps(run)
    def told(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        response = run(request, **kwargs)
        for name, value in _headers(getattr(request, "allowance", None)).items():
            response[name] = value
        return response

    return told


def in_tenants_scope(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let an operation see the rows of its caller's tenant and no others; of no tenant without one."""

    @wraps(view)
    def scoped(request: Any, *args: Any, **kwargs: Any) -> Any:
        caller = getattr(request, "auth", None)
        with tenant_scope(caller.tenant_id if isinstance(caller, Caller) else []):
            return view(request, *args, **kwargs)

    return scoped


def limit(request: HttpRequest, buckets: Mapping[str, int]) -> None:
    """Take one request from each bucket, which holds so many a minute; raises Problem 429."""
    allowance = clients.take(buckets)
    request.allowance = allowance  # type: ignore[attr-defined] # `with_rate_limit` tells it
    if allowance and allowance.wait_seconds:
        seconds = str(ceil(allowance.wait_seconds))
        detail = _("Too many requests: %(limit)d a minute are allowed.") % {"limit": allowance.limit}
        raise Problem(429, detail, headers={"Retry-After": seconds})


def _headers(allowance: Allowance | None) -> dict[str, str]:
    if allowance is None:
        return {}
    return {
        "RateLimit-Limit": str(allowance.limit),
        "RateLimit-Remaining": str(allowance.remaining),
        "RateLimit-Reset": str(ceil(allowance.full_in_seconds)),
    }

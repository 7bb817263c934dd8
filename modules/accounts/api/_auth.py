"""How people log in: a password for two tokens, one token for two new ones, and out again."""

import hashlib
from datetime import datetime
from typing import Annotated, Literal

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Router, Status
from pydantic import StringConstraints

from modules.accounts import selectors, services
from modules.accounts.api._callers import PersonToken, limit
from modules.accounts.models import Login, Membership
from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.rest import Body, Camel, refuse_unknown

router = Router(by_alias=True)

UserName = Annotated[str, StringConstraints(min_length=1, max_length=150, pattern=r"^[^\x00-\x1f\x7f]+$")]
Password = Annotated[str, StringConstraints(min_length=1, max_length=1_024)]
TokenString = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class LoginIn(Body):
    """Who wants in."""

    username: UserName
    password: Password


class RefreshIn(Body):
    """The newest refresh token."""

    refresh_token: TokenString


class KeysOut(Camel):
    """What opens the API from now on; the refresh token is good for one exchange."""

    token_type: Literal["Bearer"]
    access_token: str
    access_expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime


class MemberOut(Camel):
    """What the person may do for a tenant."""

    tenant_id: int
    tenant: str
    role: Membership.Role
    scopes: list[str]


class MeOut(Camel):
    """Who is logged in; the empty language and time zone are the installation's."""

    id: int
    username: str
    name: str
    email: str
    locale: str
    timezone: str
    memberships: list[MemberOut]


@router.post("/login", response=KeysOut, summary="Log in")
def log_in(request: HttpRequest, response: HttpResponse, who: LoginIn) -> KeysOut:
    """Give keys for a user name and a password."""
    name = hashlib.sha256(who.username.casefold().encode()).hexdigest()[:32]
    _limit_address(request, {f"login:{name}": settings.API["LOGIN_PER_MINUTE"]})
    try:
        keys = services.open_login(
            username=who.username,
            password=who.password,
            agent=request.headers.get("User-Agent", ""),
            now=clock.now(),
        )
    except services.WrongPassword:
        raise _refused(_("The user name or the password is wrong.")) from None
    return _keys_out(response, keys)


@router.post("/refresh", response=KeysOut, summary="Exchange a refresh token")
def refresh(request: HttpRequest, response: HttpResponse, old: RefreshIn) -> KeysOut:
    """Give new keys for a refresh token, once: a used one that comes again ends the login."""
    _limit_address(request)
    try:
        keys = services.refresh_login(text=old.refresh_token, now=clock.now())
    except services.TokenRefused:
        raise _refused(_("The refresh token opens nothing any more; log in again.")) from None
    except services.JustUsed:
        raise Problem(409, _("This token has just been used; go on with the one that was given for it.")) from None
    return _keys_out(response, keys)


@router.post("/logout", response={204: None}, summary="Log out")
def log_out(request: HttpRequest, last: RefreshIn) -> Status[None]:
    """End the login of a refresh token; its access tokens open nothing from now on. Safe to repeat."""
    _limit_address(request)
    services.close_login(text=last.refresh_token, now=clock.now())
    return Status(204, None)


@router.get("/me", response=MeOut, auth=PersonToken(), summary="Look at oneself")
def get_me(request: HttpRequest) -> MeOut:
    """Show who is logged in, and for which tenants."""
    refuse_unknown(request, [])
    login: Login = request.auth  # type: ignore[attr-defined] # django-ninja puts it there
    user = login.user
    return MeOut(
        id=user.pk,
        username=user.username,
        name=user.get_full_name(),
        email=user.email,
        locale=user.locale,
        timezone=user.timezone,
        memberships=[_member_out(membership) for membership in selectors.memberships_of(user.pk)],
    )


def _limit_address(request: HttpRequest, buckets: dict[str, int] | None = None) -> None:
    address = request.META.get("REMOTE_ADDR", "")
    limit(request, {f"address:{address}": settings.API["ADDRESS_PER_MINUTE"], **(buckets or {})})


def _refused(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="api"', "Cache-Control": "no-store"})


def _keys_out(response: HttpResponse, keys: services.Keys) -> KeysOut:
    response["Cache-Control"] = "no-store"
    return KeysOut(
        token_type="Bearer",  # noqa: S106 -- what kind it is, no secret
        access_token=keys.access,
        access_expires_at=keys.access_expires_at,
        refresh_token=keys.refresh,
        refresh_expires_at=keys.refresh_expires_at,
    )


def _member_out(membership: Membership) -> MemberOut:
    return MemberOut(
        tenant_id=membership.tenant_id,
        tenant=membership.tenant.name,
        role=Membership.Role(membership.role),
        scopes=selectors.scopes_of(membership.role),
    )

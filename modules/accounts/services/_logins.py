"""People's logins over the API: a short access token, and a refresh token that is good for one exchange.

A used token that comes again within `GRACE` is a race: two tabs of one person, or an answer that was lost. The second
is told so, gets nothing, and the login goes on. Later it is taken for a theft, whoever of the two has the token: the
login ends, and with it every token of it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import authenticate
from django.db import transaction

from modules.accounts.domain import ACCESS_MARK, REFRESH_MARK, TokenText, fingerprint
from modules.accounts.models import Login, RefreshToken, User
from modules.accounts.selectors import NO_DIGEST, access_signer, is_open
from modules.accounts.services._activity import log_activity

GRACE = timedelta(seconds=10)


class WrongPassword(Exception):
    """There is no active person with this name and password; which of it is wrong, nobody is told."""


class TokenRefused(Exception):
    """The refresh token is none of ours, has expired, or its login has ended; why, nobody is told."""


class JustUsed(Exception):
    """The refresh token was exchanged within the last seconds: what was given for it is the good one."""


@dataclass(frozen=True)
class Keys:
    """What opens the API for a person. They exist nowhere else from now on."""

    access: str = field(repr=False)
    access_expires_at: datetime
    refresh: str = field(repr=False)
    refresh_expires_at: datetime


def open_login(*, username: str, password: str, agent: str, now: datetime) -> Keys:
    """Let a person in; raises WrongPassword, after as long a time for a name that there is not."""
    user = authenticate(username=username, password=password)
    if not isinstance(user, User):
        raise WrongPassword
    with transaction.atomic():
        login = Login.objects.create(
            user=user,
            credential=fingerprint(user.password),
            agent=agent[:200],
            opened_at=now,
            refreshed_at=now,
            expires_at=now,
        )
        User.objects.filter(pk=user.pk).update(last_login=now)
        _log(login, "login.opened", at=now)
        return _issue(login, now=now)


def refresh_login(*, text: str, now: datetime) -> Keys:
    """Exchange a refresh token for new keys; raises TokenRefused and JustUsed. Of two at once, one gets them."""
    with transaction.atomic():
        token = _lock_token(text)
        if not is_open(token.login) or token.expires_at <= now:
            raise TokenRefused
        if token.revoked_at is None:
            RefreshToken.objects.filter(pk=token.pk).update(revoked_at=now)
            return _issue(token.login, now=now)
        if token.revoked_at > now - GRACE:
            raise JustUsed
        end_login(login_id=token.login_id, ending=Login.Ending.REUSED, now=now)
    raise TokenRefused  # after the commit: the login stays ended


def close_login(*, text: str, now: datetime) -> bool:
    """End the login of one of its refresh tokens, used or not; return False when there is nothing to end."""
    with transaction.atomic():
        try:
            token = _lock_token(text)
        except TokenRefused:
            return False
        return end_login(login_id=token.login_id, ending=Login.Ending.LOGOUT, now=now)


def end_login(*, login_id: int, ending: str, now: datetime, by_id: int | None = None) -> bool:
    """Let nothing of a login open anything from now on; return False when it had ended before.

    by_id: the operator who did it.
    """
    with transaction.atomic():
        RefreshToken.objects.filter(login_id=login_id, revoked_at=None).update(revoked_at=now)
        is_first = Login.objects.filter(pk=login_id, revoked_at=None).update(revoked_at=now, ending=ending)
        if is_first:
            _log(Login.objects.get(pk=login_id), f"login.{_ENDED[Login.Ending(ending)]}", at=now, by_id=by_id)
    return bool(is_first)


_ENDED = {Login.Ending.LOGOUT: "closed", Login.Ending.REUSED: "stolen", Login.Ending.OPERATOR: "revoked"}


def _lock_token(text: str) -> RefreshToken:
    """Return the token with its login and user, kept from everybody else until the commit; raises TokenRefused."""
    held = TokenText.parse(text, mark=REFRESH_MARK)
    if held is None:
        raise TokenRefused
    # The token and not its login: whoever waited for it must see it used.
    tokens = RefreshToken.objects.select_for_update(of=("self",)).select_related("login__user")
    token = tokens.filter(prefix=held.prefix).first()
    is_proven = held.proves(token.digest if token else NO_DIGEST)
    if token is None or not is_proven:
        raise TokenRefused
    return token


def _issue(login: Login, *, now: datetime) -> Keys:
    refresh = TokenText.new(mark=REFRESH_MARK)
    until = now + timedelta(days=settings.API["REFRESH_DAYS"])
    RefreshToken.objects.create(
        login=login, prefix=refresh.prefix, digest=refresh.digest, created_at=now, expires_at=until
    )
    Login.objects.filter(pk=login.pk).update(refreshed_at=now, expires_at=until)
    access_until = now + timedelta(minutes=settings.API["ACCESS_MINUTES"])
    signed = access_signer().sign_object([login.pk, access_until.timestamp()])
    return Keys(f"{ACCESS_MARK}_{signed}", access_until, str(refresh), until)


def _log(login: Login, verb: str, *, at: datetime, by_id: int | None = None) -> None:
    details = {"agent": login.agent, **({"by": by_id} if by_id else {})}
    log_activity(
        verb=verb,
        at=at,
        tenant_id=None,
        user_id=login.user_id,
        target_type="login",
        target_id=login.pk,
        details=details,
    )

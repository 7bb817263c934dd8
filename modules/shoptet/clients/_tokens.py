"""Tokens of add-ons: the permanent one for an installation's code, and access tokens for the permanent one."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from urllib3 import exceptions as http_errors

from modules.kernel import clock
from modules.kernel.http import answered, new_pool, read_body
from modules.shoptet import domain
from modules.shoptet.clients import limits
from modules.shoptet.clients._calls import AccessToken
from modules.shoptet.clients._errors import (
    CodeRefused,
    InvalidToken,
    PermanentShoptetError,
    RateLimited,
    TemporaryShoptetError,
    TokenUncertain,
)


@dataclass(frozen=True, slots=True)
class Grant:
    """What an installation gives: the permanent token, and whose it is."""

    token: str = field(repr=False)
    eshop_id: int
    eshop_url: str


def exchange_code(*, url: str, client_id: str, client_secret: str, code: str, redirect_uri: str) -> Grant:
    """Return what the code of an installation stands for. It can be exchanged once.

    Raises CodeRefused for one that the server does not know, PermanentShoptetError where it does not know us, and
    TemporaryShoptetError, after 4 seconds at most. Source: the vendor's install/install.php, and RFC 6749.
    """
    asked = {"grant_type": "authorization_code", "code": code, "client_id": client_id, "scope": "api"}
    asked |= {"redirect_uri": redirect_uri} | ({"client_secret": client_secret} if client_secret else {})
    seconds = limits.EXCHANGE_TIMEOUT_SECONDS / 2
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        with (
            new_pool(read_seconds=seconds, connect_seconds=seconds) as pool,
            answered(pool, "POST", url, headers=headers, body=urlencode(asked).encode()) as response,
        ):
            grant_body = read_body(response, max_bytes=limits.MAX_TOKEN_BYTES, seconds=seconds)
    except http_errors.HTTPError as error:  # its text names hosts and errors, never what was sent
        raise TemporaryShoptetError(_("The shop cannot be reached: %s") % type(error).__name__) from None
    _check_exchange(response.status, grant_body)
    return _read_grant(grant_body)


def _check_exchange(status: int, grant_body: bytes) -> None:
    error = _told(grant_body).get("error")
    if error == "invalid_grant":
        raise CodeRefused(_("The OAuth server does not know this code; install the add-on again."))
    if error in {"invalid_client", "unauthorized_client"}:
        raise PermanentShoptetError(_("The OAuth server does not know the add-on: check its client id and secret."))
    if status != HTTPStatus.OK:
        raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % f"HTTP {status}")


def _read_grant(grant_body: bytes) -> Grant:
    told = _told(grant_body)
    token, eshop_id = str(told.get("access_token") or ""), str(told.get("eshopId"))
    if not domain.is_token(token) or not eshop_id.isdecimal() or not 0 < int(eshop_id) < limits.MAX_ESHOP_ID:
        raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % "access_token")
    return Grant(token, int(eshop_id), str(told.get("eshopUrl") or "")[:300])


def _told(grant_body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(grant_body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def fetch_access_token(*, url: str, oauth_token: str) -> AccessToken:
    """Return a new access token of an add-on; the shop lets five be alive at a time.

    Raises InvalidToken when the shop does not know the add-on any more, RateLimited when five are alive, and
    TokenUncertain when one may have been made all the same. Source: the vendor's SDK, Authorization/OAuth.php.
    """
    seconds, headers = limits.TOKEN_TIMEOUT_SECONDS, {"Authorization": f"Bearer {oauth_token}"}
    try:
        with (
            new_pool(read_seconds=seconds, connect_seconds=limits.CONNECT_TIMEOUT_SECONDS) as pool,
            answered(pool, "GET", url, headers=headers) as response,
        ):
            token_body = read_body(response, max_bytes=limits.MAX_TOKEN_BYTES, seconds=seconds)
    except (http_errors.NewConnectionError, http_errors.ConnectTimeoutError) as error:
        raise TemporaryShoptetError(_("The shop cannot be reached: %s") % type(error).__name__) from None
    except http_errors.HTTPError as error:
        raise TokenUncertain(_("The shop cannot be reached: %s") % type(error).__name__) from None
    _check_token_answer(response.status, token_body)
    return _read_access_token(token_body)


def _check_token_answer(status: int, token_body: bytes) -> None:
    if status == HTTPStatus.UNAUTHORIZED:
        raise InvalidToken(
            _("The shop does not know the add-on's token. Install the add-on again and enter its token.")
        )
    if b"maximum_tokens_reached" in token_body:
        raise RateLimited(clock.now() + limits.TOKENS_TAKEN_WAIT)
    if status == HTTPStatus.NOT_FOUND:
        raise PermanentShoptetError(_("There are no add-on tokens at the address given for them."))
    if status != HTTPStatus.OK:
        raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % f"HTTP {status}")


def _read_access_token(token_body: bytes) -> AccessToken:
    try:
        told = json.loads(token_body)
        text, seconds = told["access_token"], float(told.get("expires_in") or limits.TOKEN_LIVES_SECONDS)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text, seconds = None, 0.0
    if not domain.is_token(text) or not (math.isfinite(seconds) and seconds > 0):
        raise TokenUncertain(_("The shop answered something unexpected (%s).") % "access_token")
    return AccessToken(text, clock.now() + timedelta(seconds=min(seconds, limits.TOKEN_LIVES_SECONDS)))

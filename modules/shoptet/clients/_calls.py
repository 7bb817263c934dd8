"""One request to a shop's API and its answer: connections, token, tries, limits, errors."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol, Self

from django.utils.translation import gettext as _
from urllib3 import BaseHTTPResponse
from urllib3 import exceptions as http_errors

from modules.kernel import clock
from modules.kernel.http import AnswerTooLong, answered, new_pool, ran_out_of_time, read_body
from modules.shoptet import domain
from modules.shoptet.clients import limits
from modules.shoptet.clients._errors import (
    InvalidToken,
    LooksUsedUp,
    NoRights,
    PermanentShoptetError,
    RateLimited,
    ShoptetError,
    TemporaryShoptetError,
    TokenEnded,
    WebhookMissing,
    WebhookTaken,
)

_HEADERS = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the shop said: `data` of the envelope, None for what does not exist (404); `at` is the shop's time."""

    data: Any
    at: datetime


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token that an add-on may call with until `ends_at` (aware)."""

    text: str = field(repr=False)
    ends_at: datetime


class AccessTokens(Protocol):
    """Where a client of an add-on takes its tokens from; used by several threads."""

    def token(self) -> str:
        """Return one that is good for the next call. Raises ShoptetError."""

    def renew(self, ended: str) -> str:
        """Return another one than `ended`, which the shop refused. Raises ShoptetError."""


class ShopCalls:
    """Calls to one shop over at most two kept connections; close it, or use it as a context manager.

    `token` is a private API token, or where those of an add-on come from. Safe to share between threads: once the
    shop asked one of them for a pause, no other calls it either.
    """

    def __init__(self, *, base_url: str, token: str | AccessTokens) -> None:
        self._base_url = base_url.rstrip("/")
        self._pause: RateLimited | None = None
        self._token = token
        self._pool = new_pool(
            read_seconds=limits.READ_TIMEOUT_SECONDS,
            connect_seconds=limits.CONNECT_TIMEOUT_SECONDS,
            connections=limits.CONNECTIONS,
        )

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._pool.clear()

    def _existing(self, path: str, query: Mapping[str, str]) -> Answer:
        answer = self._get(path, query)
        if answer.data is None:
            raise PermanentShoptetError(_("There is no Shoptet API at the address of the shop."))
        return answer

    def _get(self, path: str, query: Mapping[str, str]) -> Answer:
        return self._call("GET", path, query, None)

    def _call(self, method: str, path: str, query: Mapping[str, str], content: Any) -> Answer:
        for pause in limits.PAUSES_SECONDS:
            try:
                return self._call_once(method, path, query, content)
            except _Busy:
                time.sleep(pause)
        return self._call_once(method, path, query, content)

    def _call_once(self, method: str, path: str, query: Mapping[str, str], content: Any) -> Answer:
        if self._pause:
            raise RateLimited(self._pause.retry_at)
        try:
            return self._call_with_token(method, path, query, content)
        except RateLimited as error:
            self._pause = error
            raise

    def _call_with_token(self, method: str, path: str, query: Mapping[str, str], content: Any) -> Answer:
        """Call with the private token, or an add-on's; one that has ended is replaced once."""
        if isinstance(self._token, str):
            return self._send(method, path, query, content, headers={"Shoptet-Private-API-Token": self._token})
        access_token = self._token.token()
        try:
            return self._send(method, path, query, content, headers={"Shoptet-Access-Token": access_token})
        except TokenEnded:
            access_token = self._token.renew(access_token)
        return self._send(method, path, query, content, headers={"Shoptet-Access-Token": access_token})

    def _send(
        self, method: str, path: str, query: Mapping[str, str], content: Any, *, headers: Mapping[str, str]
    ) -> Answer:
        url, sent = self._base_url + path, None if content is None else json.dumps(content).encode()
        try:
            with answered(self._pool, method, url, query=query, headers={**_HEADERS, **headers}, body=sent) as response:
                body = read_body(response, max_bytes=limits.MAX_BODY_BYTES, seconds=limits.ANSWER_TIMEOUT_SECONDS)
        except AnswerTooLong:
            raise TemporaryShoptetError(_("The shop sent an answer that is too long.")) from None
        except http_errors.HTTPError as error:  # its text names hosts and errors, never a header
            if ran_out_of_time(error):
                raise TemporaryShoptetError(_("The shop did not answer in time.")) from None
            raise _Busy(_("The shop cannot be reached: %s") % (error or type(error).__name__)) from None
        _keep_pace(response)
        return Answer(_data(response, body), _shop_time(response))


class _Busy(TemporaryShoptetError):
    """Worth a second try at once."""


def _keep_pace(response: BaseHTTPResponse) -> None:
    filled, _slash, size = response.headers.get("X-RateLimit-Bucket-Filling", "").partition("/")
    if filled.isdecimal() and size.isdecimal() and int(filled) > limits.FULL_BUCKET * int(size):
        time.sleep(limits.PACE_SECONDS)


def _shop_time(response: BaseHTTPResponse) -> datetime:
    """Return the shop's time, but never a moment that is yet to come here: a cursor must not run ahead."""
    return min(domain.read_http_date(response.headers.get("Date", "")) or clock.now(), clock.now())


def _data(response: BaseHTTPResponse, body: bytes) -> Any:
    """Return `data` of the envelope (never None), or None for a 404 that the API itself gave."""
    status = response.status
    if status in limits.DONE_STATUSES:
        data = _envelope(body).get("data")
        if not isinstance(data, dict):
            raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % "data")
        return data
    if status == HTTPStatus.NOT_FOUND and _envelope(body).get("errors"):
        return None
    raise _refusal(response, body)


def _envelope(body: bytes) -> Mapping[str, Any]:
    try:
        envelope = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise _Busy(_("The shop sent an answer that is cut off or damaged.")) from None
    if not isinstance(envelope, dict):
        raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % type(envelope).__name__)
    return envelope


def _no_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are no JSON


def _refusal(response: BaseHTTPResponse, body: bytes) -> ShoptetError:
    status = response.status
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        now, there = clock.now(), domain.read_http_date(response.headers.get("Date", ""))
        return RateLimited(domain.retry_at(response.headers.get("Retry-After"), now=now, shop_time=there or now))
    if status in limits.BUSY_STATUSES:
        return _Busy(_("The shop is busy or under maintenance (HTTP %s).") % status)
    return _final_refusal(status, body) or TemporaryShoptetError(
        _("The shop answered something unexpected (%s).") % f"HTTP {status}"
    )


def _final_refusal(status: int, body: bytes) -> PermanentShoptetError | None:
    if status == HTTPStatus.UNAUTHORIZED:
        kind = TokenEnded if _error_code(body) == "expired-token" else InvalidToken
        return kind(_("The shop refuses the API token. Create a new one in Shoptet and enter it here."))
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden_for(body) or NoRights(
            _("The API token may not read this. Give it the right in Shoptet's administration.")
        )
    if status == HTTPStatus.UNPROCESSABLE_ENTITY and "already exists" in _first_error(body):
        return WebhookTaken(_("Somebody else is told of this shop's events already."))
    if status == HTTPStatus.BAD_REQUEST:
        return PermanentShoptetError(_("The shop refused the request: %s") % _first_error(body))
    return None


def _first_error(body: bytes) -> str:
    try:
        return str(json.loads(body)["errors"][0]["message"])[:300]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return "HTTP 400"


def _error_code(body: bytes) -> str:
    try:
        return str(json.loads(body)["errors"][0]["errorCode"])
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return ""


def _forbidden_for(body: bytes) -> PermanentShoptetError | None:
    """Return why a call is forbidden when it is not for want of rights."""
    code = _error_code(body)
    if code == "required-webhook-registration":
        return WebhookMissing(_("The shop makes no snapshots until it may tell us that one is ready."))
    if code == "missing-module":
        return PermanentShoptetError(_("The shop's plan has no module for this."))
    if code == "job-detail-try-counter-exceeded-limit":
        return LooksUsedUp(_("The shop did not finish its snapshot in time."))
    return None

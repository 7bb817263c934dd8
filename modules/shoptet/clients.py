"""The Shoptet API of one shop, read only but for webhooks: https://api.docs.shoptet.com.

Every call has a timeout, a size limit and a typed error. The token is in no error and no log line.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, Self
from urllib.parse import quote, urlsplit

import httpx
from django.utils.translation import gettext as _

from modules.kernel import clock
from modules.orders.domain import StatusFacts, UnreadableOrder
from modules.shoptet import domain

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 20.0
ANSWER_TIMEOUT_SECONDS = 60.0  # for the whole body: one that drips in never runs into the read timeout
MAX_BODY_BYTES = 16 * 1024 * 1024
TOKEN_TIMEOUT_SECONDS = 15.0  # all that a fetch of an access token takes: others wait for it
MAX_TOKEN_BYTES = 64 * 1024
EXCHANGE_TIMEOUT_SECONDS = 4.0  # the vendor waits 5 for the answer to an installation
MAX_ESHOP_ID = 2**63
TOKEN_LIVES_SECONDS = 1800  # as the vendor says; an answer may say less
TOKENS_TAKEN_WAIT = timedelta(minutes=5)  # one of five that somebody else fetched ends within half an hour
DOWNLOAD_TIMEOUT_SECONDS = 25 * 60.0
DOWNLOAD_CHUNK_BYTES = 256 * 1024
ORDERS_PER_PAGE = 50  # the maximum; 100 is refused
CUSTOMERS_PER_PAGE, CUSTOMER_CHANGES_PER_PAGE = 1000, 20  # the maxima
STOCK_PER_PAGE = 1000  # the maximum
CHANGES_PER_PAGE = 1000  # the maximum
PRODUCTS_PER_PAGE = 1000  # the maximum
CATEGORIES_PER_PAGE = 1000  # the maximum
CONNECTIONS = 2  # the API takes 3 per token and somebody else may hold one
DONE_STATUSES = {httpx.codes.OK, httpx.codes.CREATED, httpx.codes.ACCEPTED}
BUSY_STATUSES = {423, 500, 502, 503, 504}
PAUSES_SECONDS = (0.2, 1.0)  # before the second and the third try of a call that a busy shop refused
FULL_BUCKET = 0.75  # from here on calls go no faster than the bucket drains: 10 a second
PACE_SECONDS = CONNECTIONS / 10


class ShoptetError(Exception):
    """The shop did not give what was asked for; the text is for the shop's owner."""


class TemporaryShoptetError(ShoptetError):
    """The same call may succeed later."""


class RateLimited(ShoptetError):
    """The shop asks for a pause until `retry_at` (aware)."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__(_("The shop asks for fewer requests; the work goes on by itself."))
        self.retry_at = retry_at


class PermanentShoptetError(ShoptetError):
    """The same call will fail until somebody changes something."""


class InvalidToken(PermanentShoptetError):
    """The shop does not know the token, or no longer."""


class TokenEnded(InvalidToken):
    """The access token of an add-on has had its half hour, or was withdrawn."""


class TokenUncertain(TemporaryShoptetError):
    """The shop may have given an access token that did not reach us: it counts as one of the five."""


class CodeRefused(PermanentShoptetError):
    """The OAuth server does not take the code of an installation: used, expired, or never given."""


class NoRights(PermanentShoptetError):
    """The token is known, but not allowed to do this."""


class WebhookMissing(PermanentShoptetError):
    """The shop makes no snapshots until somebody registered for `job:finished`."""


class WebhookTaken(PermanentShoptetError):
    """One of the events has an address already, and only one is possible."""


class LooksUsedUp(PermanentShoptetError):
    """The shop's unfinished job was looked at ten times, which is all."""


class LinkExpired(ShoptetError):
    """The link to a snapshot's file leads nowhere any more."""


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


@dataclass(frozen=True, slots=True)
class Grant:
    """What an installation gives: the permanent token, and whose it is."""

    token: str = field(repr=False)
    eshop_id: int
    eshop_url: str


class AccessTokens(Protocol):
    """Where a client of an add-on takes its tokens from; used by several threads."""

    def token(self) -> str:
        """Return one that is good for the next call. Raises ShoptetError."""

    def renew(self, ended: str) -> str:
        """Return another one than `ended`, which the shop refused. Raises ShoptetError."""


class ShoptetClient:
    """Calls to one shop over at most two kept connections; close it, or use it as a context manager.

    `token` is a private API token, or where those of an add-on come from. Safe to share between threads: once the
    shop asked one of them for a pause, no other calls it either.
    """

    def __init__(self, *, base_url: str, token: str | AccessTokens) -> None:
        self._base_url = base_url.rstrip("/")
        self._pause: RateLimited | None = None
        self._token = token
        self._http = httpx.Client(
            headers={"Content-Type": "application/json"},
            timeout=httpx.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS),
            limits=httpx.Limits(max_connections=CONNECTIONS),
            follow_redirects=False,  # another address must not be given the token
            trust_env=False,
        )

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._http.close()

    def eshop(self) -> tuple[domain.EshopFacts, datetime]:
        """Return what the shop says about itself, with its order statuses, and the shop's time."""
        answer = self._existing("/api/eshop", {"include": "orderStatuses"})
        with _unexpected_unless_readable():
            return domain.read_eshop(answer.data), answer.at

    def order_page(self, *, window: domain.Window, page: int) -> domain.Page | None:
        """Return a page of at most 50 orders whose last change lies in `window`; the order of rows is undefined.

        None for a page after the last one, which some shops answer with 404: the list became shorter.
        """
        return self._order_page("changeTime", window=window, page=page)

    def orders_made(self, *, window: domain.Window, page: int) -> domain.Page | None:
        """Return a page as `order_page` does, of orders that were made in `window`."""
        return self._order_page("creationTime", window=window, page=page)

    def _order_page(self, time: str, *, window: domain.Window, page: int) -> domain.Page | None:
        query = {f"{time}To": domain.format_time(window.changed_to)}
        if window.changed_from:
            query[f"{time}From"] = domain.format_time(window.changed_from)
        ask = self._existing if page == 1 else self._get
        answer = ask("/api/orders", query | {"itemsPerPage": str(ORDERS_PER_PAGE), "page": str(page)})
        if answer.data is None:
            return None
        with _unexpected_unless_readable():
            return domain.read_page(answer.data, rows="orders")

    def orders_of(self, codes: Sequence[str]) -> list[domain.ListedOrder]:
        """Return the list's rows of these orders, at most 50; what the shop has not, or cannot tell, is left out."""
        asked = [code for code in codes if "," not in code and code.strip() == code]  # others cannot be named there
        if not asked:
            return []
        query = {"orderCodes": ",".join(asked), "itemsPerPage": str(ORDERS_PER_PAGE)}
        answer = self._existing("/api/orders", query)
        with _unexpected_unless_readable():
            return [domain.read_listed(row) for row in domain.read_page(answer.data, rows="orders").rows]

    def order_statuses(self) -> tuple[StatusFacts, ...]:
        """Return the statuses that the shop's orders may have."""
        answer = self._existing("/api/orders/statuses", {})
        with _unexpected_unless_readable():
            return domain.read_statuses(answer.data)

    def stocks(self) -> list[int]:
        """Return the numbers of the shop's stocks."""
        answer = self._existing("/api/stocks", {})
        with _unexpected_unless_readable():
            return domain.read_stock_ids(answer.data)

    def supplies_page(self, stock_id: int, *, page: int) -> domain.Page | None:
        """Return a page of at most 1,000 variants with what a stock has of each; None after the last page."""
        return self._stock_page(f"{stock_id}/supplies", {}, rows="supplies", page=page)

    def movements_page(self, stock_id: int, *, last_id: int, page: int) -> domain.Page | None:
        """Return a page of at most 1,000 movements in a stock after `last_id`; None after the last page."""
        return self._stock_page(f"{stock_id}/movements", {"lastId": str(last_id)}, rows="movements", page=page)

    def last_movement_id(self, stock_id: int) -> int:
        """Return the number of the last movement in a stock, 0 when there was none."""
        answer = self._get(f"/api/stocks/{stock_id}/movements/last", {})
        with _unexpected_unless_readable():
            return 0 if answer.data is None else domain.read_last_id(answer.data)

    def _stock_page(self, path: str, query: Mapping[str, str], *, rows: str, page: int) -> domain.Page | None:
        paging = {"itemsPerPage": str(STOCK_PER_PAGE), "page": str(page)}
        answer = self._get(f"/api/stocks/{path}", {**query, **paging})
        if answer.data is None:
            return None
        with _unexpected_unless_readable():
            return domain.read_page(answer.data, rows=rows)

    def customer_page(self, *, page: int) -> tuple[domain.Page | None, datetime]:
        """Return a page of at most 1,000 registered customers, None after the last one, and the shop's time."""
        query = {"itemsPerPage": str(CUSTOMERS_PER_PAGE), "page": str(page)}
        return self._customer_page("/api/customers", query, rows="customers")

    def customer_changes_page(self, *, since: datetime, page: int) -> tuple[domain.Page | None, datetime]:
        """Return a page of at most 20 customers changed since `since` (30 days back at most), and the shop's time."""
        query = {"from": domain.format_time(since), "itemsPerPage": str(CUSTOMER_CHANGES_PER_PAGE), "page": str(page)}
        return self._customer_page("/api/customers/changes", query, rows="changes")

    def _customer_page(self, path: str, query: Mapping[str, str], *, rows: str) -> tuple[domain.Page | None, datetime]:
        ask = self._existing if query["page"] == "1" else self._get
        answer = ask(path, query)
        if answer.data is None:
            return None, answer.at
        with _unexpected_unless_readable():
            return domain.read_page(answer.data, rows=rows), answer.at

    def customer(self, guid: str) -> Answer:
        """Return a customer's detail, still unread (`data.customer`); data None when the shop says there is none."""
        answer = self._get(f"/api/customers/{quote(guid, safe='')}", {})
        record = answer.data.get("customer") if isinstance(answer.data, dict) else answer.data
        return Answer(record, answer.at)

    def deletion_page(self, *, since: datetime, page: int) -> tuple[domain.Page, datetime]:
        """Return a page of at most 1,000 orders deleted since `since` (30 days back at most), and the shop's time."""
        query = {"from": domain.format_time(since), "changeType": "delete"}
        answer = self._existing(
            "/api/orders/changes", query | {"itemsPerPage": str(CHANGES_PER_PAGE), "page": str(page)}
        )
        with _unexpected_unless_readable():
            return domain.read_page(answer.data, rows="changes"), answer.at

    def order(self, code: str) -> Answer:
        """Return an order's detail, still unread (`data.order`); data None when the shop says there is none."""
        answer = self._get(f"/api/orders/{quote(code, safe='')}", {})
        record = answer.data.get("order") if isinstance(answer.data, dict) else answer.data
        return Answer(record, answer.at)

    def product_page(self, *, window: domain.Window | None, page: int) -> domain.Page:
        """Return a page of at most 1,000 products whose last change lies in `window`; the order is undefined.

        None is every product, also one whose change has no time.
        """
        query = {"changeTimeTo": domain.format_time(window.changed_to)} if window else {}
        if window and window.changed_from:
            query["changeTimeFrom"] = domain.format_time(window.changed_from)
        return self._page("/api/products", query, page=page, size=PRODUCTS_PER_PAGE, rows="products")[0]

    def product_deletion_page(self, *, since: datetime, page: int) -> tuple[domain.Page, datetime]:
        """Return a page of at most 1,000 products deleted since `since` (30 days back at most), and the shop's time."""
        query = {"from": domain.format_time(since), "changeType": "delete"}
        return self._page("/api/products/changes", query, page=page, size=CHANGES_PER_PAGE, rows="changes")

    def product(self, guid: str) -> Answer:
        """Return a product's detail with its categories, still unread and flat; data None when there is none."""
        return self._get(f"/api/products/{quote(guid, safe='')}", {"include": "allCategories"})

    def category_page(self, *, page: int) -> domain.Page:
        """Return a page of at most 1,000 categories."""
        return self._page("/api/categories", {}, page=page, size=CATEGORIES_PER_PAGE, rows="categories")[0]

    def _page(
        self, path: str, query: Mapping[str, str], *, page: int, size: int, rows: str
    ) -> tuple[domain.Page, datetime]:
        """Return a page, an empty one for one after the last, which some shops answer with 404."""
        ask = self._existing if page == 1 else self._get
        answer = ask(path, {**query, "itemsPerPage": str(size), "page": str(page)})
        if answer.data is None:
            return domain.Page((), page, 0, 0), answer.at
        with _unexpected_unless_readable():
            return domain.read_page(answer.data, rows=rows), answer.at

    def request_snapshot(self, path: str, query: Mapping[str, str]) -> tuple[str, datetime]:
        """Let the shop make a snapshot; return its job's id and the shop's time. Raises WebhookMissing."""
        answer = self._existing(path, query)
        job_id = answer.data.get("jobId")
        if not isinstance(job_id, str) or not 0 < len(job_id) <= domain.MAX_KEY_LENGTH:
            raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % "jobId")
        return job_id, answer.at

    def job(self, job_id: str) -> domain.SnapshotJob | None:
        """Return how far the shop's job is, None when it knows none. Raises LooksUsedUp."""
        answer = self._get(f"/api/system/jobs/{quote(job_id, safe='')}", {})
        with _unexpected_unless_readable():
            return None if answer.data is None else domain.read_job(answer.data)

    def register_webhooks(self, *, url: str, events: Sequence[str]) -> None:
        """Ask to be told of `events` at `url`. Raises WebhookTaken, and then none is registered."""
        self._call("POST", "/api/webhooks", {}, {"data": [{"event": event, "url": url} for event in events]})

    def webhooks(self) -> dict[str, str]:
        """Return the address of each event that is registered."""
        answer = self._existing("/api/webhooks", {"itemsPerPage": "500"})
        rows = answer.data.get("webhooks") or []
        return {str(row.get("event")): str(row.get("url")) for row in rows if isinstance(row, dict)}

    def renew_signature_key(self) -> str:
        """Return a new key that webhooks are signed with from now on; each call makes another one."""
        answer = self._call("POST", "/api/webhooks/renew-signature-key", {}, None)
        key = answer.data.get("signatureKey") if answer.data else None
        if not isinstance(key, str) or not key:
            raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % "signatureKey")
        return key

    def _existing(self, path: str, query: Mapping[str, str]) -> Answer:
        answer = self._get(path, query)
        if answer.data is None:
            raise PermanentShoptetError(_("There is no Shoptet API at the address of the shop."))
        return answer

    def _get(self, path: str, query: Mapping[str, str]) -> Answer:
        return self._call("GET", path, query, None)

    def _call(self, method: str, path: str, query: Mapping[str, str], content: Any) -> Answer:
        for pause in PAUSES_SECONDS:
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
        url = self._base_url + path
        try:
            with self._http.stream(method, url, params=query, json=content, headers=headers) as response:
                body = _body(response, max_bytes=MAX_BODY_BYTES, seconds=ANSWER_TIMEOUT_SECONDS)
        except httpx.TimeoutException:
            raise TemporaryShoptetError(_("The shop did not answer in time.")) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:  # its text names hosts and errors, never a header
            raise _Busy(_("The shop cannot be reached: %s") % (error or type(error).__name__)) from None
        _keep_pace(response)
        return Answer(_data(response, body), _shop_time(response))


class _Busy(TemporaryShoptetError):
    """Worth a second try at once."""


@contextmanager
def _unexpected_unless_readable() -> Iterator[None]:
    try:
        yield
    except (UnreadableOrder, RecursionError) as error:
        raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % error) from None


def _body(response: httpx.Response, *, max_bytes: int, seconds: float) -> bytes:
    deadline, size, chunks = time.monotonic() + seconds, 0, []
    for chunk in response.iter_bytes():
        size += len(chunk)
        chunks.append(chunk)
        if size > max_bytes:
            raise TemporaryShoptetError(_("The shop sent an answer that is too long."))
        if time.monotonic() > deadline:
            raise TemporaryShoptetError(_("The shop did not answer in time."))
    return b"".join(chunks)


def _keep_pace(response: httpx.Response) -> None:
    filled, _slash, size = response.headers.get("X-RateLimit-Bucket-Filling", "").partition("/")
    if filled.isdecimal() and size.isdecimal() and int(filled) > FULL_BUCKET * int(size):
        time.sleep(PACE_SECONDS)


def _shop_time(response: httpx.Response) -> datetime:
    """Return the shop's time, but never a moment that is yet to come here: a cursor must not run ahead."""
    return min(domain.read_http_date(response.headers.get("Date", "")) or clock.now(), clock.now())


def _data(response: httpx.Response, body: bytes) -> Any:
    """Return `data` of the envelope (never None), or None for a 404 that the API itself gave."""
    status = response.status_code
    if status in DONE_STATUSES:
        data = _envelope(body).get("data")
        if not isinstance(data, dict):
            raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % "data")
        return data
    if status == httpx.codes.NOT_FOUND and _envelope(body).get("errors"):
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


def _refusal(response: httpx.Response, body: bytes) -> ShoptetError:
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        now, there = clock.now(), domain.read_http_date(response.headers.get("Date", ""))
        return RateLimited(domain.retry_at(response.headers.get("Retry-After"), now=now, shop_time=there or now))
    if status in BUSY_STATUSES:
        return _Busy(_("The shop is busy or under maintenance (HTTP %s).") % status)
    return _final_refusal(status, body) or TemporaryShoptetError(
        _("The shop answered something unexpected (%s).") % f"HTTP {status}"
    )


def _final_refusal(status: int, body: bytes) -> PermanentShoptetError | None:
    if status == httpx.codes.UNAUTHORIZED:
        kind = TokenEnded if _error_code(body) == "expired-token" else InvalidToken
        return kind(_("The shop refuses the API token. Create a new one in Shoptet and enter it here."))
    if status == httpx.codes.FORBIDDEN:
        return _forbidden_for(body) or NoRights(
            _("The API token may not read this. Give it the right in Shoptet's administration.")
        )
    if status == httpx.codes.UNPROCESSABLE_ENTITY and "already exists" in _first_error(body):
        return WebhookTaken(_("Somebody else is told of this shop's events already."))
    if status == httpx.codes.BAD_REQUEST:
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


def exchange_code(*, url: str, client_id: str, client_secret: str, code: str, redirect_uri: str) -> Grant:
    """Return what the code of an installation stands for. It can be exchanged once.

    Raises CodeRefused for one that the server does not know, PermanentShoptetError where it does not know us, and
    TemporaryShoptetError, after 4 seconds at most. Source: the vendor's install/install.php, and RFC 6749.
    """
    asked = {"grant_type": "authorization_code", "code": code, "client_id": client_id, "scope": "api"}
    asked |= {"redirect_uri": redirect_uri} | ({"client_secret": client_secret} if client_secret else {})
    timeout = httpx.Timeout(EXCHANGE_TIMEOUT_SECONDS / 2)
    try:
        with httpx.stream(
            "POST", url, data=asked, timeout=timeout, follow_redirects=False, trust_env=False
        ) as response:
            grant_body = _body(response, max_bytes=MAX_TOKEN_BYTES, seconds=EXCHANGE_TIMEOUT_SECONDS / 2)
    except (httpx.HTTPError, httpx.InvalidURL) as error:  # its text names hosts and errors, never what was sent
        raise TemporaryShoptetError(_("The shop cannot be reached: %s") % type(error).__name__) from None
    _check_exchange(response.status_code, grant_body)
    return _read_grant(grant_body)


def _check_exchange(status: int, grant_body: bytes) -> None:
    error = _told(grant_body).get("error")
    if error == "invalid_grant":
        raise CodeRefused(_("The OAuth server does not know this code; install the add-on again."))
    if error in {"invalid_client", "unauthorized_client"}:
        raise PermanentShoptetError(_("The OAuth server does not know the add-on: check its client id and secret."))
    if status != httpx.codes.OK:
        raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % f"HTTP {status}")


def _read_grant(grant_body: bytes) -> Grant:
    told = _told(grant_body)
    token, eshop_id = str(told.get("access_token") or ""), str(told.get("eshopId"))
    if not domain.is_token(token) or not eshop_id.isdecimal() or not 0 < int(eshop_id) < MAX_ESHOP_ID:
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
    timeout = httpx.Timeout(TOKEN_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
    headers = {"Authorization": f"Bearer {oauth_token}"}
    try:
        with httpx.stream(
            "GET", url, headers=headers, timeout=timeout, follow_redirects=False, trust_env=False
        ) as response:
            token_body = _body(response, max_bytes=MAX_TOKEN_BYTES, seconds=TOKEN_TIMEOUT_SECONDS)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise TemporaryShoptetError(_("The shop cannot be reached: %s") % type(error).__name__) from None
    except (httpx.HTTPError, httpx.InvalidURL, TemporaryShoptetError) as error:
        raise TokenUncertain(_("The shop cannot be reached: %s") % type(error).__name__) from None
    _check_token_answer(response.status_code, token_body)
    return _read_access_token(token_body)


def _check_token_answer(status: int, token_body: bytes) -> None:
    if status == httpx.codes.UNAUTHORIZED:
        raise InvalidToken(
            _("The shop does not know the add-on's token. Install the add-on again and enter its token.")
        )
    if b"maximum_tokens_reached" in token_body:
        raise RateLimited(clock.now() + TOKENS_TAKEN_WAIT)
    if status == httpx.codes.NOT_FOUND:
        raise PermanentShoptetError(_("There are no add-on tokens at the address given for them."))
    if status != httpx.codes.OK:
        raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % f"HTTP {status}")


def _read_access_token(token_body: bytes) -> AccessToken:
    try:
        told = json.loads(token_body)
        text, seconds = told["access_token"], float(told.get("expires_in") or TOKEN_LIVES_SECONDS)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        text, seconds = None, 0.0
    if not domain.is_token(text) or not (math.isfinite(seconds) and seconds > 0):
        raise TokenUncertain(_("The shop answered something unexpected (%s).") % "access_token")
    return AccessToken(text, clock.now() + timedelta(seconds=min(seconds, TOKEN_LIVES_SECONDS)))


def stream_result(url: str, *, may_be_plain: bool, max_bytes: int) -> Iterator[bytes]:
    """Yield the bytes behind a snapshot's link as they travel; another host, so that it is given no token.

    `may_be_plain` lets a link without https pass. Raises LinkExpired, TemporaryShoptetError (also for a file that
    ends early or goes on for more than 25 minutes), PermanentShoptetError for one over `max_bytes`.
    """
    if urlsplit(url).scheme not in ({"https", "http"} if may_be_plain else {"https"}):
        raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % "resultUrl")
    timeout = httpx.Timeout(READ_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
    try:
        with httpx.stream("GET", url, timeout=timeout, follow_redirects=False, trust_env=False) as response:
            _check_result(response)
            yield from _bounded(response, max_bytes=max_bytes)
    except httpx.TimeoutException:
        raise TemporaryShoptetError(_("The shop did not answer in time.")) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TemporaryShoptetError(_("The shop cannot be reached: %s") % type(error).__name__) from None


def _check_result(response: httpx.Response) -> None:
    if response.status_code in {401, 403, 404, 410}:
        raise LinkExpired(_("The link to the snapshot has expired."))
    if response.status_code != httpx.codes.OK:
        raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % f"HTTP {response.status_code}")


def _bounded(response: httpx.Response, *, max_bytes: int) -> Iterator[bytes]:
    """Yield the body as sent: what is packed stays packed."""
    deadline, size = time.monotonic() + DOWNLOAD_TIMEOUT_SECONDS, 0
    for chunk in response.iter_raw(DOWNLOAD_CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise PermanentShoptetError(_("The snapshot is over %d bytes.") % max_bytes)
        if time.monotonic() > deadline:
            raise TemporaryShoptetError(_("The shop did not answer in time."))
        yield chunk

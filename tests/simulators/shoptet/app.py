"""The ASGI application: every API call passes connections, token, bucket and faults, in this order."""

import json
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, unquote
from uuid import UUID

from starlette.types import ASGIApp, Receive, Scope, Send

from . import api, product_api
from .answers import ApiError, Json, Reply, envelope, html_page, oauth_answer, refusal
from .clock import write_http_date
from .delivery import deliver, hung_up
from .eshop import ESHOP_ID
from .faults import Fault, FaultKind, Faults, refusal_of, spoil
from .limits import BucketFull, Limits
from .options import Options
from .query import Query
from .request_log import LoggedRequest, RequestLog
from .selection import select_orders
from .snapshots import RESULTS_PATH, Snapshots
from .state import Shop
from .webhooks import Webhooks

OAUTH_PATH = "/action/ApiOAuthServer/getAccessToken"
EXCHANGE_PATH = "/action/ApiOAuthServer/token"
_TOKEN_HEADER, _ACCESS_HEADER = b"shoptet-private-api-token", b"shoptet-access-token"


@dataclass(frozen=True, slots=True)
class _Incoming:
    method: str
    raw_path: str
    query_string: str
    query: dict[str, str]
    token: str
    is_addon: bool
    bearer: str
    body: bytes = b""

    @classmethod
    def read(cls, scope: Scope) -> "_Incoming":
        query_string = scope["query_string"].decode("latin-1")
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        access_token, bearer = headers.get(_ACCESS_HEADER, ""), headers.get(b"authorization", "")
        token = access_token or headers.get(_TOKEN_HEADER, "")
        query = dict(parse_qsl(query_string, keep_blank_values=True))
        raw_path = scope["raw_path"].decode("latin-1")
        return cls(scope["method"], raw_path, query_string, query, token, bool(access_token), bearer)


class ShoptetApi:
    """One simulated shop over HTTP; `control` answers under /_simulator/ and meets no limit and no fault."""

    def __init__(self, shop: Shop, options: Options, control: ASGIApp | None = None) -> None:
        self.shop, self.options, self.control = shop, options, control
        self.limits = Limits(options, shop.clock)
        self.faults = Faults()
        self.log = RequestLog()
        self.result_log = RequestLog()  # of the other port, which has its own host
        self.snapshots = Snapshots(shop.clock, options)
        self.webhooks = Webhooks(shop.clock)
        shop.announce = shop.products.announce = shop.stocks.announce = self.webhooks.announce

    def reset(self) -> None:
        """Bring back the shop as opened: orders, time, tokens, buckets; no faults, an empty log."""
        self.shop.clock.reset()
        self.shop.reset()
        self.limits.reset()
        self.faults.clear()
        self.log.clear()
        self.result_log.clear()
        self.snapshots.reset()
        self.webhooks.reset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if self.control and scope["path"].startswith("/_simulator/"):
            await self.control(scope, receive, send)
            return
        if scope["path"].startswith(RESULTS_PATH):
            await self._serve_result(_Incoming.read(scope), scope, receive, send)
            return
        if scope["path"] == OAUTH_PATH:
            await self._serve_access_token(_Incoming.read(scope), scope, receive, send)
            return
        if scope["path"] == EXCHANGE_PATH:
            incoming = replace(_Incoming.read(scope), body=await _read_body(receive))
            await self._serve_exchange(incoming, scope, receive, send)
            return
        incoming, limits = replace(_Incoming.read(scope), body=await _read_body(receive)), self.limits
        connections = limits.connect(incoming.token)
        try:
            await self._serve(incoming, connections, scope, receive, send)
        finally:
            limits.disconnect(incoming.token)

    async def _serve(self, incoming: _Incoming, connections: int, scope: Scope, receive: Receive, send: Send) -> None:
        logged = self.log.add(
            incoming.method,
            path=incoming.raw_path,
            query=incoming.query_string,
            token=incoming.token,
            connections=connections,
            at=self.shop.clock.elapsed(),
        )
        if not self.limits.has_room(connections):
            logged.status = 429
            await deliver(html_page(429, "Too Many Requests"), fault=None, scope=scope, send=send)
            return
        fault, reply = await self._reply(incoming, logged, receive)
        if reply is None:
            logged.status = 499  # as nginx logs a client that did not wait
            return
        logged.status = None if fault and fault.kind is FaultKind.RESET else reply.status
        reply.headers["Date"] = write_http_date(self.shop.clock.now())
        await deliver(reply, fault=fault, scope=scope, send=send)

    async def _reply(
        self, incoming: _Incoming, logged: LoggedRequest, receive: Receive
    ) -> tuple[Fault | None, Reply | None]:
        request_id = str(UUID(int=0x019C8C3464F3_7000_8000_000000000000 + logged.number))
        headers = {"X-Request-ID": request_id}
        try:
            (self.limits.check_access_token if incoming.is_addon else self.limits.check_token)(incoming.token)
            headers |= self.limits.spend(incoming.token)
        except ApiError as error:
            extra = error.headers if isinstance(error, BucketFull) else {}
            return None, refusal(error, request_id=request_id, headers=headers | extra)
        fault = self.faults.pick(unquote(incoming.raw_path), incoming.query)
        logged.fault = fault.kind if fault else None
        if await self._client_left(fault, receive):
            return fault, None
        with self.shop.lock:
            reply = self._answer(incoming, fault, request_id)
        reply.headers |= headers
        return fault, reply

    async def _serve_access_token(self, incoming: _Incoming, scope: Scope, receive: Receive, send: Send) -> None:
        """Give an add-on a token to call with: no bucket, no connections counted, but faults."""
        at = self.shop.clock.elapsed()
        logged = self.log.add(incoming.method, path=OAUTH_PATH, query="", token="", connections=1, at=at)
        fault = self.faults.pick(OAUTH_PATH, {})
        logged.fault = fault.kind if fault else None
        if await self._client_left(fault, receive):
            logged.status = 499
            return
        reply = self._access_token(incoming.bearer, fault)
        logged.status = reply.status
        await deliver(reply, fault=fault, scope=scope, send=send)

    async def _serve_exchange(self, incoming: _Incoming, scope: Scope, receive: Receive, send: Send) -> None:
        """Give an add-on that was installed the permanent token: form in, JSON out, as RFC 6749 says."""
        logged = self.log.add(
            incoming.method, path=EXCHANGE_PATH, query="", token="", connections=1, at=self.shop.clock.elapsed()
        )
        fault = self.faults.pick(EXCHANGE_PATH, {})
        logged.fault = fault.kind if fault else None
        if await self._client_left(fault, receive):
            logged.status = 499
            return
        reply = self._exchange(dict(parse_qsl(incoming.body.decode())), fault)
        logged.status = reply.status
        await deliver(reply, fault=fault, scope=scope, send=send)

    def _exchange(self, asked: dict[str, str], fault: Fault | None) -> Reply:
        refused = refusal_of(fault, clock=self.shop.clock, request_id="") if fault else None
        if refused:
            return refused
        try:
            token = self.limits.exchange(asked)
        except ApiError as error:
            return oauth_answer({"error": error.code, "error_description": error.message}, status=error.status)
        return oauth_answer(
            {
                "access_token": token,
                "expires_in": None,
                "token_type": "Bearer",
                "scope": "api",
                "eshopId": ESHOP_ID,
                "eshopUrl": "https://simulated-shop.example/",
                "contactEmail": "owner@simulated-shop.example",
            }
        )

    def _access_token(self, bearer: str, fault: Fault | None) -> Reply:
        refused = refusal_of(fault, clock=self.shop.clock, request_id="") if fault else None
        if refused:
            return refused
        try:
            token = self.limits.issue(bearer.removeprefix("Bearer "))
        except ApiError as error:
            return oauth_answer({"error": error.code, "error_description": error.message}, status=error.status)
        return oauth_answer({"access_token": token, "expires_in": int(self.options.access_token_seconds)})

    async def _serve_result(self, incoming: _Incoming, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand out a snapshot's file: no token, no limit, but faults."""
        logged = self.result_log.add(
            incoming.method, path=incoming.raw_path, query="", token=incoming.token, connections=1, at=0
        )
        fault = self.faults.pick(incoming.raw_path, {})
        if await self._client_left(fault, receive):
            return
        reply = self._result(incoming.raw_path, fault)
        logged.status, logged.fault = reply.status, fault.kind if fault else None
        await deliver(reply, fault=fault, scope=scope, send=send)

    def _result(self, path: str, fault: Fault | None) -> Reply:
        content = self.snapshots.file(path)
        refused = refusal_of(fault, clock=self.shop.clock, request_id="") if fault else None
        if refused or content is None:
            return refused or html_page(404, "Not Found")
        is_cut = fault and fault.kind is FaultKind.TRUNCATED_JSON
        return Reply(200, content[: len(content) // 2] if is_cut else content, "application/octet-stream")

    async def _client_left(self, fault: Fault | None, receive: Receive) -> bool:
        wait = self.options.latency_seconds + (fault.seconds if fault and fault.kind is FaultKind.HANG else 0)
        return wait > 0 and await hung_up(receive, within_seconds=wait)

    def _answer(self, incoming: _Incoming, fault: Fault | None, request_id: str) -> Reply:
        refused = refusal_of(fault, clock=self.shop.clock, request_id=request_id) if fault else None
        if refused:
            return refused
        try:
            data = self._data(incoming, fault)
        except ApiError as error:
            return refusal(error, request_id=request_id, headers={})
        reply = envelope(data, request_id=request_id, status=api.status_of(incoming.method, incoming.raw_path))
        if fault and fault.kind is FaultKind.TRUNCATED_JSON:
            reply.body = reply.body[: len(reply.body) // 2]
        return reply

    def _data(self, incoming: _Incoming, fault: Fault | None) -> Json:
        endpoint, path = api.find_endpoint(incoming.method, incoming.raw_path)
        if fault:
            self._move(fault.kind, incoming)
            path = self._elsewhere(fault.kind, path)
        call = api.Call(
            self.shop, self.options, incoming.query, path, _json(incoming.body), self.snapshots, self.webhooks
        )
        data = endpoint(replace(call, fault=fault.kind if fault else None))
        if fault and fault.kind is FaultKind.TOO_BIG:
            return {**data, "padding": "x" * fault.size}
        return spoil(fault.kind, data) if fault else data

    def _move(self, kind: FaultKind, incoming: _Incoming) -> None:
        """Insert or delete an order, or a product, while somebody reads the list."""
        query = incoming.query
        if incoming.raw_path == product_api.PATH:
            self._move_product(kind)
        elif kind is FaultKind.SHIFT_BY_INSERT:
            self.shop.create()
        elif kind is FaultKind.SHIFT_BY_DELETE:
            listed = select_orders(
                self.shop,
                Query(query, known=api.ORDER_FILTERS),
                exclusive_change_time=self.options.exclusive_change_time,
            )
            if listed:
                self.shop.delete(listed[0].code)

    def _move_product(self, kind: FaultKind) -> None:
        products = self.shop.products
        if kind is FaultKind.SHIFT_BY_INSERT:
            products.create()
        elif kind is FaultKind.SHIFT_BY_DELETE and products.all():
            products.delete(products.all()[0].guid)

    def _elsewhere(self, kind: FaultKind, path: dict[str, str]) -> dict[str, str]:
        """Return the path parameters of another record when the fault is to answer with one."""
        if kind is FaultKind.OTHER_ORDER and "guid" in path:
            guids = (product.guid for product in self.shop.products.all() if product.guid != path["guid"])
            return {"guid": next(guids, path["guid"])}
        if kind is not FaultKind.OTHER_ORDER or "code" not in path:
            return path
        others = (order.code for order in self.shop.orders() if order.code != path["code"])
        return {"code": next(others, path["code"])}


async def _read_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _json(body: bytes) -> Json:
    try:
        content = json.loads(body or b"{}")
    except ValueError:
        raise ApiError(400, "invalid-json", "Request body is not a valid JSON.") from None
    return content if isinstance(content, dict) else {}

"""Serves a simulated shop on loopback from a thread of its own."""

import socket
import threading
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

import httpx
import uvicorn

from .app import OAUTH_PATH, ShoptetApi
from .bodies import Body
from .clock import ShopClock
from .control import control_of
from .delivery import ExposedProtocol
from .eshop import ESHOP_ID
from .faults import Fault, FaultKind
from .limits import AddonState, TokenState
from .options import Options
from .products import Products
from .request_log import LoggedRequest
from .state import Order, Shop
from .webhooks import Delivery


class SimulatedShop:
    """A Shoptet shop that answers at `url` to whoever shows `token`; use it with `with`.

    `port` 0 takes a free one. `now` (aware) freezes the shop's clock; `advance` moves it. `list_order`: a key of
    state.LIST_ORDERS. The same orders and options give the same answers, byte for byte.
    """

    def __init__(
        self,
        orders: Iterable[Order] = (),
        *,
        options: Options | None = None,
        now: datetime | None = None,
        list_order: str = "code_descending",
        currency_code: str = "CZK",
        port: int = 0,
    ) -> None:
        self.options = options or Options()
        self.shop = Shop(orders, clock=ShopClock(now), list_order=list_order, currency_code=currency_code)
        self.api = ShoptetApi(self.shop, self.options)
        self.api.control = control_of(self.api)
        self.token = self.options.token
        self.url = self.oauth_url = ""
        self._port = port

    def __enter__(self) -> Self:
        listener = socket.create_server(("127.0.0.1", self._port), backlog=128)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.oauth_url = self.url + OAUTH_PATH
        results = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.results_url = f"http://localhost:{results.getsockname()[1]}"  # another host and port than the API's
        self.api.snapshots.results_url = self.results_url
        self._server = uvicorn.Server(_config(self.api))
        self._thread = threading.Thread(
            target=self._server.run, args=([listener, results],), name="simulated-shop", daemon=True
        )
        self._thread.start()  # calls that come before the loop runs wait in the listener's backlog
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()

    def create_order(self, changes: Body | None = None, *, total: Decimal = Decimal("242.00")) -> str:
        """Add an order; return its code. See Shop.create."""
        return self.shop.create(changes, total=total)

    def edit_order(self, code: str, changes: Body, *, changed_at: datetime | None = None) -> None:
        """Lay `changes` over an order. See Shop.edit."""
        self.shop.edit(code, changes, changed_at=changed_at)

    def cancel_order(self, code: str) -> None:
        self.shop.cancel(code)

    def delete_order(self, code: str) -> None:
        self.shop.delete(code)

    @property
    def products(self) -> Products:
        """What the shop sells; to be read and changed."""
        return self.shop.products

    def inject(self, kind: FaultKind | str, **matching: Any) -> Fault:
        """Let calls fail from now on; returns the fault, which counts what it `struck`. Arguments: see Fault."""
        return self.api.faults.add(Fault(kind=FaultKind(kind), **matching))

    def clear_faults(self) -> None:
        self.api.faults.clear()

    def set_token(self, token: str, state: TokenState) -> None:
        """Add a token, or change what one may do, from the next call on."""
        self.api.limits.tokens[token] = state

    def end_access_tokens(self) -> None:
        """Let every access token that add-ons were given be one that has ended."""
        self.api.limits.end_access_tokens()

    def install_addon(self, url: str) -> int:
        """Install the add-on whose install address is `url`, as the vendor does; return the status of the answer."""
        return self.call_installation(url, self.api.limits.give_code())

    def call_installation(self, url: str, code: str) -> int:
        """Call an install address with a code; five seconds are all that it is given."""
        return httpx.get(url, params={"code": code}, timeout=5, trust_env=False).status_code

    def set_addon(self, state: AddonState | str, *, tell: str) -> None:
        """Suspend, approve or uninstall the add-on, and tell whoever registered for the event `tell`."""
        self.api.limits.addon = AddonState(state)
        self.api.webhooks.announce(tell, str(ESHOP_ID))

    def advance(self, seconds: float) -> None:
        """Move the shop's clock on; buckets leak meanwhile."""
        self.shop.clock.advance(seconds)

    def requests(self, *, after: int = 0) -> list[LoggedRequest]:
        """Return the API calls so far, in their order; `after` a number leaves out the earlier ones."""
        return self.api.log.requests(after=after)

    def result_requests(self) -> list[LoggedRequest]:
        """Return the calls for snapshots' files: what came to the other host, whatever it carried."""
        return self.api.result_log.requests()

    def deliver_webhooks(self) -> list[Delivery]:
        """Send the webhooks of what happened since the last call; return them with the status each got."""
        for job_id in self.api.snapshots.finished():
            self.api.webhooks.announce("job:finished", job_id)
        return self.api.webhooks.deliver()

    def reset(self) -> None:
        """Bring back the shop as opened: orders, time, tokens, buckets; no faults, an empty log.

        Cheaper than opening another: closing a server takes 0.2 s.
        """
        self.api.reset()


def _config(api: ShoptetApi) -> uvicorn.Config:
    return uvicorn.Config(
        api,
        http=ExposedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # the shop's clock writes it
        timeout_graceful_shutdown=0,  # a hanging answer must not keep a test waiting
    )

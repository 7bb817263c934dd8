from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.simulators.shoptet import SimulatedShop

NOON = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)  # 12:00 in Prague

OpenShop = Callable[..., SimulatedShop]
Connect = Callable[[SimulatedShop], httpx.Client]


@pytest.fixture
def open_shop() -> Iterator[OpenShop]:
    """Open empty shops whose clock stands at noon, unless told otherwise; they close with the test."""
    with ExitStack() as stack:
        yield lambda *orders, **how: stack.enter_context(SimulatedShop(*orders, **{"now": NOON, **how}))


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make clients that show the shop's token over one kept connection."""
    with ExitStack() as stack:

        def client(shop: SimulatedShop) -> httpx.Client:
            headers = {"Shoptet-Private-API-Token": shop.token}
            return stack.enter_context(httpx.Client(base_url=shop.url, headers=headers, timeout=10))

        yield client


@pytest.fixture(scope="module")
def _running_shop() -> Iterator[SimulatedShop]:
    with SimulatedShop(now=NOON) as running:
        yield running


@pytest.fixture
def shop(_running_shop: SimulatedShop) -> SimulatedShop:
    _running_shop.reset()
    return _running_shop


@pytest.fixture
def client(shop: SimulatedShop, connect: Connect) -> httpx.Client:
    return connect(shop)


@pytest.fixture
def codes_of(client: httpx.Client) -> Callable[..., list[str]]:
    """List the codes of GET /api/orders with these parameters, one page."""

    def codes(**parameters: Any) -> list[str]:
        answer = client.get("/api/orders", params=parameters).raise_for_status()
        return [order["code"] for order in answer.json()["data"]["orders"]]

    return codes

"""Tokens, connections at once, the leaky bucket."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.simulators.shoptet import Options, SimulatedShop, TokenState

from .conftest import Connect, OpenShop

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        (None, 401, "missing-access-token"),
        ("somebody-elses", 401, "invalid-token"),
        ("old", 401, "expired-token"),
        ("stranger", 403, "invalid-token-no-rights"),
    ],
)
def test_a_call_needs_a_token_with_rights(shop: SimulatedShop, token: str | None, status: int, code: str) -> None:
    shop.set_token("old", TokenState.EXPIRED)
    shop.set_token("stranger", TokenState.WITHOUT_RIGHTS)

    answer = httpx.get(f"{shop.url}/api/orders", headers={"shoptet-private-api-token": token} if token else {})

    assert (answer.status_code, answer.json()["data"]) == (status, None)
    assert [error["errorCode"] for error in answer.json()["errors"]] == [code]


def test_a_bearer_token_is_no_token(shop: SimulatedShop) -> None:
    answer = httpx.get(f"{shop.url}/api/orders", headers={"Authorization": f"Bearer {shop.token}"})

    assert (answer.status_code, answer.json()["errors"][0]["errorCode"]) == (401, "missing-access-token")


def test_a_fourth_call_at_once_is_turned_away_without_headers(open_shop: OpenShop, connect: Connect) -> None:
    shop = open_shop(options=Options(latency_seconds=0.6))
    client = connect(shop)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.get("/api/eshop"), range(4)))

    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 429]
    turned_away = next(answer for answer in answers if answer.status_code == 429)
    assert {"retry-after", "x-ratelimit-bucket-filling"}.isdisjoint(turned_away.headers)
    assert [request.connections for request in shop.requests()] == [1, 2, 3, 4]
    assert client.get("/api/eshop").status_code == 200


def test_connections_are_counted_per_token(open_shop: OpenShop) -> None:
    shop = open_shop(options=Options(latency_seconds=0.3, connections=1))
    shop.set_token("second", TokenState.VALID)

    def call(token: str) -> int:
        return httpx.get(f"{shop.url}/api/eshop", headers={"shoptet-private-api-token": token}).status_code

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(call, [shop.token, "second"])) == [200, 200]


def test_a_client_that_hangs_up_frees_its_connection(open_shop: OpenShop, connect: Connect) -> None:
    shop = open_shop(options=Options(connections=1))
    shop.inject("hang", seconds=30)
    with pytest.raises(httpx.ReadTimeout):
        connect(shop).get("/api/eshop", timeout=0.2)
    wait_until_status(shop, 499)

    assert connect(shop).get("/api/eshop").status_code == 200


def wait_until_status(shop: SimulatedShop, status: int) -> None:
    deadline = time.monotonic() + 5
    while shop.requests()[-1].status != status:
        assert time.monotonic() < deadline, "the server did not notice"
        threading.Event().wait(0.01)


def test_the_connection_limit_can_be_switched_off(open_shop: OpenShop, connect: Connect) -> None:
    client = connect(open_shop(options=Options(latency_seconds=0.3, connections=None)))

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(lambda _: client.get("/api/eshop").status_code, range(5))) == [200] * 5


def test_each_answer_tells_how_full_the_bucket_is(open_shop: OpenShop, connect: Connect) -> None:
    client = connect(open_shop(options=Options(bucket_drops=200, leak_per_second=0.001)))

    fillings = [client.get("/api/eshop").headers["x-ratelimit-bucket-filling"] for _ in range(3)]

    assert fillings == ["1/200", "2/200", "3/200"]


def test_a_full_bucket_refuses_and_says_when_it_will_have_leaked(open_shop: OpenShop, connect: Connect) -> None:
    shop = open_shop(options=Options(bucket_drops=2, leak_per_second=0.1))
    client = connect(shop)

    answers = [client.get("/api/eshop") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].headers["x-ratelimit-bucket-filling"] == "2/2"
    assert answers[2].headers["retry-after"] == "Mon, 04 May 2026 10:00:10 GMT"


def test_waiting_until_retry_after_is_long_enough(open_shop: OpenShop, connect: Connect) -> None:
    shop = open_shop(options=Options(bucket_drops=2, leak_per_second=0.1))
    client = connect(shop)
    for _ in range(3):
        client.get("/api/eshop")

    shop.advance(9.5)
    early = client.get("/api/eshop").status_code
    shop.advance(0.5)

    assert (early, client.get("/api/eshop").status_code) == (429, 200)


def test_the_bucket_can_be_switched_off(open_shop: OpenShop, connect: Connect) -> None:
    client = connect(open_shop(options=Options(bucket_drops=None)))

    answers = [client.get("/api/eshop") for _ in range(250)]

    assert {answer.status_code for answer in answers} == {200}
    assert "x-ratelimit-bucket-filling" not in answers[-1].headers


def test_a_call_without_a_valid_token_costs_no_drop(shop: SimulatedShop, client: httpx.Client) -> None:
    httpx.get(f"{shop.url}/api/eshop", headers={"shoptet-private-api-token": "wrong"})

    assert client.get("/api/eshop").headers["x-ratelimit-bucket-filling"] == "1/200"


def test_the_log_keeps_what_was_asked_and_answered(shop: SimulatedShop, client: httpx.Client) -> None:
    client.get("/api/orders?page=2&email=a%40b.cz")
    client.get("/api/orders/A%2FB")

    assert [(r.number, r.method, r.path, r.query, r.status, r.token, r.connections) for r in shop.requests()] == [
        (1, "GET", "/api/orders", "page=2&email=a%40b.cz", 200, shop.token, 1),
        (2, "GET", "/api/orders/A%2FB", "", 404, shop.token, 1),
    ]
    assert [request.number for request in shop.requests(after=1)] == [2]

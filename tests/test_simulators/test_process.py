"""The shop as a process of its own: one line when it listens, steered over HTTP, stopped by a signal."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.simulators.shoptet import Options, SimulatedShop, cdnow

pytestmark = pytest.mark.slow

TOKEN = "222651-p-7-process"


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.simulators.shoptet", "--token", TOKEN, "--bucket-drops", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        yield started
        started.kill()


@pytest.fixture(scope="module")
def api(process: subprocess.Popen[str]) -> Iterator[httpx.Client]:
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    with httpx.Client(base_url=url, headers={"Shoptet-Private-API-Token": TOKEN}) as client:
        yield client


@pytest.fixture
def client(api: httpx.Client) -> httpx.Client:
    api.post("/_simulator/reset").raise_for_status()
    return api


def test_the_process_serves_the_sample(client: httpx.Client) -> None:
    assert client.get("/api/orders").json()["data"]["paginator"]["totalCount"] == 6919
    assert client.get("/_simulator/state").json()["orders"] == 6919


def test_another_process_tells_the_same_shop_to_the_byte(client: httpx.Client) -> None:
    paths = ("/api/orders?page=7", "/api/orders/1998000500", "/api/orders/1997000042?include=notes", "/api/eshop")

    # The same file and options, another hash seed.
    with SimulatedShop(cdnow.read_orders(), options=Options(token=TOKEN), currency_code="USD") as twin:
        answers = [httpx.get(twin.url + path, headers=client.headers).content for path in paths]

    assert [client.get(path).content for path in paths] == answers


def test_orders_are_created_edited_cancelled_and_deleted_over_http(client: httpx.Client) -> None:
    code = client.post("/_simulator/create", json={"changes": {"email": "a@example.com"}}).json()["code"]
    changed = {"code": code, "changes": {"email": "b@example.com"}, "changed_at": "2026-05-04T12:00:00+02:00"}

    client.post("/_simulator/edit", json=changed).raise_for_status()
    order = client.get(f"/api/orders/{code}").json()["data"]["order"]
    client.post("/_simulator/cancel", json={"code": code}).raise_for_status()
    status = client.get(f"/api/orders/{code}").json()["data"]["order"]["status"]["id"]
    client.post("/_simulator/delete", json={"code": code}).raise_for_status()

    assert (order["email"], order["changeTime"]) == ("b@example.com", "2026-05-04T12:00:00+0200")
    assert (status, client.get(f"/api/orders/{code}").status_code) == (-4, 404)


def test_faults_are_injected_and_cleared_over_http(client: httpx.Client) -> None:
    client.post("/_simulator/inject", json={"kind": "server_error", "path": "/api/eshop", "times": None})

    before = client.get("/api/eshop").status_code
    client.post("/_simulator/clear_faults")

    assert (before, client.get("/api/eshop").status_code) == (500, 200)


def test_a_token_expires_over_http(client: httpx.Client) -> None:
    client.post("/_simulator/set_token", json={"token": TOKEN, "state": "expired"}).raise_for_status()

    assert client.get("/api/eshop").status_code == 401


def test_time_is_moved_over_http(client: httpx.Client) -> None:
    before = client.get("/_simulator/state").json()["now"]

    after = client.post("/_simulator/advance", json={"seconds": 86_400}).json()["now"]

    assert after[:10] > before[:10]


def test_the_log_is_read_over_http_and_holds_no_control_calls(client: httpx.Client) -> None:
    client.get("/api/eshop")
    client.get("/api/orders?page=2")

    requests = client.get("/_simulator/log", params={"after": 1}).json()["requests"]

    assert [{key: request[key] for key in ("number", "path", "query", "status", "token")} for request in requests] == [
        {"number": 2, "path": "/api/orders", "query": "page=2", "status": 200, "token": TOKEN}
    ]


@pytest.mark.parametrize(
    ("command", "request_body", "status"),
    [
        ("delete", {"code": "none"}, 404),
        ("edit", {"code": "1997000001"}, 400),
        ("inject", {"kind": "thunderstorm"}, 400),
        ("inject", {"kind": "hang", "minutes": 3}, 400),
        ("set_token", {"token": "a", "state": "tired"}, 400),
    ],
)
def test_a_command_that_cannot_be_carried_out_says_why(
    client: httpx.Client, command: str, request_body: dict[str, str], status: int
) -> None:
    answer = client.post(f"/_simulator/{command}", json=request_body)

    assert (answer.status_code, set(answer.json())) == (status, {"error"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_process_cleanly(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.simulators.shoptet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()

        process.send_signal(number)

        assert (process.communicate(timeout=10)[1], process.returncode) == ("", 0)

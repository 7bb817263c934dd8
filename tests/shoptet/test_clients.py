"""Answers that no Shoptet shop gives, from a server that says what it is told to."""

import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from modules.shoptet import clients, domain

WINDOW = domain.Window(None, datetime(2026, 3, 1, tzinfo=UTC))


@contextmanager
def answering(status, body=b"", **headers):
    """Serve one canned answer; gives a client of it, and the list of requests as (path, token)."""
    seen = []

    class Canned(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers["Shoptet-Private-API-Token"]))
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Canned)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with clients.ShoptetClient(base_url=f"http://127.0.0.1:{server.server_port}", token="t") as client:
            yield client, seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", ())


def test_another_address_is_not_given_the_token(simulated):
    with (
        answering(302, Location=f"{simulated.url}/api/eshop") as (client, seen),
        pytest.raises(clients.TemporaryShoptetError),
    ):
        client.eshop()

    assert seen == [("/api/eshop?include=orderStatuses", "t")]
    assert simulated.requests() == []


@pytest.mark.parametrize("body", [b"<html>Not Found</html>", b"{}", b'{"data": null, "errors": null}', b"[]"])
def test_a_404_that_the_api_did_not_give_is_no_proof_of_a_deletion(body):
    with answering(404, body) as (client, _seen), pytest.raises(clients.TemporaryShoptetError):
        client.order("A1")


def test_a_404_of_the_api_is_one():
    body = b'{"data": null, "errors": [{"errorCode": "order-not-found"}]}'
    with answering(404, body) as (client, _seen):
        assert client.order("A1").data is None


def test_an_api_that_has_no_orders_is_not_a_shop():
    body = b'{"data": null, "errors": [{"errorCode": "not-found"}]}'
    with (
        answering(404, body) as (client, _seen),
        pytest.raises(clients.PermanentShoptetError, match="There is no Shoptet API"),
    ):
        client.order_page(window=WINDOW, page=1)


def test_a_refused_request_is_told_with_the_shops_own_words():
    body = b'{"data": null, "errors": [{"message": "Unsupported query parameters"}]}'
    with (
        answering(400, body) as (client, _seen),
        pytest.raises(clients.PermanentShoptetError, match="Unsupported query parameters"),
    ):
        client.order("A1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'"text"',
        b'{"data": []}',
        b'{"data": {"orders": [NaN], "paginator": {}}}',
        b'{"data": {"orders": [], "paginator": {"page": 1, "pageCount": 1}}}',
        b'{"data": ' + b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_an_answer_that_is_no_page_is_a_temporary_error(body):
    with answering(200, body) as (client, _seen), pytest.raises(clients.TemporaryShoptetError):
        client.order_page(window=WINDOW, page=1)


@pytest.mark.parametrize("ahead", [timedelta(days=400), timedelta(0), timedelta(days=-1)])
def test_the_shops_time_is_never_one_that_is_yet_to_come(ahead):
    said = (datetime.now(UTC) + ahead).replace(microsecond=0)
    date = said.strftime("%a, %d %b %Y %H:%M:%S GMT")
    with answering(404, b'{"errors": [1]}', Date=date) as (client, _seen):
        at = client.order("A1").at

    assert (at == said) is (ahead <= timedelta(0))
    assert at <= datetime.now(UTC)

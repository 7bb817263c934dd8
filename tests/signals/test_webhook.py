import socket
import threading
import time

import pytest

from modules.jobs import clients
from modules.jobs.clients import WebhookRefused, WebhookUnavailable, post_webhook

pytestmark = pytest.mark.slow


def test_the_text_arrives_in_slacks_form(hook):
    post_webhook(hook.url, text="Queue import is long", may_be_private=True)

    sent = hook.requests[0]
    assert (sent["path"], sent["json"]) == ("/services/T0/SECRETPATH", {"text": "Queue import is long"})


def test_the_name_is_called_by_its_name_at_the_address_that_was_checked(hook):
    post_webhook(hook.url.replace("127.0.0.1", "localhost"), text="x", may_be_private=True)

    assert hook.requests[0]["host"] == hook.url.split("/")[2].replace("127.0.0.1", "localhost")


@pytest.mark.parametrize(
    "address",
    [
        *("http://127.0.0.1/", "https://127.0.0.1/", "https://localhost/", "https://[::1]/", "https://10.0.0.1/"),
        *("https://169.254.169.254/", "https://0/", "https://2130706433/", "https://[::ffff:127.0.0.1]/"),
        *(
            "https://[fe80::1]/",
            "file:///etc/passwd",
            "ftp://example.com/",
            "https://",
            "nonsense",
            "",
            "http://8.8.8.8/",
        ),
    ],
)
def test_what_is_no_https_address_in_the_public_network_is_refused(address, monkeypatch):
    def connect(*_args, **_kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(WebhookRefused):
        post_webhook(address, text="x")


def test_a_loopback_webhook_is_refused_unless_it_is_allowed_and_nothing_arrives(hook):
    with pytest.raises(WebhookRefused):
        post_webhook(hook.url, text="x")
    assert hook.requests == []


def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 443)) for ip in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found)

    with pytest.raises(WebhookRefused, match="private network"):
        post_webhook("https://example.com/", text="x")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *(("8.8.8.8", True), ("2606:4700::1111", True), ("::ffff:8.8.8.8", True)),
        *(("127.0.0.1", False), ("10.1.2.3", False), ("172.16.0.1", False), ("192.168.1.1", False), ("0.0.0.0", False)),  # noqa: S104
        *(("169.254.169.254", False), ("100.64.0.1", False), ("224.0.0.1", False), ("255.255.255.255", False)),
        *(
            ("::1", False),
            ("::", False),
            ("fc00::1", False),
            ("fe80::1", False),
            ("fec0::1", False),
            ("ff02::1", False),
        ),
        *(("::ffff:127.0.0.1", False), ("::127.0.0.1", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False)),
        ("localhost", False),
    ],
)
def test_public_addresses_are_told_from_all_others(address, public):
    assert clients.is_public(address) is public


@pytest.mark.parametrize(
    ("status", "error"),
    [(500, WebhookUnavailable), (503, WebhookUnavailable), (429, WebhookUnavailable), (404, WebhookRefused)],
)
def test_an_answer_says_whether_another_try_may_help(hook, status, error):
    hook.status = status

    with pytest.raises(error, match=str(status)):
        post_webhook(hook.url, text="x", may_be_private=True)


def test_a_redirect_is_not_followed(hook):
    hook.status, hook.headers = 302, {"Location": hook.url + "/elsewhere"}

    with pytest.raises(WebhookRefused, match="302"):
        post_webhook(hook.url, text="x", may_be_private=True)
    assert len(hook.requests) == 1


def test_a_webhook_that_talks_without_end_is_cut_short(hook):
    hook.body = b"x" * 50_000_000
    started = time.monotonic()

    post_webhook(hook.url, text="x", may_be_private=True)

    assert time.monotonic() - started < 3


def test_nobody_there_is_worth_another_try_and_the_address_is_not_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/SECRETPATH"
        with pytest.raises(WebhookUnavailable) as raised:
            post_webhook(url, text="x", may_be_private=True)

    assert str(raised.value) == "The webhook gave no answer (NewConnectionError)."


def test_a_webhook_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(clients, "WEBHOOK_SECONDS", 0.4)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with pytest.raises(WebhookUnavailable, match="ReadTimeoutError"):
            post_webhook(url, text="x", may_be_private=True)


def test_a_webhook_that_drips_is_given_up(monkeypatch):
    monkeypatch.setattr(clients, "WEBHOOK_SECONDS", 0.6)
    done = threading.Event()

    def drip(server):
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not done.wait(0.1):
                peer.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,), daemon=True)
        thread.start()
        started = time.monotonic()
        post_webhook(f"http://127.0.0.1:{server.getsockname()[1]}/", text="x", may_be_private=True)
        took = time.monotonic() - started
        done.set()
        thread.join(5)

    assert 0.5 < took < 3

"""Mails by the API of a provider: django-anymail, and a provider's address on loopback."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from modules.jobs.models import Job
from modules.notifications.models import EmailMessage
from tests.notifications.conftest import come_due, free_port, use_smtp
from tests.notifications.test_mails import send, states

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:django-anymail has dropped official support for SendGrid"),
]


class Provider:
    """What it was sent, and what it answers."""

    def __init__(self):
        self.sent = []
        self.status = 202
        self.hangs_up = False
        self.body = b""
        self.url = ""


@pytest.fixture
def provider(settings):
    """SendGrid, as far as one mail needs it."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            provider.sent.append((self.path, self.headers.get("Authorization"), body))
            if provider.hangs_up:
                self.connection.close()
                return
            self.send_response(provider.status)
            self.send_header("Content-Length", str(len(provider.body)))
            self.end_headers()
            self.wfile.write(provider.body)

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    use_provider(settings, server.server_port)
    provider.url = f"http://127.0.0.1:{server.server_port}/"
    yield provider
    server.shutdown()


def use_provider(settings, port):
    use_smtp(settings, port)
    settings.EMAIL_BACKEND = "anymail.backends.sendgrid.EmailBackend"
    settings.ANYMAIL = {
        "SENDGRID_API_KEY": "sg-key",
        "SENDGRID_API_URL": f"http://127.0.0.1:{port}/v3/",
        "REQUESTS_TIMEOUT": 2,
    }


def test_a_provider_gets_the_mail_with_our_numbers(alice, provider, drain):
    mail = send(alice)

    drain()

    [(path, authorization, body)] = provider.sent
    assert (path, authorization) == ("/v3/mail/send", "Bearer sg-key")
    assert body["personalizations"][0]["to"] == [{"email": "jana@example.com"}]
    assert body["headers"]["X-Backroom-Mail"] == str(mail.public_id)
    assert states() == ("sent", {"jana@example.com": "accepted"})


@pytest.mark.parametrize(("status", "state"), [(400, "failed"), (401, "failed"), (429, "queued"), (503, "queued")])
def test_what_a_provider_refuses_for_good_is_not_tried_again(alice, provider, drain, status, state):
    provider.status = status
    send(alice)

    drain()

    assert (states()[0], Job.objects.get().state) == (state, "failed" if state == "failed" else "retrying")
    assert f"The provider answered {status}." in EmailMessage.objects.get().error


def test_a_provider_that_hangs_up_leaves_it_uncertain(alice, provider, drain):
    provider.hangs_up = True
    send(alice)

    drain()
    come_due()

    assert (states()[0], drain(), len(provider.sent)) == ("uncertain", 0, 1)


def test_a_provider_that_cannot_be_reached_is_tried_again(alice, settings, drain):
    use_provider(settings, free_port())
    send(alice)

    drain()

    assert (states(), Job.objects.get().state) == (("queued", {"jana@example.com": "pending"}), "retrying")


def test_each_recipients_answer_is_kept(alice, provider, settings, drain):
    settings.EMAIL_BACKEND = "anymail.backends.mandrill.EmailBackend"
    settings.ANYMAIL = {"MANDRILL_API_KEY": "key", "MANDRILL_API_URL": provider.url}
    words = {"a@example.com": "rejected", "b@example.com": "queued"}
    provider.status = 200
    provider.body = json.dumps([{"email": to, "status": word, "_id": "m"} for to, word in words.items()]).encode()
    send(alice, *words)

    drain()

    assert states() == ("sent", {"a@example.com": "refused", "b@example.com": "accepted"})
    assert EmailMessage.objects.get().provider_id == "m"
    provider.body = provider.body.replace(b"queued", b"invalid")
    send(alice, *words, key="two")
    drain()
    mail = EmailMessage.objects.get(key="two")
    assert (mail.state, mail.error) == ("failed", "Refused: a@example.com: rejected; b@example.com: invalid")


def test_an_answer_that_cannot_be_read_leaves_it_uncertain(alice, provider, settings, drain):
    settings.EMAIL_BACKEND = "anymail.backends.mandrill.EmailBackend"
    settings.ANYMAIL = {"MANDRILL_API_KEY": "key", "MANDRILL_API_URL": provider.url}
    provider.status, provider.body = 200, b"<html>"
    send(alice)

    drain()

    assert (states()[0], len(provider.sent)) == ("uncertain", 1)


def test_a_provider_without_its_key_gets_nothing(alice, provider, settings, drain):
    settings.ANYMAIL = {}
    send(alice)

    drain()

    assert (states()[0], provider.sent, Job.objects.get().state) == ("queued", [], "retrying")
    assert "SENDGRID_API_KEY" in EmailMessage.objects.get().error

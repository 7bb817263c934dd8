"""Outside systems that alerts are sent to: a mail server and a webhook, both real servers on loopback."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.controller import Controller

from modules.jobs import health, metrics


@pytest.fixture(autouse=True)
def _fresh_answers():
    """Forget what was kept for a few seconds."""
    metrics._gauges.cache_clear()
    health._verdict.cache_clear()


class Mailbox:
    """Keeps the messages that the mail server took."""

    def __init__(self):
        self.messages = []
        self.refusals = 0

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 -- aiosmtpd's name
        if self.refusals:
            self.refusals -= 1
            return "451 try again later"
        self.messages.append((envelope.rcpt_tos, envelope.content.decode()))
        return "250 taken"


class MailServer(Controller):
    """Listens on a port that the system chose, which aiosmtpd's own start does not ask for."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@pytest.fixture
def mailbox(settings):
    box = Mailbox()
    server = MailServer(box, hostname="127.0.0.1", port=0)
    server.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.ADMINS = [("Operator", "operator@example.com")]
    yield box
    server.stop()


class Hook:
    """A webhook: what it was sent, and what it is to answer."""

    def __init__(self):
        self.requests = []
        self.status = 200
        self.headers = {}
        self.body = b"ok"
        self.url = ""


@pytest.fixture
def hook():
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            names = {name.lower() for name in self.headers}
            sent = {"path": self.path, "host": self.headers["Host"], "headers": names, "json": json.loads(body)}
            hook.requests.append(sent)
            self.send_response(hook.status)
            for name, value in hook.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(hook.body)))
            self.end_headers()
            self.wfile.write(hook.body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    hook.url = f"http://127.0.0.1:{server.server_port}/services/T0/SECRETPATH"
    yield hook
    server.shutdown()
    server.server_close()


@pytest.fixture
def private_hooks(settings, hook):
    """Let every rule's webhook lead to the loopback one."""
    settings.JOBS = {**settings.JOBS, "WEBHOOK_MAY_BE_PRIVATE": True, "WEBHOOK_SECRET": hook.url}
    return hook

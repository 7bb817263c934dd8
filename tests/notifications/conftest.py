"""A tenant with a member, and a mail server: a real one on loopback that answers as a test says."""

import asyncio
import socket
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from django.utils import timezone

from modules.accounts.models import Membership, Tenant, User
from modules.jobs import services as job_services
from modules.jobs.models import Job
from modules.kernel.tenancy import all_tenants


class Post:
    """What the mail server took, and how it answers: by address, at the sender, at the content."""

    def __init__(self):
        self.messages = []
        self.recipients = []
        self.at_rcpt = {}
        self.at_mail = []
        self.at_data = []
        self.on_named = None
        self.on_taken = None

    async def handle_MAIL(self, _server, _session, envelope, address, _options):  # noqa: N802 -- aiosmtpd's name
        if self.at_mail:
            return self.at_mail.pop(0)
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
        if replies := self.at_rcpt.get(address):
            return replies.pop(0)
        if self.on_named:
            self.on_named()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, _session, envelope):  # noqa: N802
        answer = self.at_data.pop(0) if self.at_data else "250 Ok 0100018f-abc"
        if answer.startswith("250") or answer in {"hang up", "late"}:
            self.recipients.append(list(envelope.rcpt_tos))
            self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        if self.on_taken:
            self.on_taken()
        if answer == "hang up":
            server.transport.abort()
        if answer == "late":
            server.transport.pause_reading()
            await asyncio.sleep(30)
        return answer


class MailServer(Controller):
    """Listens on the port that it is given, or that the system chose."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def open_mail_server(post, port=0):
    server = MailServer(post, hostname="127.0.0.1", port=port, enable_SMTPUTF8=False)
    server.start()
    return server


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def post(settings):
    box = Post()
    server = open_mail_server(box)
    use_smtp(settings, server.port)
    box.port = server.port
    yield box
    server.stop()


def use_smtp(settings, port):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 2
    settings.DEFAULT_FROM_EMAIL = "Backroom <noreply@backroom.example>"
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PUBLIC_URL": "https://backroom.example"}


@pytest.fixture
def everybody(db):
    with all_tenants():
        yield


@pytest.fixture
def alice(everybody):
    return Tenant.objects.create(name="Alice")


@pytest.fixture
def bob(everybody):
    return Tenant.objects.create(name="Bob")


@pytest.fixture
def jana(alice):
    return make_member(alice, "jana", locale="cs")


def make_member(tenant, username, **fields):
    user = User.objects.create_user(username, f"{username}@example.com", "secret", **fields)
    Membership.objects.create(user=user, tenant=tenant)
    return user


def come_due():
    """Let what rests between two tries come due now."""
    Job.objects.filter(state__in=["retrying", "scheduled"]).update(run_at=timezone.now())
    job_services.dispatch()

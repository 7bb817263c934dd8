"""A worker that dies between the mail server's yes and the ledger: what can be promised is kept."""

import os
import signal

import pytest

from modules.jobs.models import Job
from modules.notifications import services
from modules.notifications.models import EmailMessage
from tests.notifications.test_mails import send
from tests.support.processes import WorkerProcess, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.journey, pytest.mark.timeout(300)]


def mail_worker(post):
    return WorkerProcess(queues="emails", env={"EMAIL_URL": f"smtp://127.0.0.1:{post.port}"})


def killer():
    """Return whom to kill, and what kills the first of them when it is called."""
    victims = []

    def kill():
        if victims:
            os.kill(victims.pop(), signal.SIGKILL)

    return victims, kill


def die(post, victims, tenant):
    """Send a mail to a worker that is killed while it talks to the mail server."""
    with mail_worker(post) as worker:
        wait_until(worker.children)
        victims.append(worker.children()[0].pid)
        mail = send(tenant)
        worker.process.wait(timeout=30)
    return mail


def test_a_worker_that_dies_after_the_servers_yes_mails_nobody_twice(alice, post):
    victims, post.on_taken = killer()
    mail = die(post, victims, alice)
    assert EmailMessage.objects.get().state == "sending"

    with mail_worker(post):
        wait_until(lambda: Job.objects.filter(state="failed").exists())
        mail.refresh_from_db()
        assert (mail.state, len(post.messages)) == ("uncertain", 1)
        assert "may have been sent" in Job.objects.get().error_message

        services.send_again(mail_id=mail.pk)  # a person decides; readers' programs know the copy by its number
        wait_until(lambda: EmailMessage.objects.filter(state="sent").exists())

    assert [message["Message-ID"] for message in post.messages] == [services.message_id(mail)] * 2


def test_a_worker_that_dies_before_the_content_loses_nothing(alice, post):
    victims, post.on_named = killer()
    die(post, victims, alice)
    assert (EmailMessage.objects.get().state, post.messages) == ("queued", [])

    with mail_worker(post):
        wait_until(lambda: EmailMessage.objects.filter(state="sent").exists())

    assert len(post.messages) == 1

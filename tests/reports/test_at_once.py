"""The jobs of the diary that meet themselves: two starts at once do what one does."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from modules.accounts import services as accounts
from modules.accounts.models import RefreshToken
from modules.kernel import clock
from modules.kernel.ids import uuid7
from modules.kernel.tenancy import all_tenants
from modules.notifications import services as notifications
from modules.notifications.models import EmailMessage, Notification
from modules.reports import services
from modules.reports.models import Export
from tests.drafts.factories import attach, make_draft
from tests.notifications.conftest import Post, open_mail_server, use_smtp

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(act, count=2):
    """Do the same in as many threads; return what each of them returned or raised."""
    gate, results = threading.Barrier(count, timeout=10), []

    def work():
        try:
            gate.wait()
            with all_tenants():
                results.append(act())
        except Exception as error:  # noqa: BLE001 -- one of two may be told that the other was quicker
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_two_cleanups_of_notices_delete_each_once(alice, jana):
    long_ago = clock.now() - timedelta(days=100)
    Notification.objects.bulk_create(
        Notification(tenant=alice, user=jana, type="draft_reminder", created_at=long_ago + timedelta(seconds=n))
        for n in range(300)
    )
    ages = {"read_days": 30, "unread_days": 90, "limit": 7, "now": clock.now()}

    counts = at_once(lambda: notifications.clean_up(run=uuid7(), report=lambda _done: None, **ages))

    assert (sum(found["unread"] for found in counts), Notification.objects.count()) == (300, 0)


def old_tokens(user, count):
    user.set_password("secret")
    user.save()
    for _ in range(count):
        accounts.open_login(username=user.username, password="secret", agent="", now=clock.now() - timedelta(days=60))


def clean_tokens(run, report=lambda _done: None):
    return accounts.clean_tokens(run=run, revoked_days=7, limit=2, now=clock.now(), report=report)


def test_two_cleanups_of_tokens_delete_each_once(jana):
    old_tokens(jana, 9)

    counts = at_once(lambda: clean_tokens(uuid7()))

    assert (sum(found["expired"] for found in counts), RefreshToken.objects.count()) == (9, 0)


def test_a_cleanup_of_tokens_that_is_killed_goes_on_and_counts_all(jana):
    class Killed(BaseException):
        """As if the process had been killed between two batches."""

    def die(_done):
        raise Killed

    old_tokens(jana, 5)
    run = uuid7()
    with pytest.raises(Killed):
        clean_tokens(run, report=die)
    assert RefreshToken.objects.count() == 3

    assert (clean_tokens(run)["expired"], RefreshToken.objects.count()) == (5, 0)


def test_two_starts_of_an_export_leave_one_file_and_one_mail(alice, jana, cottage, files):
    attach(make_draft(cottage, jana), b"x" * 100_000)
    asked = services.request_export(tenant_id=alice.pk, user_id=jana.pk, now=clock.now())

    at_once(lambda: services.make_export(export_id=asked.pk, now=clock.now(), report=lambda _count: None))
    if Export.objects.get().state == "pending":  # each took it from the other: the job's next try makes it
        services.make_export(export_id=asked.pk, now=clock.now(), report=lambda _count: None)

    made = [path for path in files.rglob("exports/*/*") if path.is_file()]
    export = Export.objects.get()
    assert (export.state, [path.name for path in made]) == ("ready", [export.storage_key.rpartition("/")[2]])
    assert EmailMessage.objects.filter(template="export_ready").count() == 1


def test_two_deliveries_of_a_mail_send_it_once(alice, settings):
    post = Post()
    server = open_mail_server(post)
    use_smtp(settings, server.port)
    values = {"size": "12 MB", "hours": 24, "download_url": "https://example.com/1"}
    mail = notifications.send_email(
        tenant_id=alice.pk, key="one", template="export_ready", to=["jana@example.com"], values=values
    )
    try:
        at_once(lambda: notifications.deliver(mail_id=mail.pk, sender=str(uuid7()), is_last=False).state)
    finally:
        server.stop()

    assert len(post.messages) == 1
    assert EmailMessage.objects.get().state in {"sent", "uncertain"}  # a start that finds it half-way calls it so

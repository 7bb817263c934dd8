"""Many mails at once: each is once for its key, and a wrong one costs no other one its mail."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from modules.jobs.models import Job
from modules.kernel.tenancy import tenant_scope
from modules.notifications import services
from modules.notifications.models import EmailMessage, Recipient, Suppression
from modules.notifications.services import Mail
from tests.notifications.conftest import make_member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

EXPORT = {"size": "12 MB", "hours": 24, "download_url": "https://example.com/1"}


def mails(*numbers, **options):
    told = {"template": "export_ready", "values": EXPORT, **options}
    return [Mail(key=f"n{number}", to=[f"p{number}@example.com"], **told) for number in numbers]


def send(tenant, some):
    return services.send_emails(tenant_id=tenant.pk, mails=some)


def test_each_recipient_has_a_mail_and_a_job(alice, post, drain):
    assert send(alice, mails(*range(250))) == {}

    assert drain() == 250
    assert sorted(post.recipients) == sorted([f"p{number}@example.com"] for number in range(250))
    assert set(EmailMessage.objects.values_list("state", flat=True)) == {"sent"}


def test_twice_is_once_and_what_is_new_is_added(alice, post, drain):
    send(alice, mails(1, 2, 2))
    send(alice, mails(2, 3))

    assert drain() == 3
    assert sorted(post.recipients) == [["p1@example.com"], ["p2@example.com"], ["p3@example.com"]]
    assert Recipient.objects.count() == 3


def test_two_at_once_mail_each_once(alice):
    def work(_number):
        try:
            with tenant_scope(alice.pk):
                return send(alice, mails(*range(120)))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, range(2))) == [{}, {}]

    assert (EmailMessage.objects.count(), Recipient.objects.count(), Job.objects.count()) == (120, 120, 120)


def test_a_wrong_one_is_named_and_the_others_go(alice):
    wrong = Mail(key="bad", template="export_ready", to=["nobody"], values=EXPORT)
    half = Mail(key="half", template="export_ready", to=["a@example.com"], values={"size": "1 MB"})

    refused = send(alice, [*mails(1), wrong, half, *mails(2)])

    assert {key: error.field for key, error in refused.items()} == {"bad": "to.0", "half": "values.hours"}
    assert sorted(EmailMessage.objects.values_list("key", flat=True)) == ["n1", "n2"]


def test_what_is_rolled_back_mails_nobody(alice):
    with pytest.raises(RuntimeError), transaction.atomic():
        send(alice, mails(1, 2))
        raise RuntimeError

    assert (EmailMessage.objects.count(), Job.objects.count()) == (0, 0)


def test_a_suppressed_address_among_them_gets_nothing(alice, post, drain):
    Suppression.objects.create(tenant=alice, address="p2@example.com", reason="bounce", created_at=timezone.now())

    send(alice, mails(1, 2, 3))
    drain()

    assert sorted(post.recipients) == [["p1@example.com"], ["p3@example.com"]]
    assert EmailMessage.objects.get(key="n2").state == "suppressed"


def test_another_tenants_keys_are_its_own(alice, bob):
    send(alice, mails(1))
    send(bob, mails(1))

    with tenant_scope(bob.pk):
        assert EmailMessage.objects.get().tenant_id == bob.pk


def test_more_mails_ask_no_more_questions(alice, jana):
    petr = make_member(alice, "petr", locale="pl")
    counts = []
    for numbers in (range(3), range(100, 145)):
        with CaptureQueriesContext(connection) as captured:
            send(alice, [*mails(*numbers, user_id=jana.pk), *mails(*(n + 1_000 for n in numbers), user_id=petr.pk)])
        counts.append(len(captured))

    assert counts[0] == counts[1]
    assert set(EmailMessage.objects.values_list("user_id", "locale")) == {(jana.pk, "cs"), (petr.pk, "pl")}

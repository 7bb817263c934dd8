"""A mail on its way: once for each key, whatever the mail server does."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from modules.jobs import services as job_services
from modules.jobs.models import Attempt, Job
from modules.kernel.tenancy import tenant_scope
from modules.notifications import services
from modules.notifications.domain import InvalidMail
from modules.notifications.models import EmailMessage, Preference, Recipient, Suppression
from tests.notifications.conftest import Post, come_due, free_port, open_mail_server, use_smtp

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

EXPORT = {"size": "12 MB", "hours": 24, "download_url": "https://example.com/1"}
EXPIRING = {
    "name": "Jana",
    "property": "Chalupa",
    "created": "1. 12.",
    "expires": "31. 12.",
    "days": 7,
    "open_url": "https://example.com/1",
}


def send(tenant, *to, key="one", **options):
    told = {"template": "export_ready", "values": EXPORT, "locale": "cs", **options}
    return services.send_email(tenant_id=tenant.pk, key=key, to=to or ["jana@example.com"], **told)


def states():
    mail = EmailMessage.objects.get()
    return mail.state, dict(Recipient.objects.values_list("address", "state"))


def test_a_mail_goes_out_with_both_parts_and_a_lasting_number(alice, post, drain):
    mail = send(alice)

    assert drain() == 1

    [message] = post.messages
    assert message["To"] == "jana@example.com"
    assert message["Subject"] == "Váš export dat z Backroom je připraven"
    assert message["Message-ID"] == f"<{mail.public_id}@backroom.example>"
    assert (message["X-Backroom-Mail"], message["Auto-Submitted"]) == (str(mail.public_id), "auto-generated")
    assert "Velikost: 12 MB" in message.get_body(["plain"]).get_content()
    assert 'href="https://example.com/1"' in message.get_body(["html"]).get_content()
    mail.refresh_from_db()
    assert (mail.state, mail.attempts, mail.provider_id) == ("sent", 1, "0100018f-abc")


def test_the_job_carries_the_number_of_the_mail_alone(alice):
    mail = send(alice)

    job = Job.objects.get()
    assert (job.arguments, job.queue, job.tenant_id) == ({"mail_id": mail.pk}, "emails", alice.pk)
    assert "jana" not in str(Job.objects.values().get())


def test_the_same_key_is_one_mail_for_ever(alice, post, drain):
    first = send(alice)
    drain()

    again = send(alice, "other@example.com")

    assert (again.pk, drain(), len(post.messages)) == (first.pk, 0, 1)
    assert Recipient.objects.count() == 1


def test_a_key_is_the_tenants_own(alice, bob, post, drain):
    send(alice), send(bob)

    assert (drain(), len(post.messages)) == (2, 2)


def test_what_is_rolled_back_is_not_mailed(alice):
    with transaction.atomic():
        send(alice)
        transaction.set_rollback(True)

    assert (EmailMessage.objects.count(), Job.objects.count()) == (0, 0)


def test_a_secret_text_is_forgotten_once_it_is_sent(alice, post, drain):
    mail = send(alice)
    assert "example.com" not in mail.text_encrypted

    drain()

    mail.refresh_from_db()
    assert (mail.text_encrypted, mail.html_encrypted) == ("", "")


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("template", {"template": "nothing"}),
        ("locale", {"locale": "de"}),
        ("values.size", {"values": {**EXPORT, "size": None}}),
        ("values.size", {"values": {name: EXPORT[name] for name in ("hours", "download_url")}}),
        ("values.more", {"values": {**EXPORT, "more": 1}}),
        ("values.hours", {"values": {**EXPORT, "hours": "24"}}),
        ("values.size", {"values": {**EXPORT, "size": "1\r\nBcc: all@example.com"}}),
        ("values.download_url", {"values": {**EXPORT, "download_url": "javascript:alert(1)"}}),
        ("values.download_url", {"values": {**EXPORT, "download_url": "https://x\n"}}),
        ("to.0", {"to": ["jana@example.com\nBcc: all@example.com"]}),
        ("to.0", {"to": ["jana@example.com\r"]}),
        ("to.1", {"to": ["jana@example.com", "nobody"]}),
        ("to", {"to": []}),
        ("to", {"to": "jana@example.com"}),
        ("to", {"to": [f"a{number}@example.com" for number in range(51)]}),
        ("key", {"key": ""}),
        ("key", {"key": "a\nb"}),
        ("user_id", {"template": "draft_expiring", "values": EXPIRING}),
    ],
)
def test_what_is_wrong_is_refused_by_its_field_and_nothing_is_stored(alice, settings, field, told):
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PUBLIC_URL": "https://backroom.example"}
    usual = {"template": "export_ready", "values": EXPORT, "locale": "cs", "to": ["j@example.com"], "key": "one"}

    with pytest.raises(InvalidMail) as refused:
        services.send_email(tenant_id=alice.pk, **{**usual, **told})

    assert refused.value.field == field
    assert (EmailMessage.objects.count(), Job.objects.count()) == (0, 0)


def test_a_name_with_a_line_break_cannot_add_a_header(alice, jana):
    with pytest.raises(InvalidMail, match=r"values\.inviter: a line break"):
        send(
            alice,
            template="invitation",
            values={
                "inviter": "Eve\r\nBcc: all@example.com",
                "target": "Chalupa",
                "accept_url": "https://example.com",
                "expires": "1. 1.",
            },
        )


def test_a_mail_that_one_may_switch_off_needs_an_address_for_it(alice, jana, settings):
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PUBLIC_URL": ""}

    with pytest.raises(InvalidMail, match="unsubscribe: set PUBLIC_URL"):
        send(alice, template="draft_expiring", values=EXPIRING, user_id=jana.pk)


def test_the_language_is_the_users_own(alice, jana, post, drain):
    send(alice, locale="", user_id=jana.pk)
    drain()

    assert post.messages[0]["Subject"].startswith("Váš export")


def test_a_server_that_is_down_is_tried_again_after_thirty_seconds(alice, settings, drain):
    port = free_port()
    use_smtp(settings, port)
    send(alice)

    drain()

    job = Job.objects.get()
    assert (job.state, states()) == ("retrying", ("queued", {"jana@example.com": "pending"}))
    assert timedelta(seconds=28) < job.run_at - Attempt.objects.get().ended_at < timedelta(seconds=31)
    assert "cannot be reached" in EmailMessage.objects.get().error


def test_a_server_that_comes_back_gets_the_mail_once(alice, settings, drain):
    port = free_port()
    use_smtp(settings, port)
    send(alice)
    drain()
    box = Post()
    server = open_mail_server(box, port)
    try:
        come_due()
        drain()
    finally:
        server.stop()

    assert (len(box.messages), states()[0], Job.objects.get().state) == (1, "sent", "succeeded")


def test_after_the_third_retry_it_is_a_dead_letter_with_the_reason(alice, post, drain):
    post.at_mail = ["451 later"] * 9
    send(alice)

    for _ in range(6):
        drain()
        come_due()

    job = Job.objects.get()
    assert (job.state, job.attempt, post.messages) == ("failed", 4, [])
    assert "The mail server said: 451 later" in job.error_message
    assert (states()[0], EmailMessage.objects.get().attempts) == ("failed", 4)


@pytest.mark.parametrize("where", ["at_mail", "at_data"])
def test_a_permanent_refusal_is_not_tried_again(alice, post, drain, where):
    setattr(post, where, ["554 5.7.1 no"])
    send(alice)

    drain()
    come_due()

    job = Job.objects.get()
    assert (job.state, job.attempt, drain(), post.messages) == ("failed", 1, 0, [])
    assert (states()[0], "554 5.7.1 no" in EmailMessage.objects.get().error) == ("failed", True)


def test_content_that_is_put_off_is_sent_later(alice, post, drain):
    post.at_data = ["452 full"]
    send(alice)
    drain()
    assert states()[0] == "queued"

    come_due()
    drain()

    assert (len(post.messages), states()) == (1, ("sent", {"jana@example.com": "accepted"}))


def test_each_recipient_has_an_answer_of_their_own(alice, post, drain):
    post.at_rcpt = {"b@example.com": ["550 5.1.1 unknown"], "c@example.com": ["450 busy"]}
    send(alice, "a@example.com", "b@example.com", "c@example.com")
    drain()
    assert states() == (
        "queued",
        {"a@example.com": "accepted", "b@example.com": "refused", "c@example.com": "pending"},
    )

    come_due()
    drain()

    assert post.recipients == [["a@example.com"], ["c@example.com"]]
    assert [message["To"] for message in post.messages] == ["a@example.com, b@example.com, c@example.com"] * 2
    assert (states()[0], Job.objects.get().state) == ("sent", "succeeded")


def test_a_mail_that_no_recipient_may_get_is_a_dead_letter(alice, post, drain):
    post.at_rcpt = {"jana@example.com": ["550 5.1.1 unknown"]}
    send(alice)

    drain()

    assert (states(), Job.objects.get().state) == (("failed", {"jana@example.com": "refused"}), "failed")


def test_an_answer_that_is_lost_is_uncertain_and_nothing_is_sent_twice(alice, post, drain):
    post.at_data = ["hang up"]
    mail = send(alice)

    drain()
    come_due()

    assert (states()[0], Job.objects.get().state, drain(), len(post.messages)) == ("uncertain", "failed", 0, 1)
    assert services.send_again(mail_id=mail.pk)
    drain()
    assert [message["Message-ID"] for message in post.messages] == [services.message_id(mail)] * 2
    assert states()[0] == "sent"


def test_a_server_that_answers_too_late_leaves_it_uncertain(alice, post, drain, settings):
    settings.EMAIL_TIMEOUT = 0.3
    post.at_data = ["late"]
    send(alice)

    drain()

    assert (states()[0], "did not say" in EmailMessage.objects.get().error) == ("uncertain", True)


def test_an_operator_may_say_that_it_was_sent(alice, post, drain):
    post.at_data = ["hang up"]
    mail = send(alice)
    drain()

    assert (services.confirm_sent(mail_id=mail.pk), services.confirm_sent(mail_id=mail.pk)) == (True, False)
    assert states() == ("sent", {"jana@example.com": "accepted"})


def test_a_start_that_died_while_it_sent_is_not_repeated(alice, post, drain):
    mail = send(alice)
    EmailMessage.objects.update(state="sending", sender="a start that is gone")

    drain()

    assert (states()[0], post.messages, Job.objects.get().state) == ("uncertain", [], "failed")
    assert services.send_again(mail_id=mail.pk)


def test_a_dead_letter_of_a_failed_mail_may_be_replayed(alice, post, drain):
    post.at_mail = ["554 no"]
    send(alice)
    drain()

    job_services.replay([Job.objects.get().id])
    drain()

    assert (len(post.messages), states()[0]) == (1, "sent")


def test_a_mail_that_is_sent_is_not_sent_again(alice, post, drain):
    mail = send(alice)
    drain()

    assert not services.send_again(mail_id=mail.pk)
    services.deliver(mail_id=mail.pk, sender="again", is_last=False)
    assert len(post.messages) == 1


def suppress(tenant, address, **fields):
    return Suppression.objects.create(
        tenant=tenant, address=address, reason="bounce", created_at=timezone.now(), **fields
    )


def test_a_suppressed_address_is_never_mailed(alice, post, drain):
    suppress(alice, "jana@example.com")
    send(alice, "Jana@Example.com", "petr@example.com")

    drain()

    assert post.recipients == [["petr@example.com"]]
    assert states() == ("sent", {"Jana@Example.com": "suppressed", "petr@example.com": "accepted"})


def test_a_mail_to_suppressed_addresses_alone_is_not_sent(alice, bob, post, drain):
    suppress(alice, "jana@example.com")
    send(alice)

    drain()

    assert (states(), post.messages) == (("suppressed", {"jana@example.com": "suppressed"}), [])
    assert Job.objects.get().state == "succeeded"
    send(bob)
    drain()
    assert len(post.messages) == 1


def test_what_its_reader_has_switched_off_is_not_sent(alice, jana, post, drain):
    send(alice, template="draft_expiring", values=EXPIRING, user_id=jana.pk)
    Preference.objects.create(
        tenant=alice, user=jana, type="draft_expiring", channel="email", is_on=False, changed_at=timezone.now()
    )

    drain()

    assert (states()[0], post.messages) == ("suppressed", [])
    assert EmailMessage.objects.get().error == "The user has switched such mails off."


def test_a_user_who_is_deleted_meanwhile_gets_nothing_and_breaks_nothing(alice, jana, post, drain):
    send(alice, user_id=jana.pk)
    jana.delete()

    drain()

    assert (Job.objects.get().state, post.messages, EmailMessage.objects.count()) == ("succeeded", [], 0)


def test_a_job_of_another_tenant_finds_no_mail(alice, bob, post):
    mail = send(alice)

    with tenant_scope(bob.pk), pytest.raises(services.MailGone):
        services.deliver(mail_id=mail.pk, sender="x", is_last=False)

    assert (post.messages, states()[0]) == ([], "queued")


def test_names_are_text_in_html_too(alice, jana, post, drain):
    send(
        alice,
        template="draft_expiring",
        values={**EXPIRING, "name": "<script>alert(1)</script> & [x](http://evil)"},
        user_id=jana.pk,
    )
    drain()

    html = post.messages[0].get_body(["html"]).get_content()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; [x](http://evil)" in html
    assert "<script" not in html


def test_a_longer_list_of_recipients_asks_no_more_questions(alice, post, drain):
    counts = []
    for number, to in enumerate([["a@example.com"], ["a@example.com", "b@example.com", "c@example.com"]]):
        mail = send(alice, *to, key=f"n{number}")
        with CaptureQueriesContext(connection) as captured:
            services.deliver(mail_id=mail.pk, sender="x", is_last=False)
        counts.append(len(captured))

    assert counts[0] == counts[1]


def test_another_backend_is_one_call(alice, settings, drain, mailoutbox):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    send(alice)

    drain()

    assert ([mail.to for mail in mailoutbox], states()[0]) == ([["jana@example.com"]], "sent")

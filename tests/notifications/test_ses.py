"""What Amazon tells: proven, stored once, answered; then done for each recipient."""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from modules.jobs.models import Job
from modules.kernel import clock
from modules.notifications import clients, services
from modules.notifications.actors import prune_events
from modules.notifications.domain.ses import read_event
from modules.notifications.models import EmailMessage, Recipient, SnsMessage, Suppression
from tests.notifications.test_mails import send
from tests.simulators.amazon import (
    CERTIFICATE,
    HOST,
    TOPIC,
    make_certificate,
    make_curve_certificate,
    make_key,
    open_amazon,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SAMPLES = Path(__file__).resolve().parents[1] / "data" / "ses"
THREE = ["jane@example.com", "mary@example.com", "richard@example.com"]


@pytest.fixture(scope="module")
def one_amazon():
    amazon, server = open_amazon()
    yield amazon
    server.shutdown()


@pytest.fixture
def amazon(one_amazon, settings, everybody):
    settings.NOTIFICATIONS = {
        **settings.NOTIFICATIONS,
        "SNS_ORIGIN": one_amazon.origin,
        "SNS_TOPIC_ARNS": [TOPIC],
    }
    clients.forget_certificates()
    one_amazon.asked.clear()
    one_amazon.status, one_amazon.headers, one_amazon.body = 200, {}, None
    one_amazon.certificate = make_certificate(one_amazon.key)
    return one_amazon


def tell(message, **headers):
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    type_ = message.get("Type", "") if isinstance(message, dict) else "Notification"
    told = {"x-amz-sns-message-type": str(type_), **headers}
    return Client().post("/api/webhooks/ses", body, "text/plain; charset=utf-8", headers=told)


def nothing_came():
    return (SnsMessage.objects.count(), Job.objects.count()) == (0, 0)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    "fields", [{}, {"Subject": "Hello"}, {"Subject": ""}, {"Message": "Žluťoučký\nkůň\n"}, {"Message": ""}]
)
def test_what_amazon_signed_is_stored_and_answered(amazon, version, fields):
    message = amazon.notification("hello", version, **fields)

    assert tell(message).status_code == 200

    row, job = SnsMessage.objects.get(), Job.objects.get()
    assert (row.message_id, json.loads(row.body)) == (message["MessageId"], message)
    assert (job.actor, job.queue, job.arguments) == ("notifications.process_ses", "high", {"message_id": row.pk})


def test_a_null_subject_is_none(amazon):
    message = amazon.notification("hello")

    assert tell({**message, "Subject": None}).status_code == 200


OTHER_KEY = make_key()


def _resign(amazon, **fields):
    return amazon.sign({**amazon.notification("hello"), **fields})


def _at(url):
    return lambda amazon: _resign(amazon, SigningCertURL=url)


def _changed(**fields):
    return lambda amazon: {**amazon.notification("hello", Subject="S"), **fields}


FORGERIES = {
    "another key": lambda amazon: amazon.sign(amazon.notification("hello"), key=OTHER_KEY),
    "version 2 called 1": lambda amazon: {**amazon.notification("hello", "2"), "SignatureVersion": "1"},
    "version 1 called 2": lambda amazon: {**amazon.notification("hello", "1"), "SignatureVersion": "2"},
    "version 3": _changed(SignatureVersion="3"),
    "message changed": _changed(Message="{}"),
    "number changed": _changed(MessageId="00000000-0000-0000-0000-000000000000"),
    "subject changed": _changed(Subject="T"),
    "subject taken out": _changed(Subject=None),
    "time changed": _changed(Timestamp=f"{datetime.now(UTC) - timedelta(minutes=1):%Y-%m-%dT%H:%M:%S}.000Z"),
    "no signature": _changed(Signature=""),
    "signature is no base64": _changed(Signature="č !"),
    "signature cut": lambda amazon: {**(m := amazon.notification("hello")), "Signature": m["Signature"][:-8]},
    "another topic, well signed": lambda amazon: _resign(
        amazon, TopicArn=TOPIC.replace("123456789012", "666666666666")
    ),
    "an old one, well signed": lambda amazon: _resign(amazon, Timestamp="2012-05-02T00:54:06.655Z"),
    "one of tomorrow": lambda amazon: _resign(
        amazon, Timestamp=f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%S}.000Z"
    ),
    "host with a tail": _at(f"{HOST}.evil.com{CERTIFICATE}"),
    "host as a name": _at(f"https://sns.us-west-2.amazonaws.com@evil.com{CERTIFICATE}"),
    "a bucket": _at(f"https://evil.s3.amazonaws.com{CERTIFICATE}"),
    "a bucket called sns": _at(f"https://sns.evil.s3.amazonaws.com{CERTIFICATE}"),
    "http": _at(f"http://sns.us-west-2.amazonaws.com{CERTIFICATE}"),
    "a port": _at(f"{HOST}:8443{CERTIFICATE}"),
    "a question": _at(f"{HOST}{CERTIFICATE}?x=1"),
    "another file": _at(f"{HOST}/evil.pem"),
    "a step up": _at(f"{HOST}/x/..{CERTIFICATE}"),
    "a line break behind": _at(f"{HOST}{CERTIFICATE}\n"),
    "capitals of another script": _at(HOST.replace("s", "\u017f") + CERTIFICATE),
    "subscription read as a notification": lambda amazon: {**amazon.subscription(), "Type": "Notification"},
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_and_leaves_nothing(amazon, name):
    answer = tell(FORGERIES[name](amazon))

    assert (answer.status_code, answer.json()["detail"]) == (403, "The message is not proven.")
    assert nothing_came()
    assert set(amazon.asked) <= {CERTIFICATE}


@pytest.mark.parametrize(
    "make",
    [
        lambda amazon: make_certificate(amazon.key, days_ago=60),
        lambda amazon: make_certificate(amazon.key, days_ago=-1),
        lambda _amazon: make_curve_certificate(),
        lambda _amazon: b"-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n",
    ],
    ids=["expired", "not yet", "no RSA", "rubbish"],
)
def test_a_certificate_that_proves_nothing_is_refused(amazon, make):
    amazon.certificate = make(amazon)

    assert tell(amazon.notification("hello")).status_code == 403
    assert nothing_came()


def test_a_header_that_says_another_type_is_refused(amazon):
    headers = {"x-amz-sns-message-type": "SubscriptionConfirmation"}

    assert tell(amazon.notification("hello"), **headers).status_code == 403
    assert (nothing_came(), amazon.asked) == (True, [])


def test_without_a_list_of_topics_nobody_is_believed(amazon, settings):
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "SNS_TOPIC_ARNS": []}

    assert tell(amazon.notification("hello")).status_code == 403
    assert (nothing_came(), amazon.asked) == (True, [])


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"eventType": "Bounce"}', b'{"Type": ["Notification"]}', b"[" * 100_000, b"\xff\xfe"],
)
def test_what_is_no_message_of_sns_is_a_400(amazon, body):
    assert tell(body).status_code == 400
    assert nothing_came()


@pytest.mark.parametrize("fields", [{"Message": 1}, {"MessageId": {}}, {"Signature": None}, {"TopicArn": None}])
def test_a_message_of_wrong_fields_is_a_400(amazon, fields):
    assert tell({**amazon.notification("hello"), **fields}).status_code == 400


def test_only_a_post_and_no_more_than_the_limit(amazon, settings):
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "MAX_WEBHOOK_BYTES": 2_000}

    assert tell(amazon.notification("x" * 2_000)).status_code == 413
    assert Client().get("/api/webhooks/ses").status_code == 405


def test_the_largest_message_of_sns_fits(amazon):
    assert tell(amazon.notification('"' * 256 * 1024)).status_code == 200


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (500, {}, b""),
        (404, {}, b""),
        (302, {"Location": "http://127.0.0.1/"}, b""),
        (200, {}, b"<html>"),
        (200, {}, b"x" * 70_000),
    ],
)
def test_a_certificate_that_cannot_be_had_is_asked_for_again(amazon, status, headers, body):
    message = amazon.notification("hello")
    amazon.status, amazon.headers, amazon.body = status, headers, body
    assert (tell(message).status_code, nothing_came()) == (503, True)

    amazon.status, amazon.headers, amazon.body = 200, {}, None

    assert tell(message).status_code == 200
    assert amazon.asked == [CERTIFICATE] * 2


def test_a_certificate_is_fetched_once(amazon):
    for _ in range(3):
        assert tell(amazon.notification("hello")).status_code == 200

    assert amazon.asked == [CERTIFICATE]


def test_a_replay_is_the_same_message(amazon, drain):
    message = amazon.notification("hello")

    assert [tell(message).status_code for _ in range(3)] == [200] * 3

    assert (SnsMessage.objects.get().deliveries, Job.objects.count()) == (3, 1)


def test_two_at_once_are_one_message(amazon):
    message = amazon.notification("hello")
    answers, barrier = [], threading.Barrier(4)

    def tell_at_once():
        barrier.wait()
        answers.append(tell(message).status_code)
        connection.close()

    threads = [threading.Thread(target=tell_at_once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (answers, SnsMessage.objects.get().deliveries, Job.objects.count()) == ([200] * 4, 4, 1)


def test_a_subscription_is_confirmed_by_a_job(amazon, drain):
    assert tell(amazon.subscription()).status_code == 200
    assert amazon.asked == [CERTIFICATE]

    drain()

    assert amazon.asked[1:] == [f"/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"]
    assert SnsMessage.objects.get().outcome == "Subscription confirmed."


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.com/?Action=ConfirmSubscription",
        f"http://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
        f"{HOST}/?Action=DeleteTopic&TopicArn={TOPIC}&Token=2336412f37",
        f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}666&Token=2336412f37",
        f"{HOST}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=other",
        f"{HOST}/path?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
        f"{HOST}.evil.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37",
    ],
)
def test_a_confirmation_that_leads_elsewhere_is_refused_though_well_signed(amazon, url):
    assert tell(amazon.subscription(SubscribeURL=url)).status_code == 403
    assert (nothing_came(), amazon.asked) == (True, [])


def test_a_confirmation_that_fails_is_tried_again(amazon, drain):
    tell(amazon.subscription())
    amazon.status = 500

    drain()

    assert (Job.objects.get().state, SnsMessage.objects.get().handled_at) == ("retrying", None)


def test_the_end_of_a_subscription_is_noted_and_nothing_is_fetched(amazon, drain):
    tell(amazon.subscription(type_="UnsubscribeConfirmation"))

    drain()

    assert (amazon.asked, SnsMessage.objects.get().outcome) == (
        [CERTIFICATE],
        "The subscription was ended at Amazon.",
    )


def test_the_hello_of_ses_is_no_event(amazon, drain):
    tell(amazon.notification("Successfully validated SNS topic for Amazon SES event publishing."))

    drain()

    assert (SnsMessage.objects.get().outcome, Job.objects.get().state) == ("No event of SES.", "succeeded")


# --- what an event does -------------------------------------------------------------------------------------------


@pytest.fixture
def mail(alice, amazon, post, drain):
    """A mail to three that went out."""
    mail = send(alice, *THREE)
    drain()
    Job.objects.all().delete()
    mail.refresh_from_db()
    return mail


def event(kind, mail=None, *, old=False, header=True, provider_id="other", **about):
    """Return an event as SES tells it."""
    headers = [{"name": "X-Backroom-Mail", "value": str(mail.public_id)}] if mail and header else []
    told = {"messageId": provider_id, "destination": THREE, "headers": headers, "commonHeaders": {}}
    name = {"DeliveryDelay": "deliveryDelay"}.get(kind, kind.lower())
    return {"notificationType" if old else "eventType": kind, "mail": told, name: about}


def bounce(mail, *recipients, type_="Permanent", **options):
    told = [
        {"emailAddress": address, "status": status, "diagnosticCode": f"smtp; {status}"}
        for address, status in recipients
    ]
    return event("Bounce", mail, bounceType=type_, bounceSubType="General", bouncedRecipients=told, **options)


def learn(amazon, drain, *events):
    for each in events:
        assert tell(amazon.notification(each)).status_code == 200
    drain()


def fates():
    return dict(Recipient.objects.order_by("id").values_list("address", "state"))


def suppressed():
    return dict(Suppression.objects.order_by("id").values_list("address", "reason"))


@pytest.mark.parametrize("old", [False, True])
def test_a_bounce_of_one_of_three_suppresses_one(amazon, mail, drain, old):
    learn(amazon, drain, bounce(mail, ("Mary@example.com", "5.1.1"), old=old))

    assert fates() == dict(zip(THREE, ["accepted", "bounced", "accepted"], strict=True))
    assert suppressed() == {"mary@example.com": "bounce"}
    row = Suppression.objects.get()
    assert (row.tenant_id, row.mail_id, "5.1.1" in row.detail) == (mail.tenant_id, mail.pk, True)


def test_a_permanent_bounce_of_mixed_statuses_suppresses_whom_it_is_final_for(amazon, mail, drain):
    learn(amazon, drain, bounce(mail, (THREE[0], "5.1.1"), (THREE[1], "4.0.0"), (THREE[2], "")))

    assert fates() == dict(zip(THREE, ["bounced", "accepted", "bounced"], strict=True))
    assert list(suppressed()) == [THREE[0], THREE[2]]


@pytest.mark.parametrize("type_", ["Transient", "Undetermined"])
def test_a_bounce_that_may_pass_suppresses_nobody(amazon, mail, drain, type_):
    learn(amazon, drain, bounce(mail, (THREE[0], "5.1.1"), type_=type_))

    assert (set(fates().values()), suppressed()) == ({"accepted"}, {})
    assert type_ in Recipient.objects.order_by("id").first().detail


def complaint(mail, *addresses, type_="abuse"):
    told = [{"emailAddress": address} for address in addresses]
    return event("Complaint", mail, complainedRecipients=told, complaintFeedbackType=type_)


def test_a_complaint_suppresses_and_praise_does_not(amazon, mail, drain):
    learn(amazon, drain, complaint(mail, THREE[0]), complaint(mail, THREE[1], type_="not-spam"))

    assert fates() == dict(zip(THREE, ["complained", "accepted", "accepted"], strict=True))
    assert suppressed() == {THREE[0]: "complaint"}


def test_a_delivery_after_its_bounce_changes_nothing(amazon, mail, drain):
    delivered = event("Delivery", mail, recipients=THREE, smtpResponse="250 ok")

    learn(amazon, drain, bounce(mail, (THREE[0], "5.1.1")), delivered)

    assert fates() == dict(zip(THREE, ["bounced", "delivered", "delivered"], strict=True))


def test_who_bounced_is_not_mailed_again_and_is_when_it_is_lifted(amazon, mail, alice, post, drain):
    learn(amazon, drain, bounce(mail, (THREE[0], "5.1.1")))
    post.messages.clear(), post.recipients.clear()

    send(alice, THREE[0], key="two")
    drain()
    assert post.messages == []

    row = Suppression.objects.get()
    assert services.lift_suppression(suppression_id=row.pk, by_id=None, now=clock.now())
    send(alice, THREE[0], key="three")
    drain()
    assert post.recipients == [[THREE[0]]]
    assert services.restore_suppression(suppression_id=row.pk)
    send(alice, THREE[0], key="four")
    drain()
    assert len(post.messages) == 1


def test_another_tenant_is_told_nothing(amazon, mail, bob, post, drain):
    learn(amazon, drain, bounce(mail, (THREE[0], "5.1.1")))
    post.messages.clear()

    send(bob, THREE[0])
    drain()

    assert len(post.messages) == 1


def test_somebody_whom_the_mail_did_not_go_to_is_left_alone(amazon, mail, drain):
    learn(amazon, drain, bounce(mail, ("forwarded@example.com", "5.1.1")))

    assert (set(fates().values()), suppressed()) == ({"accepted"}, {})


@pytest.mark.parametrize(
    "about",
    [
        lambda mail: {"provider_id": mail.provider_id, "header": False},
        lambda _mail: {"header": True},
    ],
    ids=["number of the provider", "our header"],
)
def test_a_mail_is_known_by_either_number(amazon, mail, drain, about):
    learn(amazon, drain, bounce(mail, (THREE[0], "5.1.1"), **about(mail)))

    assert fates()[THREE[0]] == "bounced"


def test_a_mail_is_known_by_its_message_id(amazon, mail, drain):
    told = bounce(mail, (THREE[0], "5.1.1"), header=False)
    told["mail"]["headers"] = [{"name": "Message-ID", "value": services.message_id(mail)}]

    learn(amazon, drain, told)

    assert fates()[THREE[0]] == "bounced"


def test_an_event_of_a_mail_that_is_not_ours_does_nothing(amazon, mail, drain):
    learn(amazon, drain, bounce(None, (THREE[0], "5.1.1")))

    assert (set(fates().values()), suppressed()) == ({"accepted"}, {})
    assert SnsMessage.objects.get().outcome == "Bounce: no mail of ours."


def test_an_uncertain_mail_is_settled_by_what_ses_tells(amazon, mail, drain):
    EmailMessage.objects.update(state="uncertain")
    Recipient.objects.update(state="pending")

    learn(amazon, drain, event("Send", mail))

    assert (EmailMessage.objects.get().state, set(fates().values())) == ("sent", {"accepted"})


def test_a_rejected_mail_has_failed(amazon, mail, drain):
    learn(amazon, drain, event("Reject", mail, reason="Bad content"))

    row = EmailMessage.objects.get()
    assert (row.state, row.error, set(fates().values())) == ("failed", "Rejected Bad content", {"refused"})


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_every_sample_of_amazons_is_understood(amazon, path, drain):
    learn(amazon, drain, json.loads(path.read_text()))

    kind = read_event(path.read_text()).kind
    assert SnsMessage.objects.get().outcome == f"{kind}: no mail of ours."
    assert Job.objects.get().state == "succeeded"


@pytest.mark.parametrize(
    "told",
    [
        {"eventType": "Unheard", "mail": {}},
        {"eventType": "Bounce", "mail": {"headers": 1, "destination": "x"}, "bounce": {"bouncedRecipients": {}}},
        {"eventType": "Bounce", "mail": {"headers": [1], "destination": [2]}, "bounce": {"bouncedRecipients": [3, {}]}},
        {"eventType": "Complaint", "mail": {"commonHeaders": []}, "complaint": None},
        {"eventType": ["Delivery"], "mail": {"messageId": 5}},
    ],
)
def test_an_odd_event_is_stored_and_does_nothing(amazon, told, drain):
    learn(amazon, drain, told)

    assert Job.objects.get().state == "succeeded"


def test_a_message_is_done_once_however_often_its_job_runs(amazon, mail, drain):
    learn(amazon, drain, bounce(mail, (THREE[0], "5.1.1")))
    row = SnsMessage.objects.get()
    services.lift_suppression(suppression_id=Suppression.objects.get().pk, by_id=None, now=clock.now())

    services.process_sns(message_id=row.pk, now=clock.now())

    assert Suppression.objects.filter(lifted_at=None).count() == 0


def test_what_was_handled_long_ago_is_pruned(amazon, drain):
    tell(amazon.notification("hello")), tell(amazon.notification("hello"))
    drain()
    SnsMessage.objects.filter(pk=SnsMessage.objects.first().pk).update(handled_at=clock.now() - timedelta(days=61))
    prune_events.send()
    drain()

    assert SnsMessage.objects.count() == 1

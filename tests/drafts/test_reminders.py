"""Authors are reminded once and warned once, each of their drafts, and nobody is forgotten."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.accounts.models import Membership
from modules.drafts import services
from modules.drafts.actors import remind
from modules.drafts.domain import Retention
from modules.drafts.models import Record
from modules.jobs.models import Job
from modules.kernel import clock
from modules.notifications import services as notification_services
from modules.notifications.domain import Channel, Kind
from modules.notifications.models import EmailMessage, Notification
from tests.drafts.factories import DAY, make_draft, make_member, make_property

pytestmark = pytest.mark.django_db

CREATED = datetime(2024, 12, 20, 10, tzinfo=UTC)


def tell(*, now=None, limit=500, report=lambda _count: None, **options):
    return services.remind(
        retention=Retention(**options), reminder_days=3, limit=limit, now=now or clock.now(), report=report
    )


def told(kind):
    return [notice.payload for notice in Notification.objects.filter(type=kind).order_by("id")]


def test_a_reminder_after_three_days_says_exactly_this(cottage, jana):
    draft = make_draft(cottage, jana, created_at=CREATED)

    assert tell(now=CREATED + timedelta(days=3, seconds=-1)).reminders == 0
    assert tell(now=CREATED + timedelta(days=3)).reminders == 1

    assert told("draft_reminder") == [
        {
            "zaznamId": str(draft.public_id),
            "propertyName": "Chalupa",
            "createdAt": "2024-12-20T10:00:00Z",
            "daysOld": 3,
        }
    ]
    assert Notification.objects.get().user == jana


def test_a_warning_seven_days_before_says_exactly_this_and_the_draft_goes_on_that_day(cottage, jana, files):
    draft = make_draft(cottage, jana, created_at=CREATED)
    assert tell(now=datetime(2025, 1, 12, 9, tzinfo=UTC)).warnings == 0

    assert tell(now=datetime(2025, 1, 13, 9, tzinfo=UTC)).warnings == 1

    assert told("draft_expiring") == [
        {
            "zaznamId": str(draft.public_id),
            "propertyName": "Chalupa",
            "expiresAt": "2025-01-20T00:00:00Z",
            "daysRemaining": 7,
        }
    ]
    gone = [
        services.clean_up(run=number, retention=Retention(), limit=9, now=now, report=lambda _count: None).count
        for number, now in (
            ("00000000-0000-0000-0000-000000000001", datetime(2025, 1, 19, 23, 59, tzinfo=UTC)),
            ("00000000-0000-0000-0000-000000000002", datetime(2025, 1, 20, 2, tzinfo=UTC)),
        )
    ]
    assert gone == [0, 1]


def test_a_late_warning_leaves_the_whole_week(cottage, jana, files):
    draft = make_draft(cottage, jana, created_at=CREATED)
    late = CREATED + 60 * DAY

    tell(now=late)

    assert Record.objects.get(pk=draft.pk).expires_at == datetime(2025, 2, 25, tzinfo=UTC)
    assert told("draft_expiring")[0]["daysRemaining"] == 7


def test_twice_is_once(cottage, jana):
    make_draft(cottage, jana, age=25 * DAY)

    first, second = tell(), tell()

    assert ((first.reminders, first.warnings), (second.reminders, second.warnings)) == ((1, 1), (0, 0))
    assert Notification.objects.count() == 2


def test_two_at_once_tell_of_each_draft_once(cottage, jana, at_once):
    for _ in range(20):
        make_draft(cottage, jana, age=25 * DAY)

    first, second = at_once(lambda: tell(limit=3), lambda: tell(limit=3))

    assert (first.reminders + second.reminders, first.warnings + second.warnings) == (20, 20)
    assert (len(told("draft_reminder")), len(told("draft_expiring"))) == (20, 20)


def test_new_drafts_are_not_starved_by_old_ones_that_were_reminded_or_have_nobody(cottage, jana, bob, alice):
    for number in range(5):
        make_draft(cottage, jana, age=20 * DAY, reminded_at=clock.now())
        make_draft(make_property(bob), None, age=(60 + number) * DAY)
    new = make_draft(cottage, jana, age=4 * DAY)

    done = tell(limit=2)

    assert [payload["zaznamId"] for payload in told("draft_reminder")] == [str(new.public_id)]
    assert (done.reminders, done.of_nobody) == (1, 5)


def test_all_are_told_however_many_and_a_kill_between_batches_repeats_none(cottage, jana):
    class Killed(BaseException):
        """As if the process had been killed between two batches."""

    def die(_count):
        raise Killed

    for _ in range(5):
        make_draft(cottage, jana, age=4 * DAY)
    with pytest.raises(Killed):
        tell(limit=2, report=die)
    assert len(told("draft_reminder")) == 2

    assert tell(limit=2).reminders == 3
    assert len({payload["zaznamId"] for payload in told("draft_reminder")}) == 5


def test_a_batch_that_is_rolled_back_told_nobody(cottage, jana, transactional_db):
    draft = make_draft(cottage, jana, age=4 * DAY)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE notifications_notification ADD CONSTRAINT none CHECK (user_id = 0)")
    try:
        with pytest.raises(Exception, match="none"):
            tell()
        assert Record.objects.get(pk=draft.pk).reminded_at is None
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE notifications_notification DROP CONSTRAINT none")


def test_the_owner_is_told_where_the_author_left(alice, jana, cottage):
    petr = make_member(alice, "petr")
    make_draft(cottage, petr, age=4 * DAY)
    Membership.objects.filter(user=petr).delete()

    tell()

    assert Notification.objects.get().user == jana


def test_published_and_deleted_records_are_not_told_of(cottage, jana):
    now = clock.now()
    make_draft(cottage, jana, age=25 * DAY, status="published", published_at=now)
    make_draft(cottage, jana, age=25 * DAY, deleted_at=now)

    done = tell()

    assert (done.reminders, done.warnings) == (0, 0)


def test_from_the_last_edit_an_edit_is_a_new_warning(cottage, jana):
    now = clock.now()
    make_draft(cottage, jana, age=90 * DAY, edited_at=now - DAY)
    void = make_draft(
        cottage, jana, age=90 * DAY, edited_at=now - 25 * DAY, warned_at=now - 60 * DAY, expires_at=now - 53 * DAY
    )

    assert tell(from_edit=True).warnings == 1
    assert tell(from_edit=True).warnings == 0
    assert [payload["zaznamId"] for payload in told("draft_expiring")] == [str(void.public_id)]


def test_the_warning_is_mailed_once_in_the_readers_words(cottage, jana, mails):
    draft = make_draft(cottage, jana, created_at=CREATED)
    now = datetime(2025, 1, 13, 9, tzinfo=UTC)
    tell(now=now), tell(now=now)

    mail = EmailMessage.objects.get()

    assert (mail.template, mail.locale, mail.user) == ("draft_expiring", "cs", jana)
    assert mail.key == f"draft_expiring:{draft.public_id}:2025-01-20T00:00:00Z"
    assert "20.01.2025" in mail.subject
    assert "List-Unsubscribe" in mail.headers


def test_who_wants_no_mail_has_the_notice_and_who_wants_neither_counts_as_warned(alice, cottage, jana, mails):
    petr = make_member(alice, "petr")
    ways = [
        (petr, {(Kind.DRAFT_EXPIRING, way): False for way in Channel}),
        (jana, {(Kind.DRAFT_EXPIRING, Channel.EMAIL): False}),
    ]
    for user, wanted in ways:
        notification_services.set_preferences(tenant_id=alice.pk, user_id=user.pk, wanted=wanted, now=clock.now())
        make_draft(cottage, user, age=25 * DAY)

    assert tell().warnings == 2
    assert EmailMessage.objects.count() == 0
    assert Notification.objects.get(type="draft_expiring").user == jana


@pytest.mark.parametrize("field", ["name", "email"])
def test_a_mail_that_cannot_be_written_costs_nobody_else_theirs(alice, cottage, jana, mails, field):
    petr = make_member(alice, "petr")
    bad = make_property(alice, name="Dům\x07" if field == "name" else "Dům")
    if field == "email":
        type(petr).objects.filter(pk=petr.pk).update(email="no address")
    make_draft(bad, petr, age=26 * DAY)
    make_draft(cottage, jana, age=25 * DAY)

    assert tell().warnings == 2
    assert [mail.user for mail in EmailMessage.objects.all()] == [jana]
    assert Notification.objects.filter(type="draft_expiring").count() == 2


def test_a_header_cannot_be_smuggled_in_by_a_name(alice, jana, mails):
    make_draft(make_property(alice, name="Dům\r\nBcc: all@example.com"), jana, age=25 * DAY)

    tell()

    assert "\n" not in EmailMessage.objects.get().subject


def test_a_longer_batch_asks_no_more_questions(cottage, jana):
    counts = []
    for number in (1, 3):
        for _ in range(number):
            make_draft(cottage, jana, age=25 * DAY)
        with CaptureQueriesContext(connection) as captured:
            tell()
        counts.append(len(captured))

    assert counts[0] == counts[1]


def test_each_tenants_people_are_told_of_their_own(cottage, jana, bob):
    petr = make_member(bob, "petr")
    make_draft(make_property(bob, owner=petr, name="Secret"), petr, age=4 * DAY)
    make_draft(cottage, jana, age=4 * DAY)

    tell()

    found = Notification.objects.order_by("id").values_list("tenant__name", "user__username", "payload__propertyName")
    assert sorted(found) == [("Alice", "jana", "Chalupa"), ("Bob", "petr", "Secret")]


def test_the_job_tells_and_its_log_counts(cottage, jana, drain):
    make_draft(cottage, jana, age=25 * DAY)
    remind.send()

    drain()

    job = Job.objects.get()
    assert (job.state, "reminded of 1, warned of 1, nobody to warn of 0" in job.attempts.get().log) == (
        "succeeded",
        True,
    )


def test_the_command_counts_or_tells(cottage, jana):
    make_draft(cottage, jana, age=25 * DAY)
    out = StringIO()

    call_command("drafts_remind", dry_run=True, stdout=out)
    assert (out.getvalue(), Notification.objects.count()) == (
        "would remind of 1, warn of 1; nobody to warn of 0\n",
        0,
    )
    call_command("drafts_remind", stdout=out)

    assert out.getvalue().endswith("reminded of 1, warned of 1; nobody to warn of 0\n")
    assert Notification.objects.count() == 2

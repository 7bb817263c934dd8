"""Everybody who wants it is told of their week once, at their own Monday nine o'clock, and nobody is forgotten."""

import io
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.accounts.models import Membership, User
from modules.drafts import services as draft_services
from modules.drafts.models import Comment, Record, ShareMember
from modules.jobs import services as job_services
from modules.jobs.models import Job, JobSchedule
from modules.jobs.registry import InvalidArguments
from modules.kernel.ids import uuid7
from modules.kernel.secrets import decrypt
from modules.notifications import services as notification_services
from modules.notifications.domain import Channel, Kind
from modules.notifications.models import EmailMessage
from modules.reports import selectors, services
from modules.reports.actors import send_summaries
from modules.reports.domain import MAX_ITEMS, Summary, Turn
from modules.reports.models import SummaryReceipt, WeeklySummary
from tests.drafts.factories import DAY, make_draft, make_invitation, make_property
from tests.reports.factories import LONG_AGO, make_member

pytestmark = pytest.mark.django_db

MONDAY = datetime(2026, 11, 30, 8, tzinfo=UTC)  # nine o'clock in Prague
THURSDAY = datetime(2026, 11, 26, 12, tzinfo=UTC)
TURN = Turn("Europe/Prague", MONDAY)


def send(*, run=None, now=MONDAY, limit=100, late_hours=48, cron="0 9 * * 1", report=lambda _count: None):
    return services.send_summaries(
        run=run or uuid7(), cron=cron, late_hours=late_hours, limit=limit, now=now, report=report
    )


def week_of(person, turn=TURN, now=MONDAY):
    readers = selectors.due_readers(turn, zone_names=[""], limit=1_000)
    found = selectors.summaries_of([reader for reader in readers if reader.who.user_id == person.pk], turn, now=now)
    return next(iter(found.values()))


def publish(place, author, at=THURSDAY, **fields):
    return make_draft(place, author, created_at=at, status="published", published_at=at, **fields)


def say(record, author, text="Hotovo", at=THURSDAY):
    return Comment.objects.create(tenant_id=record.tenant_id, record=record, author=author, text=text, created_at=at)


def share(place, user, kind="property", at=None):
    return ShareMember.objects.create(
        tenant_id=place.tenant_id,
        user=user,
        target_type=kind,
        target_id=place.pk,
        role="reader",
        created_at=at or THURSDAY - 90 * DAY,
    )


def crowd(tenant, count, place=None, zone=""):
    """Return people with something to report each."""
    users = User.objects.bulk_create(
        User(username=f"u{number}", email=f"u{number}@example.com", timezone=zone, date_joined=LONG_AGO)
        for number in range(count)
    )
    Membership.objects.bulk_create(Membership(user=user, tenant=tenant) for user in users)
    place = place or make_property(tenant)
    boring = {"tenant": tenant, "property": place, "created_at": THURSDAY, "edited_at": THURSDAY}
    Record.objects.bulk_create(Record(title=user.username, author=user, **boring) for user in users)
    return users


def test_the_mail_tells_of_the_week_before_in_the_readers_language(cottage, jana, petr):
    share(cottage, petr)
    publish(cottage, petr, title="Revize komínu")
    make_draft(cottage, jana, created_at=THURSDAY)

    assert send() == services.Sent(mailed=2)

    mail = EmailMessage.objects.get(user=jana)
    assert (mail.key, mail.locale, mail.state) == (f"weekly_summary:{jana.pk}:2026-W49", "cs", "queued")
    assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    text = decrypt(mail.text_encrypted)
    for line in (
        "Dobrý den Jana Nováková,",
        "zde je přehled aktivity za poslední týden (23.11.2026 - 29.11.2026):",
        "- Vytvořeno záznamů: 1",
        "- Chalupa: nových záznamů 1",
        "- Rozpracované záznamy: 1",
        "Otevřít Backroom: https://diary.example/",
    ):
        assert line in text.splitlines()
    assert "<p" in decrypt(mail.html_encrypted)
    assert Job.objects.filter(actor="notifications.send_email").count() == 2


def test_ones_own_week_is_counted_between_two_midnights_of_ones_own(cottage, jana, files):
    first, last = datetime(2026, 11, 22, 23, tzinfo=UTC), datetime(2026, 11, 29, 22, 59, 59, tzinfo=UTC)
    before, after = first - timedelta(seconds=1), last + timedelta(seconds=1)
    for at in (before, first, last, after):
        record = publish(cottage, jana, at=at)
        say(record, jana, at=at)
        draft_services.attach_document(
            record_id=record.pk, name="a.jpg", content=io.BytesIO(b"photo"), uploaded_by_id=jana.pk, now=at
        )
    make_draft(cottage, jana, created_at=before, edited_at=THURSDAY)
    make_draft(cottage, jana, created_at=THURSDAY, deleted_at=THURSDAY)

    week = week_of(jana)

    assert (week.records_created, week.records_updated) == (2, 1)
    assert (week.documents_uploaded, week.comments_added, week.pending_drafts) == (2, 2, 1)
    assert (week.new_records, week.new_comments) == ([], [])  # one's own are no news


@pytest.mark.parametrize("kind", ["project", "property", "unit", "owner"])
def test_others_activity_is_told_to_who_may_see_it(alice, cottage, jana, petr, kind):
    attic = draft_services.add_unit(of=cottage, name="Podkroví", now=THURSDAY)
    garage = draft_services.add_unit(of=cottage, name="Garáž", now=THURSDAY)
    author, reader = (petr, jana) if kind == "owner" else (jana, petr)
    target = {"project": cottage.project, "property": cottage, "unit": attic}.get(kind)
    if target:
        share(target, petr, kind=kind)
    for unit in (None, attic, garage):
        say(publish(cottage, author, unit=unit, title=f"in {unit}"), author)
    make_draft(cottage, author, created_at=THURSDAY)

    week = week_of(reader)

    seen = ["in Podkroví"] if kind == "unit" else ["in Garáž", "in Podkroví", "in None"]
    assert week.new_records == [("Chalupa", len(seen))]
    assert week.new_comments == [(title, author.get_full_name()) for title in seen]


def test_a_stranger_and_another_tenants_member_see_nothing(bob, cottage, jana, petr):
    elsewhere = make_member(bob, "bobek")
    share(cottage, elsewhere)  # a row that no code makes: the person is no member here
    ShareMember.objects.create(
        tenant=bob, user=elsewhere, target_type="property", target_id=cottage.pk, role="reader", created_at=THURSDAY
    )
    say(publish(cottage, jana), jana)
    share(cottage, make_member(cottage.tenant, "new"), at=THURSDAY)

    assert week_of(petr) == Summary()
    assert week_of(elsewhere) == Summary()
    assert send().mailed == 2  # Jana, and who is new here


def test_new_members_and_what_waits(alice, cottage, jana, petr):
    attic = draft_services.add_unit(of=cottage, name="Podkroví", now=THURSDAY)
    share(cottage.project, petr, kind="project", at=THURSDAY)
    share(attic, petr, kind="unit", at=THURSDAY)
    share(cottage, petr, at=THURSDAY - 30 * DAY)
    make_draft(cottage, jana, created_at=THURSDAY - 30 * DAY, warned_at=THURSDAY, expires_at=THURSDAY + 7 * DAY)
    make_invitation(cottage, petr, expires_in=3650 * DAY, email="jana@example.com")
    make_invitation(cottage, petr, email="jana@example.com", status="expired", ended_at=THURSDAY)

    week = week_of(jana)

    assert week.new_members == [("Podkroví", "Petr Dvořák"), ("Rodina", "Petr Dvořák")]
    assert (week.pending_drafts, week.expiring_drafts, week.pending_invitations) == (1, 1, 1)


def test_a_list_is_cut_where_a_mail_would_not_be_read(cottage, jana, petr):
    record = publish(cottage, petr, title="a\nBcc: x@example.com")
    for number in range(MAX_ITEMS + 5):
        say(record, petr, text=str(number))
    say(record, jana)

    assert week_of(jana).new_comments == [(record.title, "Petr Dvořák")] * MAX_ITEMS
    assert week_of(jana).values()["new_comments"][0]["record"] == "a Bcc: x@example.com"


def test_who_has_nothing_to_be_told_or_does_not_want_it_gets_no_mail(alice, cottage, jana, petr):
    make_draft(cottage, jana, created_at=THURSDAY)
    lost = make_member(alice, "lost")
    User.objects.filter(pk=lost.pk).update(email="")
    wrong = make_member(alice, "wrong")
    User.objects.filter(pk=wrong.pk).update(email="nowhere")
    left = make_member(alice, "left", is_active=False)
    for user in (lost, wrong, left):
        make_draft(cottage, user, created_at=THURSDAY)
    no = {(Kind.WEEKLY_SUMMARY, Channel.EMAIL): False}
    notification_services.set_preferences(tenant_id=alice.pk, user_id=jana.pk, wanted=no, now=MONDAY)

    assert send() == services.Sent(mailed=0, empty=1, unreachable=2)

    outcomes = dict(WeeklySummary.objects.values_list("user__username", "outcome"))
    assert outcomes == {"petr": "empty", "lost": "unreachable", "wrong": "unreachable"}


def test_each_clock_has_its_own_monday(alice, cottage):
    zones = {
        "Pacific/Apia": datetime(2026, 11, 29, 20, tzinfo=UTC),
        "Asia/Kathmandu": datetime(2026, 11, 30, 3, 15, tzinfo=UTC),
        "": MONDAY,
        "Europe/Prague": MONDAY,
        "Mars/Olympus": MONDAY,  # what no clock knows has the installation's
        "America/New_York": datetime(2026, 11, 30, 14, tzinfo=UTC),
    }
    for number, zone in enumerate(zones):
        make_draft(cottage, make_member(alice, f"in{number}", timezone=zone), created_at=THURSDAY)
    mailed = {}

    for now in sorted({at + timedelta(minutes=minutes) for at in zones.values() for minutes in (-8, 7)}):
        send(now=now)
        for zone in EmailMessage.objects.values_list("user__timezone", flat=True):
            mailed.setdefault(zone, now)

    assert mailed == {zone: at + timedelta(minutes=7) for zone, at in zones.items()}  # at the first tick from then on
    assert EmailMessage.objects.count() == len(zones)


@pytest.mark.parametrize(
    ("zone", "due_at", "hours"),
    [
        ("America/New_York", datetime(2026, 3, 9, 13, tzinfo=UTC), 167),
        ("America/New_York", datetime(2026, 11, 2, 14, tzinfo=UTC), 169),
        ("Europe/Prague", datetime(2026, 3, 30, 7, tzinfo=UTC), 167),
        ("Asia/Kathmandu", datetime(2026, 3, 30, 3, 15, tzinfo=UTC), 168),
    ],
)
def test_a_change_of_the_clocks_moves_nobodys_monday(alice, zone, due_at, hours):
    make_member(alice, "there", timezone=zone)
    found = [
        list(selectors.due_turns(cron="0 9 * * 1", late_hours=1, now=due_at + timedelta(seconds=seconds)))
        for seconds in (-1, 0)
    ]

    assert found == [[], [Turn(zone, due_at)]]
    assert found[1][0].end - found[1][0].start == timedelta(hours=hours)


def test_an_outage_is_made_up_for_until_it_is_too_late(cottage, jana):
    make_draft(cottage, jana, created_at=THURSDAY)

    assert send(now=MONDAY + timedelta(hours=49)).mailed == 0
    assert send(now=MONDAY + timedelta(hours=47)).mailed == 1
    assert EmailMessage.objects.get().key.endswith("2026-W49")


def test_who_joins_later_that_monday_waits_a_week(alice, cottage):
    make_draft(cottage, make_member(alice, "new", date_joined=MONDAY), created_at=MONDAY)

    assert [send(now=MONDAY + later).mailed for later in (timedelta(hours=1), 7 * DAY)] == [0, 1]


def test_twice_is_once_and_the_next_week_is_another(cottage, jana):
    make_draft(cottage, jana, created_at=THURSDAY)

    assert [send(now=MONDAY + n * timedelta(minutes=15)).mailed for n in range(3)] == [1, 0, 0]
    assert send(now=MONDAY + 7 * DAY).mailed == 1  # the draft still waits
    assert SummaryReceipt.objects.count() == 2  # a run that found nobody leaves none


def test_who_moves_to_another_zone_in_the_week_is_not_mailed_again(cottage, jana):
    make_draft(cottage, jana, created_at=THURSDAY)
    send()
    User.objects.filter(pk=jana.pk).update(timezone="America/New_York")

    assert send(now=MONDAY + timedelta(hours=6)).mailed == 0


class Killed(BaseException):
    """What ends a process without a word."""


@pytest.mark.slow
def test_killed_at_the_120th_of_250_and_resumed_it_is_250_mails(alice):
    crowd(alice, 250)
    run, written = uuid7(), []

    def kill(execute, sql, *arguments):
        if sql.startswith('INSERT INTO "notifications_emailmessage"'):
            written.append(sql)
            if len(written) == 6:  # the 101st to the 120th
                raise Killed
        return execute(sql, *arguments)

    with connection.execute_wrapper(kill), pytest.raises(Killed):
        send(run=run, limit=20)
    assert EmailMessage.objects.count() == Job.objects.count() == 100

    assert send(run=run) == services.Sent(mailed=250)

    assert EmailMessage.objects.count() == Job.objects.count() == 250
    assert EmailMessage.objects.values("user_id").distinct().count() == 250
    assert SummaryReceipt.objects.values_list("run", "mailed", "finished_at").get() == (run, 250, MONDAY)
    assert WeeklySummary.objects.filter(outcome="mailed").count() == 250


def test_the_101st_is_not_forgotten_nor_are_two_tenants_mixed(alice, bob):
    crowd(alice, 105)
    both = User.objects.get(username="u104")
    Membership.objects.create(user=both, tenant=bob)
    make_draft(make_property(bob, owner=both), both, created_at=THURSDAY)

    assert send(limit=40).mailed == 106
    keys = EmailMessage.objects.filter(user=both).values_list("tenant__name", "key")
    assert sorted(keys) == [(name, f"weekly_summary:{both.pk}:2026-W49") for name in ("Alice", "Bob")]


def statements(act):
    with CaptureQueriesContext(connection) as found:
        act()
    return [query["sql"] for query in found]


def busy(tenant, count):
    """Return people among whom everything happens that a summary tells of."""
    place = make_property(tenant, owner=make_member(tenant, f"owner{count}"), name=f"House {count}")
    users = crowd(tenant, count, place)
    for user in users[:20]:
        share(place, user, at=THURSDAY)
        say(publish(make_property(tenant, owner=user), users[-1]), users[-2])
        make_invitation(place, users[-1], expires_in=3650 * DAY, email=user.email)
    return users


def questions(tenant, count):
    """Return how many statements so many people's weeks take, and how many their whole batch."""
    users = busy(tenant, count)
    numbers = {user.pk for user in users}
    readers = selectors.due_readers(TURN, zone_names=[""], limit=999)
    theirs = [reader for reader in readers if reader.who.user_id in numbers]
    weeks = statements(lambda: selectors.summaries_of(theirs, TURN, now=MONDAY))
    return len(weeks), len(statements(lambda: send(limit=count + 1)))


@pytest.mark.slow
def test_a_hundred_people_take_no_more_questions_than_thirty(alice, bob):
    thirty = questions(alice, 30)
    EmailMessage.objects.all().delete(), User.objects.filter(username__startswith="u").delete()

    assert questions(bob, 90) == thirty
    assert (thirty[0] <= 13, thirty[1] <= 50) == (True, True)


def test_two_at_once_mail_each_person_once(alice):
    crowd(alice, 30)
    readers, other = selectors.due_readers(TURN, zone_names=[""], limit=15), uuid7()
    marks = {"week": TURN.week, "zone": TURN.zone, "due_at": MONDAY, "run": other, "created_at": MONDAY}

    def mark_first(execute, sql, *arguments):
        if sql.startswith('INSERT INTO "reports_weeklysummary"') and readers:
            theirs = [WeeklySummary(tenant_id=who.tenant_id, user_id=who.user_id, **marks) for who in taken()]
            WeeklySummary.objects.bulk_create(theirs)
        return execute(sql, *arguments)

    def taken():
        """Return those whom the other run marks at the last moment, once."""
        found = [reader.who for reader in readers]
        readers.clear()
        return found

    with connection.execute_wrapper(mark_first):
        assert send().mailed == 15
    assert WeeklySummary.objects.filter(run=other).count() == 15


def test_what_was_dealt_with_long_ago_is_forgotten(cottage, jana):
    make_draft(cottage, jana, created_at=THURSDAY)
    send()

    assert services.prune_summaries(before=MONDAY) == 0
    assert services.prune_summaries(before=MONDAY + DAY) == 1
    assert (WeeklySummary.objects.count(), SummaryReceipt.objects.count()) == (0, 0)


def test_without_addresses_nobody_is_marked(settings, cottage, jana):
    make_draft(cottage, jana, created_at=THURSDAY)
    settings.DRAFTS = {**settings.DRAFTS, "APP_URL": ""}

    with pytest.raises(services.NoAddresses, match="DIARY_URL"):
        send()
    with pytest.raises(CommandError, match="DIARY_URL"):
        call_command("summary_weekly", "--dry-run")
    assert WeeklySummary.objects.count() == 0


def said(*arguments):
    out = StringIO()
    call_command("summary_weekly", *arguments, stdout=out)
    return out.getvalue().strip()


def test_the_command_counts_sends_and_queues(alice):
    crowd(alice, 12)

    assert said("--dry-run", "--at", "2026-11-30T09:00", "--limit", "5") == "would send 12"
    assert (EmailMessage.objects.count(), WeeklySummary.objects.count()) == (0, 0)
    assert said("--queue", "--late-hours", "5").startswith("Job ")
    assert Job.objects.get().arguments == {"cron": "0 9 * * 1", "late_hours": 5, "limit": 100}
    for wrong in (["--cron", "nine"], ["--limit", "0"], ["--at", "2026-11-30T09:00"]):
        with pytest.raises(CommandError):
            said(*wrong)


def test_the_schedule_takes_other_options_and_refuses_wrong_ones(alice, drain):
    job_services.sync_schedules(now=MONDAY)
    schedule = JobSchedule.objects.get(key="summary.weekly")
    assert (schedule.default_cron, schedule.default_options["cron"]) == ("*/15 * * * *", "0 9 * * 1")
    with pytest.raises(InvalidArguments, match="cron"):
        send_summaries.send(cron="0 9 * * 9")

    send_summaries.send(cron="* * * * *", late_hours=1)
    crowd(alice, 3)
    drain()

    assert Job.objects.get(actor="reports.send_summaries").state == "succeeded"
    assert WeeklySummary.objects.count() == 3

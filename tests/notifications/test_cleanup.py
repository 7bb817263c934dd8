"""Old notices go: once, in batches, with a receipt, whatever happens in between."""

import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.utils import timezone

from modules.jobs import services as job_services
from modules.jobs.models import Job, JobSchedule
from modules.kernel import clock
from modules.kernel.ids import uuid7
from modules.notifications import services
from modules.notifications.actors import cleanup
from modules.notifications.models import CleanupReceipt, Notification
from tests.drafts.conftest import at_once
from tests.notifications.conftest import make_member

__all__ = ["at_once"]  # a fixture

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def make(user, tenant, *, days_old, read_days_ago=None):
    now = timezone.now()
    read_at = None if read_days_ago is None else now - timedelta(days=read_days_ago)
    return Notification.objects.create(
        tenant=tenant,
        user=user,
        type="draft_reminder",
        payload={},
        created_at=now - timedelta(days=days_old),
        read_at=read_at,
    )


@pytest.fixture
def old(alice, jana):
    """Five that go (two read, three not) and four that stay, at both sides of each border."""
    for days, read in ((100, 31), (40, 35), (91, None), (95, None), (200, None)):
        make(jana, alice, days_old=days, read_days_ago=read)
    return [
        make(jana, alice, days_old=days, read_days_ago=read).pk
        for days, read in ((1, None), (89, None), (31, 29), (200, 29))
    ]


def left():
    return list(Notification.objects.order_by("id").values_list("id", flat=True))


def receipts():
    return {row.rule: row for row in CleanupReceipt.objects.all()}


def clean(run=None, limit=2, report=lambda _count: None):
    return services.clean_up(
        run=run or uuid7(), read_days=30, unread_days=90, limit=limit, now=clock.now(), report=report
    )


def test_what_is_old_goes_and_the_receipt_says_so(old, drain):
    ages = Notification.objects.filter(read_at=None).order_by("created_at").values_list("created_at", flat=True)
    oldest, newest = ages[0], ages[2]
    cleanup.send(limit=2)

    drain()

    assert (left(), Job.objects.get().state) == (old, "succeeded")
    row = receipts()["unread"]
    assert (row.count, row.oldest_at, row.newest_at) == (3, oldest, newest)
    assert (row.run, row.finished_at is not None, receipts()["read"].count) == (Job.objects.get().id, True, 2)


def test_twice_is_once(old):
    assert (clean(), clean()) == ({"read": 2, "unread": 3}, {"read": 0, "unread": 0})
    assert left() == old


def test_a_run_that_is_killed_half_way_goes_on_with_its_own_ages_and_counts_all(old):
    class Killed(BaseException):
        """As if the process had been killed between two batches."""

    def die(_count):
        raise Killed

    run = uuid7()
    with pytest.raises(Killed):
        clean(run, report=die)
    assert (receipts()["read"].count, receipts()["read"].finished_at, len(left())) == (2, None, 7)
    before = receipts()["read"].before

    assert clean(run) == {"read": 2, "unread": 3}

    assert (left(), receipts()["read"].before) == (old, before)
    assert CleanupReceipt.objects.count() == 2


def test_a_batch_that_is_rolled_back_is_not_counted(old):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE notifications_cleanupreceipt ADD CONSTRAINT none CHECK (count = 0)")
    try:
        with pytest.raises(Exception, match="none"):
            clean()
        assert (len(left()), receipts()["read"].count) == (9, 0)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE notifications_cleanupreceipt DROP CONSTRAINT none")


def test_all_tenants_notices_are_cleaned(old, bob, drain):
    make(make_member(bob, "petr"), bob, days_old=100)
    cleanup.send()

    drain()

    assert (left(), receipts()["unread"].count) == (old, 4)


def test_a_dry_run_counts_and_deletes_nothing(old):
    out = StringIO()

    call_command("notifications_cleanup", dry_run=True, stdout=out)

    lines = out.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "Read long ago: would delete 2",
        "Never read: would delete 3",
    ]
    assert (len(left()), CleanupReceipt.objects.count()) == (9, 0)


def test_the_command_deletes_with_a_receipt(old):
    out = StringIO()

    call_command("notifications_cleanup", limit=1, stdout=out)

    assert out.getvalue().splitlines() == ["Read long ago: deleted 2", "Never read: deleted 3"]
    assert (left(), sum(row.count for row in receipts().values())) == (old, 5)


def test_the_command_sends_the_job(old):
    call_command("notifications_cleanup", queue=True, read_days=5, stdout=StringIO())

    assert Job.objects.get().arguments == {"read_days": 5, "unread_days": 90, "limit": 1_000}
    assert len(left()) == 9


@pytest.mark.parametrize("options", [{"limit": 0}, {"read_days": 0}, {"unread_days": -1}])
def test_a_size_or_an_age_below_one_is_refused(old, options):
    with pytest.raises(CommandError, match="1 or more"):
        call_command("notifications_cleanup", **options)
    with pytest.raises(ValueError, match="1 or more"):
        cleanup.send(**options)
    assert len(left()) == 9


def test_the_schedule_is_sunday_two_oclock_and_editable(transactional_db):
    job_services.sync_schedules(now=clock.now())
    row = JobSchedule.objects.get(key="notifications.cleanup")
    assert (row.default_cron, row.default_options) == (
        "0 2 * * 0",
        {"read_days": 30, "unread_days": 90, "limit": 1_000},
    )
    job_id = job_services.run_schedule_now(key=row.key, now=clock.now())
    assert Job.objects.get(id=job_id).actor == "notifications.cleanup"


def test_a_batch_that_is_not_full_is_not_the_last_one_and_the_end_is_when_it_ended(jana, alice):
    make(jana, alice, days_old=100)
    late, long_ago = [], clock.now()

    def more(_done):
        if not late:
            late.append(make(jana, alice, days_old=95))

    assert clean(limit=2, report=more) == {"read": 0, "unread": 2}
    row = receipts()["unread"]
    assert (left(), row.finished_at > row.started_at > long_ago) == ([], True)


def test_one_that_is_read_meanwhile_stays(jana, alice, at_once):
    notice = make(jana, alice, days_old=100)
    is_read, may_commit = threading.Event(), threading.Event()

    def read():
        with transaction.atomic():
            services.mark_read(notification_ids=[notice.pk], now=clock.now())
            is_read.set()
            may_commit.wait(5)

    def sweep():
        is_read.wait(5)
        threading.Timer(0.2, may_commit.set).start()
        return clean()

    assert at_once(read, sweep)[1] == {"read": 0, "unread": 0}
    assert left() == [notice.pk]

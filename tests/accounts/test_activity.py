"""What people did is written down, and goes when it is old: once, in batches, with a receipt."""

import threading
import time
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.accounts import services
from modules.accounts.actors import clean_activity
from modules.accounts.models import ActivityEntry, CleanupReceipt, Tenant
from modules.jobs import services as job_services
from modules.jobs.models import Job, JobSchedule
from modules.kernel import clock
from modules.kernel.ids import uuid7
from modules.kernel.tenancy import all_tenants, tenant_scope

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tenant(transactional_db):
    return Tenant.objects.create(name="Alice")


def log(tenant, *, days_old=0, verb="record.created", **fields):
    at = clock.now() - timedelta(days=days_old)
    services.log_activity(verb=verb, at=at, tenant_id=tenant and tenant.pk, user_id=None, **fields)


@pytest.fixture
def old(tenant):
    """Five that go, one of no tenant among them, and two that stay."""
    for days in (91, 95, 200, 400):
        log(tenant, days_old=days)
    log(None, days_old=91)
    log(tenant, days_old=89)
    log(tenant)


def ages():
    with all_tenants():
        return sorted((clock.now() - at).days for at in ActivityEntry.objects.values_list("at", flat=True))


def clean(run=None, *, limit=2, pause_seconds=0, report=lambda _done: None):
    counts = services.clean_activity(
        run=run or uuid7(), days=90, limit=limit, pause_seconds=pause_seconds, now=clock.now(), report=report
    )
    return counts["activity"]


def test_an_entry_keeps_what_was_done_without_secrets(tenant):
    log(tenant, target_type="record", target_id=7, details={"name": "Chalupa", "password": "hunter2"})

    with tenant_scope(tenant.pk):
        entry = ActivityEntry.objects.get()
    assert (entry.verb, entry.target_type, entry.target_id, entry.details["name"]) == (
        "record.created",
        "record",
        "7",
        "Chalupa",
    )
    assert "hunter2" not in str(entry.details)


def test_another_tenant_does_not_see_it_and_nobodys_is_seen_by_none(tenant):
    bob = Tenant.objects.create(name="Bob")
    log(tenant)
    log(None, verb="login.opened")

    seen = []
    for whose in (tenant, bob):
        with tenant_scope(whose.pk):
            seen.append(list(ActivityEntry.objects.values_list("verb", flat=True)))

    assert seen == [["record.created"], []]


def test_details_that_are_too_big_are_refused(tenant):
    with pytest.raises(services.DetailsTooBig, match=r"record\.created are over 4096 bytes"):
        log(tenant, details={"text": "x" * 5_000})

    assert ages() == []


def test_what_is_old_goes_and_the_receipt_says_so(old, drain):
    with all_tenants():
        oldest, *_, newest = (
            ActivityEntry.objects.filter(at__lt=clock.now() - timedelta(days=90))
            .order_by("at")
            .values_list("at", flat=True)
        )
    clean_activity.send(limit=2, pause_ms=0)

    drain()

    row, job = CleanupReceipt.objects.get(), Job.objects.get()
    assert (ages(), job.state, row.run) == ([0, 89], "succeeded", job.id)
    assert (row.count, row.oldest_at, row.newest_at, row.finished_at is not None) == (5, oldest, newest, True)


def test_twice_is_once(old):
    assert (clean(), clean(), ages()) == (5, 0, [0, 89])


def test_as_many_as_a_batch_exactly_are_all_gone(old):
    assert (clean(limit=5), ages()) == (5, [0, 89])


def test_many_of_one_moment_are_all_gone(tenant):
    at = clock.now() - timedelta(days=100)
    for _ in range(7):
        services.log_activity(verb="record.created", at=at, tenant_id=tenant.pk, user_id=None)

    assert (clean(), ages()) == (7, [])


def test_batches_of_one_call_count_exactly_what_went(tenant):
    at = clock.now() - timedelta(days=100)
    moments = [at + timedelta(seconds=n // 9) for n in range(40)] + [at + timedelta(hours=n) for n in range(1, 40)]
    with all_tenants():
        ActivityEntry.objects.bulk_create(
            ActivityEntry(tenant=tenant, verb="record.created", at=moment) for moment in moments
        )
    told = []

    assert clean(limit=4, report=told.append) == 79

    receipt = CleanupReceipt.objects.get()
    assert (receipt.count, receipt.oldest_at, receipt.newest_at) == (79, min(moments), max(moments))
    assert (told[0], told[-1], len(told) < 10) == (4, 79, True)


def test_a_run_that_is_killed_half_way_goes_on_and_counts_all(old):
    class Killed(BaseException):
        """As if the process had been killed between two batches."""

    def die(_done):
        raise Killed

    run = uuid7()
    with pytest.raises(Killed):
        clean(run, report=die)
    receipt = CleanupReceipt.objects.get()
    assert (receipt.count, receipt.finished_at, len(ages())) == (2, None, 5)

    assert (clean(run), ages(), CleanupReceipt.objects.get().before) == (5, [0, 89], receipt.before)


def test_a_batch_that_is_rolled_back_is_not_counted(old):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_cleanupreceipt ADD CONSTRAINT none CHECK (count = 0)")
    try:
        with pytest.raises(Exception, match="none"):
            clean()
        assert (len(ages()), CleanupReceipt.objects.get().count) == (7, 0)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_cleanupreceipt DROP CONSTRAINT none")


def test_two_at_once_delete_each_row_once(tenant):
    at = clock.now() - timedelta(days=100)
    with all_tenants():
        ActivityEntry.objects.bulk_create(
            ActivityEntry(tenant=tenant, verb="record.created", at=at + timedelta(seconds=n)) for n in range(300)
        )
    counts = []

    def run(limit):
        counts.append(clean(limit=limit))
        connection.close()

    threads = [threading.Thread(target=run, args=[limit]) for limit in (7, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (sum(counts), ages()) == (300, [])


def test_it_pauses_after_each_batch(old):
    began_at = time.monotonic()
    clean(limit=2, pause_seconds=0.05)  # 2, 2, 1
    first = time.monotonic()
    clean(limit=2, pause_seconds=60)  # nothing is left

    assert (first - began_at >= 0.15, time.monotonic() - first < 60) == (True, True)


def test_a_batch_is_one_statement_however_many_rows_it_has(tenant):
    counts = []
    for size in (1, 300):
        at = clock.now() - timedelta(days=100)
        with all_tenants():
            ActivityEntry.objects.bulk_create(
                ActivityEntry(tenant=tenant, verb="record.created", at=at) for _ in range(size)
            )
        with CaptureQueriesContext(connection) as captured:
            clean(limit=1_000)
        counts.append(sum("DELETE" in query["sql"] for query in captured))

    assert counts == [2, 2]  # the second one finds nothing


def test_a_dry_run_counts_and_deletes_nothing(tenant):
    at = clock.now() - timedelta(days=100)
    with all_tenants():
        entries = (ActivityEntry(tenant=tenant, verb="record.created", at=at) for _ in range(1_204))
        ActivityEntry.objects.bulk_create(entries)
    out = StringIO()

    call_command("activity_cleanup", dry_run=True, stdout=out)

    assert out.getvalue().startswith("Activity of long ago: would delete 1,204, the oldest of 20")
    assert (len(ages()), CleanupReceipt.objects.count()) == (1_204, 0)


def test_the_command_deletes_with_a_receipt(old):
    out = StringIO()

    call_command("activity_cleanup", pause_ms=0, stdout=out)

    assert out.getvalue() == "Activity of long ago: deleted 5\n"
    assert (ages(), CleanupReceipt.objects.get().count) == ([0, 89], 5)


def test_the_command_sends_the_job(old):
    call_command("activity_cleanup", queue=True, days=5, stdout=StringIO())

    assert Job.objects.get().arguments == {"days": 5, "limit": 1_000, "pause_ms": 100}
    assert len(ages()) == 7


@pytest.mark.parametrize(
    ("options", "said"),
    [({"limit": 0}, "limit is 1 or more"), ({"days": 0}, "days is 1 or more"), ({"pause_ms": -1}, "from 0 to 10000")],
)
def test_an_option_out_of_range_is_refused(old, options, said):
    with pytest.raises(CommandError, match=said):
        call_command("activity_cleanup", **options)
    with pytest.raises(ValueError, match=said):
        clean_activity.send(**options)
    assert len(ages()) == 7


def test_the_schedule_is_sunday_two_oclock_and_editable(transactional_db):
    job_services.sync_schedules(now=clock.now())
    row = JobSchedule.objects.get(key="activity.cleanup")
    assert (row.default_cron, row.default_options) == ("0 2 * * 0", {"days": 90, "limit": 1_000, "pause_ms": 100})
    job_id = job_services.run_schedule_now(key=row.key, now=clock.now())
    assert Job.objects.get(id=job_id).actor == "accounts.clean_activity"

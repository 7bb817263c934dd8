"""Old drafts go with their documents: once, and whatever the storage, a kill or an editor does in between."""

import errno
import threading
from io import StringIO

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from modules.drafts import clients, services
from modules.drafts.actors import cleanup
from modules.drafts.domain import Retention
from modules.drafts.models import CleanupReceipt, Document, Record
from modules.drafts.services import RecordGone
from modules.jobs import services as job_services
from modules.jobs.models import Job, JobSchedule
from modules.kernel import clock
from modules.kernel.ids import uuid7
from tests.drafts.factories import DAY, attach, make_draft, make_member, make_property, make_stale

pytestmark = pytest.mark.django_db


class Fragile(FileSystemStorage):
    """A storage whose deletions can fail, hang, or be watched, as a far one's do."""

    refused: set[str] = set()
    before_delete = None

    def delete(self, name):
        if self.before_delete:
            type(self).before_delete(name)
        if name in self.refused:
            raise OSError(errno.EIO, "the storage is down")
        super().delete(name)


@pytest.fixture
def storage(settings, files):
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.Fragile"}}
    Fragile.refused, Fragile.before_delete = set(), None
    yield Fragile
    Fragile.refused, Fragile.before_delete = set(), None


def clean(run=None, *, limit=100, report=lambda _count: None, **options):
    return services.clean_up(
        run=run or uuid7(), retention=Retention(**options), limit=limit, now=clock.now(), report=report
    )


def left():
    return list(Record.objects.filter(deleted_at=None).order_by("id").values_list("id", flat=True))


def stored(files):
    return sorted(path for path in files.rglob("*") if path.is_file())


def test_a_draft_goes_with_its_documents_and_the_receipt_says_so(cottage, jana, storage, files, drain):
    old, older = make_stale(cottage, jana, age=31 * DAY), make_stale(cottage, jana, age=90 * DAY)
    documents = [attach(old), attach(old), attach(older)]
    kept = attach(make_draft(cottage, jana, age=DAY))
    cleanup.send()

    drain()

    assert Job.objects.get().state == "succeeded"
    assert [path.name for path in stored(files)] == [kept.storage_key.rpartition("/")[2]]
    assert Record.objects.get(pk=old.pk).deleted_at is not None
    assert set(Document.objects.filter(deleted_at=None)) == {kept}
    receipt = CleanupReceipt.objects.get()
    assert (receipt.run, receipt.rule, receipt.count, receipt.documents) == (Job.objects.get().id, "created", 2, 3)
    assert (receipt.oldest_at, receipt.newest_at, receipt.failed) == (older.created_at, old.created_at, 0)
    assert receipt.finished_at is not None
    assert len(documents) == 3


def test_who_stays(cottage, jana, storage):
    now = clock.now()
    stay = [
        make_draft(cottage, jana, age=29 * DAY, warned_at=now - 8 * DAY, expires_at=now - DAY),
        make_draft(cottage, jana, age=90 * DAY),  # nobody was warned
        make_draft(cottage, jana, age=90 * DAY, warned_at=now - DAY, expires_at=now + DAY),  # warned late
        make_stale(cottage, jana, status="published", published_at=now),
    ]
    make_stale(cottage, jana)

    assert clean().count == 1
    assert left() == [record.pk for record in stay]


def test_counted_from_the_last_edit_an_edit_keeps_it_and_makes_the_warning_void(cottage, jana, storage):
    now = clock.now()
    edited = make_stale(cottage, jana, edited_at=now - 5 * DAY)
    void = make_draft(
        cottage, jana, age=90 * DAY, edited_at=now - 40 * DAY, warned_at=now - 60 * DAY, expires_at=now - 53 * DAY
    )
    idle = make_stale(cottage, jana, edited_at=now - 40 * DAY)

    assert clean(from_edit=True).count == 1
    assert left() == [edited.pk, void.pk]
    assert Record.objects.get(pk=idle.pk).deleted_at is not None
    assert CleanupReceipt.objects.get().rule == "edited"


def test_all_go_however_many_there_are(cottage, jana, storage):
    for _ in range(7):
        make_stale(cottage, jana)
    batches = []

    assert clean(limit=3, report=batches.append).count == 7
    assert (left(), batches) == ([], [3, 3, 1])


def test_twice_is_once(cottage, jana, storage):
    make_stale(cottage, jana)

    assert (clean().count, clean().count) == (1, 0)


def test_two_at_once_delete_each_draft_once(cottage, jana, storage, files, at_once):
    for number in range(10):
        draft = make_stale(cottage, jana)
        if number % 2:
            attach(draft)

    first, second = at_once(clean, clean)

    assert first.count + second.count == 10
    assert sum(CleanupReceipt.objects.values_list("count", flat=True)) == 10
    assert (left(), stored(files)) == ([], [])


def test_a_missing_object_is_fine(cottage, jana, storage, files):
    attach(make_stale(cottage, jana))
    stored(files)[0].unlink()

    assert clean().count == 1


def test_a_storage_that_fails_leaves_the_draft_whole_and_the_others_go(cottage, jana, storage, files, drain):
    broken, fine = make_stale(cottage, jana), make_stale(cottage, jana)
    document = attach(broken)
    attach(fine)
    storage.refused = {document.storage_key}
    cleanup.send()

    drain()

    job = Job.objects.get()
    assert (left(), [path.read_bytes() for path in stored(files)]) == ([broken.pk], [b"photo"])
    assert Document.objects.get(pk=document.pk).deleted_at is None
    assert (job.state, f"1 left, the first {broken.public_id}: OSError" in job.error_message) == ("retrying", True)
    assert (CleanupReceipt.objects.get().failed, CleanupReceipt.objects.get().finished_at) == (1, None)
    assert services.publish_record(record_id=broken.pk, now=clock.now()) is True


def test_what_failed_is_tried_again_and_counted_in_the_same_receipt(cottage, jana, storage, drain):
    document = attach(make_stale(cottage, jana))
    make_stale(cottage, jana)
    storage.refused = {document.storage_key}
    cleanup.send()
    drain()
    storage.refused = set()
    Job.objects.update(run_at=timezone.now())
    job_services.dispatch()

    drain()

    receipt = CleanupReceipt.objects.get()
    assert (Job.objects.get().state, left()) == ("succeeded", [])
    assert (receipt.count, receipt.documents, receipt.failed, receipt.finished_at is None) == (2, 1, 0, False)


def test_after_the_last_try_the_dead_letter_says_which_draft_and_why(cottage, jana, storage, drain):
    document = attach(make_stale(cottage, jana))
    storage.refused = {document.storage_key}
    cleanup.send_with_options(max_attempts=1)

    drain()

    job = Job.objects.get()
    assert (job.state, "the storage is down" in job.error_message) == ("failed", True)


def test_a_draft_that_is_half_gone_stays_closed_and_the_next_run_finishes_it(cottage, jana, storage, files):
    record = make_stale(cottage, jana)
    _first, second = attach(record), attach(record)
    storage.refused = {second.storage_key}
    assert len(clean().failures) == 1
    with pytest.raises(RecordGone):
        services.publish_record(record_id=record.pk, now=clock.now())
    with pytest.raises(RecordGone):
        attach(record)
    storage.refused = set()

    assert clean().count == 1
    assert (left(), stored(files)) == ([], [])


def test_a_kill_between_the_documents_and_the_row_is_finished_by_the_next_run(cottage, jana, storage, files):
    class Killed(BaseException):
        """As if the process had been killed."""

    record = make_stale(cottage, jana)
    attach(record), attach(record)
    seen = []

    def die_at_the_second(name):
        seen.append(name)
        if len(seen) == 2:
            raise Killed

    storage.before_delete = die_at_the_second
    run = uuid7()
    with pytest.raises(Killed):
        clean(run)
    assert (left(), len(stored(files)), CleanupReceipt.objects.get().count) == ([record.pk], 1, 0)
    storage.before_delete = None

    assert clean(run).count == 1
    assert (left(), stored(files)) == ([], [])
    assert (CleanupReceipt.objects.get().count, CleanupReceipt.objects.get().documents) == (1, 2)


def change(record, how):
    if how == "attach":
        attach(record)
    elif how == "publish":
        services.publish_record(record_id=record.pk, now=clock.now())
    else:
        services.edit_record(record_id=record.pk, now=clock.now(), title="!")


@pytest.mark.parametrize("has_document", [True, False])
@pytest.mark.parametrize("how", ["publish", "edit", "attach"])
def test_a_draft_that_changes_after_it_was_looked_up_survives(cottage, jana, storage, files, how, has_document):
    first, second = make_stale(cottage, jana), make_stale(cottage, jana)
    attach(first)
    if has_document:
        attach(second)

    def meanwhile(_name):
        """Somebody comes to the second draft while the first one's documents are being deleted."""
        storage.before_delete = None
        change(second, how)

    storage.before_delete = meanwhile

    assert clean().count == 1
    assert (left(), len(stored(files))) == ([second.pk], has_document + (how == "attach"))


def test_publishing_at_the_same_moment_has_one_winner(cottage, jana, storage, files, at_once):
    """The cleanup waits in the middle of a deletion; publishing is refused, and so nothing half gone is published."""
    record = make_stale(cottage, jana)
    attach(record)
    is_deleting, may_go_on = threading.Event(), threading.Event()

    def wait(_name):
        is_deleting.set()
        may_go_on.wait(10)

    def publish():
        is_deleting.wait(10)
        try:
            return services.publish_record(record_id=record.pk, now=clock.now())
        finally:
            may_go_on.set()

    storage.before_delete = wait
    cleaned, published = at_once(clean, publish)

    assert (cleaned.count, type(published)) == (1, RecordGone)
    assert Record.objects.get(pk=record.pk).status == "draft"


def test_a_run_whose_draft_another_one_took_over_does_not_give_it_back(cottage, jana, storage, files):
    record = make_stale(cottage, jana)
    first, second = attach(record), attach(record)

    def another_run(_name):
        storage.before_delete, storage.refused = None, {second.storage_key}
        assert len(clean().failures) == 1
        storage.refused = {first.storage_key}

    storage.before_delete = another_run

    assert len(clean().failures) == 1
    with pytest.raises(RecordGone):
        services.publish_record(record_id=record.pk, now=clock.now())


def test_all_tenants_drafts_are_cleaned(cottage, jana, bob, storage):
    petr = make_member(bob, "petr")
    make_stale(make_property(bob, owner=petr), petr)
    make_stale(cottage, jana)

    assert clean().count == 2


def test_a_longer_batch_asks_no_more_questions(cottage, jana, storage):
    counts = []
    for number in (1, 3):
        for _ in range(number):
            make_stale(cottage, jana)
        with CaptureQueriesContext(connection) as captured:
            assert clean().count == number
        counts.append(len(captured))

    assert counts[0] == counts[1]


def test_a_dry_run_counts_with_its_thousands_and_deletes_nothing(cottage, jana, storage):
    record = make_stale(cottage, jana)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO drafts_record (tenant_id, property_id, author_id, title, body, status, version, created_at,"
            " edited_at, warned_at, expires_at) SELECT tenant_id, property_id, author_id, title, body, status, version,"
            " created_at, edited_at, warned_at, expires_at FROM drafts_record, generate_series(1, 1203)"
        )
    out = StringIO()

    call_command("drafts_cleanup", dry_run=True, stdout=out)

    assert out.getvalue().startswith("would delete 1,204, the oldest of ")
    assert (len(left()), CleanupReceipt.objects.count(), record.deleted_at) == (1204, 0, None)


def test_the_command_deletes_and_says_what_is_left(cottage, jana, storage):
    document = attach(make_stale(cottage, jana))
    make_stale(cottage, jana)
    storage.refused = {document.storage_key}
    out, err = StringIO(), StringIO()

    with pytest.raises(CommandError, match="1 left"):
        call_command("drafts_cleanup", stdout=out, stderr=err)

    assert (out.getvalue(), "the storage is down" in err.getvalue()) == ("deleted 1\n", True)


def test_the_command_sends_the_job(cottage):
    call_command("drafts_cleanup", queue=True, delete_after_days=60, stdout=StringIO())

    assert Job.objects.get().arguments == {"delete_after_days": 60, "limit": 100, "from_edit": False}


@pytest.mark.parametrize("options", [{"limit": 0}, {"delete_after_days": 0}, {"delete_after_days": 1}])
def test_a_size_or_an_age_that_makes_no_sense_is_refused(cottage, jana, storage, options):
    make_stale(cottage, jana)

    with pytest.raises(CommandError, match="1 or more"):
        call_command("drafts_cleanup", stdout=StringIO(), **options)
    with pytest.raises(ValueError, match="1 or more"):
        cleanup.send(**options)
    assert len(left()) == 1


def test_the_schedules_are_those_of_the_description_and_can_be_run(transactional_db):
    job_services.sync_schedules(now=clock.now())
    keys = ["drafts.cleanup", "drafts.remind", "invitations.expire", "sync.retry"]
    rows = JobSchedule.objects.in_bulk(keys, field_name="key")

    assert [rows[key].default_cron for key in keys] == ["0 3 * * *", "0 10 * * *", "0 4 * * *", "*/5 * * * *"]
    assert rows["drafts.cleanup"].default_options == {"delete_after_days": 30, "from_edit": False, "limit": 100}
    for key in keys:
        job_id = job_services.run_schedule_now(key=key, now=clock.now())
        assert Job.objects.get(id=job_id).arguments == rows[key].default_options


def test_a_document_is_stored_with_its_size_and_hash(cottage, jana, storage, files):
    document = attach(make_draft(cottage, jana), b"hello")

    assert (document.size, stored(files)[0].read_bytes()) == (5, b"hello")
    assert document.sha256 == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def test_a_document_that_is_too_big_leaves_nothing(cottage, jana, storage, files, settings):
    settings.DRAFTS = {**settings.DRAFTS, "MAX_DOCUMENT_BYTES": 4}

    with pytest.raises(services.DocumentTooBig):
        attach(make_draft(cottage, jana), b"hello")
    assert (stored(files), Document.objects.count()) == ([], 0)


def test_a_key_outside_the_storage_fails_as_the_storage_does(storage):
    with pytest.raises(clients.StorageFailed):
        clients.delete_object("../../etc/passwd")

"""A person's data as a file: whole, theirs alone, harmless, gone after a day, and nobody is left without a word."""

import errno
import hashlib
import io
import json
import zipfile
from datetime import timedelta
from io import StringIO

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.management import call_command
from django.core.management.base import CommandError

from modules.accounts.models import ActivityEntry, Membership, User
from modules.drafts import services as draft_services
from modules.drafts.models import Contact, Document
from modules.jobs import services as job_services
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.secrets import decrypt
from modules.kernel.tenancy import tenant_scope
from modules.notifications.models import EmailMessage, LiveEvent, Notification
from modules.reports import clients, selectors, services
from modules.reports.models import Export
from modules.reports.selectors import Belongings, Who
from tests.drafts.factories import DAY, attach, make_draft, make_member, make_property
from tests.reports.test_summaries import publish, say, share

pytestmark = pytest.mark.django_db


class Broken(io.BytesIO):
    """A file whose disk gave up after it was opened."""

    def read(self, *_arguments):
        raise OSError(errno.EIO, "the storage is down")


class Fragile(FileSystemStorage):
    """A storage that can fail, as a far one does."""

    broken_reads = broken_deletes = False

    def _open(self, name, mode="rb"):
        file = super()._open(name, mode)
        if self.broken_reads:
            file.file = Broken()
        return file

    def delete(self, name):
        if self.broken_deletes:
            raise OSError(errno.EIO, "the storage is down")
        super().delete(name)


@pytest.fixture
def storage(settings, files):
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": f"{__name__}.Fragile"}}
    yield Fragile
    Fragile.broken_reads = Fragile.broken_deletes = False


def ask(user, tenant, **options):
    return services.request_export(tenant_id=tenant.pk, user_id=user.pk, now=clock.now(), **options)


def make(user, tenant, *, now=None, **options):
    export = ask(user, tenant, **options)
    return services.make_export(export_id=export.pk, now=now or clock.now(), report=lambda _count: None)


def unpacked(export):
    with default_storage.open(export.storage_key) as file:
        archive = zipfile.ZipFile(io.BytesIO(file.read()))
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}


def data(export, name):
    return json.loads(unpacked(export)[f"data/{name}.json"])


def stored(files):
    return sorted(path.name for path in files.glob("exports/**/*.zip"))


def test_everything_of_a_person_is_in_it_and_the_manifest_says_what(alice, cottage, jana, petr, files):
    attic = draft_services.add_unit(of=cottage, name="Podkroví", now=clock.now())
    record = publish(cottage, jana, unit=attic, title="Revize komínu", body="čisto")
    say(record, petr, "Děkuji")
    document = attach(record, b"photo")
    make_draft(cottage, jana, title="Rozepsané")
    boring = {"tenant": alice, "property": cottage, "created_at": clock.now()}
    Contact.objects.create(name="Kominík", phone="777", **boring)
    Contact.objects.create(name="Deleted", deleted_at=clock.now(), **boring)
    Notification.objects.create(tenant=alice, user=jana, type="draft_reminder", created_at=clock.now())
    Notification.objects.create(tenant=alice, user=petr, type="sync_failed", created_at=clock.now())

    export = make(jana, alice)

    content = unpacked(export)
    assert (export.state, export.size, export.entries) == (
        "ready",
        (files / export.storage_key).stat().st_size,
        len(content),
    )
    assert data(export, "profile")[0]["email"] == "jana@example.com"
    assert [row["name"] for row in data(export, "projects")] == ["Rodina"]
    assert [row["name"] for row in data(export, "properties")] == ["Chalupa"]
    assert [row["name"] for row in data(export, "units")] == ["Podkroví"]
    assert [row["name"] for row in data(export, "contacts")] == ["Kominík"]
    assert [row["type"] for row in data(export, "notifications")] == ["draft_reminder"]
    assert [(row["title"], row["text"], row["status"]) for row in data(export, "records")] == [
        ("Revize komínu", "čisto", "published"),
        ("Rozepsané", "", "draft"),
    ]
    assert [(row["author"], row["text"]) for row in data(export, "records")[0]["comments"]] == [
        ("Petr Dvořák", "Děkuji")
    ]
    assert data(export, "documents")[0]["sha256"] == document.sha256
    assert content["files/Chalupa/Revize komínu/a.jpg"] == b"photo"
    manifest = json.loads(content["manifest.json"])
    assert (manifest["counts"]["records"], manifest["counts"]["files"]) == (2, 1)
    assert {entry["path"]: entry["sha256"] for entry in manifest["entries"]} == {
        name: hashlib.sha256(text).hexdigest() for name, text in content.items() if name != "manifest.json"
    }
    assert (manifest["missing"], manifest["changed"]) == ([], [])
    assert "petr@example.com" not in str(content)


def test_nothing_of_others_is_in_it(alice, bob, cottage, jana, petr, files):
    share(cottage, petr)
    make_draft(cottage, jana, title="Her draft")
    publish(make_property(alice, owner=jana, name="Hers alone"), jana, title="Hers alone")
    publish(make_property(bob, owner=make_member(bob, "bobek"), name="Elsewhere"), petr, title="In Bob's")
    publish(cottage, jana, title="Shared")

    whole = b"".join(unpacked(make(petr, alice)).values()).decode()

    assert "Shared" in whole
    assert [word for word in ("Her draft", "Hers alone", "Elsewhere", "In Bob's") if word in whole] == []


def test_files_are_left_out_where_they_are_not_wanted(settings, alice, cottage, jana, files):
    attach(publish(cottage, jana))
    settings.REPORTS = {**settings.REPORTS, "EXPORT_INCLUDE_PHOTOS": False}

    names = [list(unpacked(make(jana, alice, include_photos=wanted))) for wanted in (None, True)]

    assert [any(name.startswith("files/") for name in each) for each in names] == [False, True]
    assert "data/documents.json" in names[0]


def test_hostile_names_are_harmless_and_a_missing_file_is_named(alice, cottage, jana, files):
    record = publish(cottage, jana, title="../..")
    hostile = ["../../etc/passwd", "a\\b", "CON.txt", "a.jpg", "A.JPG", "/root"]
    documents = [attach(record, name.encode()) for name in hostile]
    for document, name in zip(documents, hostile, strict=True):
        Document.objects.filter(pk=document.pk).update(name=name)
    gone, other = attach(record), attach(record, b"as it was")
    default_storage.delete(gone.storage_key)
    default_storage.delete(other.storage_key)
    default_storage.save(other.storage_key, ContentFile(b"as it is"))

    export = make(jana, alice)

    content = unpacked(export)
    assert sorted(name for name in content if name.startswith("files/")) == [
        "files/Chalupa/_/A (2).JPG",
        "files/Chalupa/_/_.._etc_passwd",
        "files/Chalupa/_/_CON.txt",
        "files/Chalupa/_/_root",
        "files/Chalupa/_/a (3).jpg",
        "files/Chalupa/_/a.jpg",
        "files/Chalupa/_/a_b",
    ]
    manifest = json.loads(content["manifest.json"])
    assert manifest["missing"] == [{"id": str(gone.public_id), "name": "a.jpg"}]
    assert [each["id"] for each in manifest["changed"]] == [str(other.public_id)]
    assert (export.missing, Notification.objects.get().payload["missing"]) == (1, 1)


def test_its_person_is_told_by_notice_and_mail_with_size_and_link(alice, cottage, jana, files):
    export = make(jana, alice)

    notice = Notification.objects.get()
    assert (notice.user, notice.type) == (jana, "export_ready")
    assert notice.payload == {"exportId": str(export.public_id), "size": export.size, "missing": 0}
    mail = EmailMessage.objects.get()
    assert (mail.template, mail.locale, mail.key) == ("export_ready", "cs", f"export_ready:{export.public_id}")
    text = decrypt(mail.text_encrypted)
    assert f"https://backroom.example{services.link_of(export)}" in text
    assert [words in text for words in ("Platnost odkazu: 24 hodin", "KB")] == [True, True]


def test_a_link_leads_to_the_file_for_a_day_and_not_a_second_longer(client, alice, cottage, jana, files):
    record = publish(cottage, jana)
    attach(record, b"x" * 3 * clients.CHUNK)
    export = make(jana, alice)
    link = services.link_of(export)

    head, response = client.head(link), client.get(link)
    pieces = list(response.streaming_content)

    assert (head.status_code, head["Content-Length"], head.content) == (200, str(export.size), b"")
    assert (response["Content-Type"], response["Content-Disposition"]) == (
        "application/zip",
        f'attachment; filename="export-{export.created_at:%Y-%m-%d}.zip"',
    )
    assert (len(pieces) > 3, max(map(len, pieces)) <= clients.CHUNK) == (True, True)
    assert (
        hashlib.sha256(b"".join(pieces)).digest() == hashlib.sha256((files / export.storage_key).read_bytes()).digest()
    )
    export.refresh_from_db()
    assert export.downloads == 1
    assert services.find_by_link(link.rpartition("/")[2], now=export.expires_at - timedelta(seconds=1)) == export
    assert services.find_by_link(link.rpartition("/")[2], now=export.expires_at) is None
    Export.objects.update(expires_at=clock.now())
    assert client.get(link).status_code == 404


@pytest.mark.parametrize("how", ["revoked", "left", "inactive", "gone", "lost", "wrong"])
def test_a_link_is_dead_once_it_is_withdrawn_or_its_person_has_left(client, alice, cottage, jana, files, how):
    export = make(jana, alice)
    link = services.link_of(export)
    {
        "revoked": lambda: services.revoke_export(export_id=export.pk, now=clock.now(), by_id=jana.pk),
        "left": lambda: Membership.objects.filter(user=jana).delete(),
        "inactive": lambda: User.objects.filter(pk=jana.pk).update(is_active=False),
        "gone": lambda: User.objects.filter(pk=jana.pk).delete(),
        "lost": lambda: default_storage.delete(export.storage_key),
        "wrong": lambda: None,
    }[how]()

    assert client.get(link[:-1] if how == "wrong" else link).status_code == 404
    assert stored(files) == ([] if how in {"revoked", "lost"} else [export.storage_key.rpartition("/")[2]])


def test_asking_again_joins_what_is_being_made(alice, jana, petr, files):
    first, second, other = ask(jana, alice), ask(jana, alice), ask(petr, alice)

    assert (first.pk == second.pk, other.pk == first.pk, Job.objects.count()) == (True, False, 2)
    services.make_export(export_id=first.pk, now=clock.now(), report=lambda _count: None)
    assert ask(jana, alice).pk != first.pk


def test_too_much_data_is_refused_and_its_person_told_how_much(settings, alice, cottage, jana, files):
    attach(publish(cottage, jana), b"x" * 5_000)
    settings.REPORTS = {**settings.REPORTS, "EXPORT_MAX_BYTES": 4_000}

    assert make(jana, alice) is None

    export = Export.objects.get()
    assert (export.state, export.reason, export.size, stored(files)) == ("failed", "too_big", 5_000, [])
    payload = {"exportId": str(export.public_id), "reason": "too_big", "size": 5_000, "limit": 4_000}
    assert Notification.objects.get().payload == payload
    mail = EmailMessage.objects.get()
    assert (mail.template, mail.locale) == ("export_failed", "cs")
    assert "4,9" in decrypt(mail.text_encrypted)


def test_a_limit_that_sizes_did_not_foretell_holds_all_the_same(settings, alice, cottage, jana, files):
    attach(publish(cottage, jana), b"x" * 50_000)
    Document.objects.update(size=1)
    settings.REPORTS = {**settings.REPORTS, "EXPORT_MAX_BYTES": 20_000}

    assert make(jana, alice) is None
    assert (Export.objects.get().reason, stored(files)) == ("too_big", [])


def test_a_storage_that_fails_leaves_nothing_and_the_next_try_makes_it(storage, files, alice, cottage, jana):
    attach(publish(cottage, jana))
    storage.broken_reads = True
    with pytest.raises(services.StorageFailed, match="the storage is down"):
        make(jana, alice)
    assert (stored(files), Export.objects.get().state, Notification.objects.count()) == ([], "pending", 0)

    storage.broken_reads = False
    export = services.make_export(export_id=Export.objects.get().pk, now=clock.now(), report=lambda _count: None)
    assert (export.state, len(stored(files)), EmailMessage.objects.count()) == ("ready", 1, 1)


class Killed(BaseException):
    """What ends a process without a word."""


def test_what_a_killed_start_left_goes_when_it_is_made_again(alice, cottage, jana, files):
    export = ask(jana, alice)
    Export.objects.filter(pk=export.pk).update(storage_key="exports/1/left.zip")
    default_storage.save("exports/1/left.zip", ContentFile(b"half"))

    def kill(count):
        if count == 3:
            raise Killed

    with pytest.raises(Killed):
        services.make_export(export_id=export.pk, now=clock.now(), report=kill)
    assert stored(files) == []
    made = services.make_export(export_id=export.pk, now=clock.now(), report=lambda _count: None)
    assert stored(files) == [made.storage_key.rpartition("/")[2]]
    assert services.make_export(export_id=export.pk, now=clock.now(), report=lambda _count: None) is None
    assert EmailMessage.objects.count() == 1


def test_who_leaves_while_it_is_made_leaves_no_file(alice, cottage, jana, files):
    export = ask(jana, alice)

    def leave(count):
        if count == 3:
            User.objects.filter(pk=jana.pk).delete()

    made = services.make_export(export_id=export.pk, now=clock.now(), report=leave)

    assert (made, stored(files), EmailMessage.objects.count()) == (None, [], 0)


def test_the_cleanup_deletes_what_nobody_may_fetch_and_goes_on_past_a_failure(storage, files, alice, jana, petr):
    over, kept = make(jana, alice, now=clock.now() - 2 * DAY), make(petr, alice)
    storage.broken_deletes = True
    gone, failures = services.clean_exports(now=clock.now(), report=lambda _count: None)
    assert (gone, len(failures), len(stored(files))) == (0, 1, 2)

    storage.broken_deletes = False
    assert said("exports_cleanup", "--dry-run") == "would delete 1"
    assert said("exports_cleanup") == "deleted 1, left 0"

    over.refresh_from_db()
    assert (over.state, over.storage_key, stored(files)) == ("expired", "", [kept.storage_key.rpartition("/")[2]])
    assert services.prune_exports(before=clock.now() + DAY) == 1
    assert Export.objects.get() == kept


def test_many_documents_are_read_a_page_at_a_time(alice, cottage, jana, django_assert_max_num_queries):
    record = publish(cottage, jana)
    Document.objects.bulk_create(
        Document(
            tenant=alice,
            record=record,
            name=f"{number}.jpg",
            storage_key=f"k{number}",
            size=1,
            sha256="0" * 64,
            created_at=record.created_at,
        )
        for number in range(1_500)
    )
    belongings = Belongings(Who(alice.pk, jana.pk), until=clock.now())

    with django_assert_max_num_queries(4):
        assert sum(1 for _document in belongings.documents()) == 1_500


def said(*arguments):
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue().strip()


def test_the_command_asks_in_a_members_name(alice, jana):
    assert said("export_user_data", "Alice", "jana", "--without-photos").startswith("Job ")
    assert Export.objects.values_list("user", "includes_photos").get() == (jana.pk, False)
    with pytest.raises(CommandError, match="no such member"):
        said("export_user_data", "Alice", "bobek")


@pytest.mark.django_db(transaction=True)
def test_the_job_makes_it_and_its_failure_is_told(storage, files, alice, cottage, jana, drain):
    attach(publish(cottage, jana))
    first = ask(jana, alice)
    drain()
    first.refresh_from_db()
    assert (first.state, Job.objects.get(pk=first.job_id).state) == ("ready", "succeeded")

    storage.broken_reads = True
    second = ask(jana, alice)
    Job.objects.filter(pk=second.job_id).update(max_attempts=1)
    drain()
    second.refresh_from_db()
    assert (second.state, second.reason, Job.objects.get(pk=second.job_id).state) == ("failed", "broken", "failed")
    assert Notification.objects.order_by("-id")[0].payload["reason"] == "broken"

    storage.broken_reads = False
    job_services.replay([second.job_id])
    drain()
    second.refresh_from_db()
    assert second.state == "ready"


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_job_is_told_too_and_the_cleanup_finds_what_nobody_heard_of(alice, jana, petr, files):
    cancelled, abandoned = ask(jana, alice), ask(petr, alice)
    job_services.cancel([cancelled.job_id])
    Job.objects.filter(pk=abandoned.job_id).delete()

    assert services.fail_abandoned(now=clock.now()) == 1

    assert set(Export.objects.values_list("state", "reason")) == {("failed", "broken")}
    assert Notification.objects.filter(type="export_failed").count() == 2


def test_a_stranger_finds_no_export(alice, bob, jana, petr):
    export = ask(jana, alice)

    with tenant_scope(bob.pk):
        assert selectors.find_export(export.public_id, user_id=jana.pk) is None
    with tenant_scope(alice.pk):
        assert selectors.find_export(export.public_id, user_id=petr.pk) is None
        assert selectors.find_export(export.public_id, user_id=jana.pk) == export


def test_what_happens_to_an_export_is_in_the_activity_log(client, alice, cottage, jana, files):
    export = make(jana, alice)
    b"".join(client.get(services.link_of(export)).streaming_content)
    services.revoke_export(export_id=export.pk, now=clock.now(), by_id=jana.pk)
    services.revoke_export(export_id=export.pk, now=clock.now(), by_id=jana.pk)

    told = ActivityEntry.objects.order_by("id").values_list("verb", "user", "target_id")
    number = str(export.public_id)
    assert list(told) == [
        ("export.requested", jana.pk, number),
        ("export.made", None, number),
        ("export.fetched", None, number),
        ("export.withdrawn", jana.pk, number),
    ]
    live = LiveEvent.objects.filter(type="export", user=jana).order_by("id").values_list("payload", flat=True)
    assert list(live) == [{"id": number, "state": state} for state in ("requested", "made", "withdrawn")]

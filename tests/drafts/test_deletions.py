"""What people delete goes with what is in it, files after the commit, and nothing is left that nobody can find."""

import pytest
from django.core.files.storage import default_storage
from django.db import transaction

from modules.accounts.models import ActivityEntry, Membership, User
from modules.drafts import selectors, services
from modules.drafts.actors import cleanup, delete_files
from modules.drafts.models import Comment, Contact, Document, Project, Property, Record, ShareMember, Unit
from modules.jobs.models import Job
from modules.kernel import clock
from tests.drafts.factories import DAY, attach, make_draft, make_invitation, make_member, make_property, make_stale
from tests.drafts.test_cleanup import storage

__all__ = ["storage"]  # a fixture

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(cottage, jana, files):
    """A cottage with one of everything in it, and in a unit of it."""
    attic = services.add_unit(of=cottage, name="Podkroví", now=clock.now())
    services.add_contact(of=cottage, name="Kominík", now=clock.now())
    for unit in (None, attic):
        record = make_draft(cottage, jana, unit=unit)
        attach(record)
        services.add_comment(record_id=record.pk, author_id=jana.pk, text="ok", now=clock.now())
    return cottage


def left():
    """Return how many there are that are not deleted."""
    kinds = (Project, Property, Unit, Contact, Record, Comment, Document)
    return {kind.__name__: count for kind in kinds if (count := kind.objects.filter(deleted_at=None).count())}


def stored(files):
    return [path for path in files.rglob("*") if path.is_file()]


def delete(place, **options):
    return services.delete_place(place, now=clock.now(), **options)


def test_what_is_not_empty_goes_only_when_that_is_meant(house, files):
    before = left()

    with pytest.raises(services.NotEmpty) as refused:
        delete(house.project)

    assert refused.value.contents == services.Contents(
        properties=1, units=1, contacts=1, records=2, comments=2, documents=2
    )
    assert (left(), len(stored(files)), Job.objects.count()) == (before, 2, 0)


@pytest.mark.parametrize("kind", ["project", "property", "unit"])
def test_all_that_is_in_it_goes_and_nothing_else(house, jana, kind, drain, files):
    other = make_property(house.tenant, owner=jana, name="Jiná", project="Druhý")
    attach(make_draft(other, jana))
    place = {"project": house.project, "property": house, "unit": Unit.objects.get()}[kind]

    gone = delete(place, with_contents=True, by_id=jana.pk)

    kept = {"Project": 1, "Property": 1, "Record": 1, "Document": 1}
    if kind == "unit":
        kept = {"Project": 2, "Property": 2, "Contact": 1, "Record": 2, "Comment": 1, "Document": 2}
    elif kind == "property":
        kept["Project"] = 2
    assert left() == kept
    assert (gone.records, gone.documents, gone.comments) == ((1, 1, 1) if kind == "unit" else (2, 2, 2))
    drain()
    assert len(stored(files)) == kept["Document"]
    assert list(selectors.doomed_documents(after=0)) == []
    entry = ActivityEntry.objects.latest("id")
    assert (entry.verb, entry.user, entry.target_id) == (f"{kind}.deleted", jana, str(place.public_id))
    assert entry.details["records"] == gone.records


def test_shares_and_offers_end_with_what_was_shared(house, jana, alice):
    petr, pavel = User.objects.create(username="petr"), make_member(alice, "pavel")
    attic = Unit.objects.get()
    for user, target, kind in ((petr, attic, "unit"), (pavel, house, "property")):
        Membership.objects.get_or_create(user=user, tenant=alice, defaults={"role": "guest"})
        fields = {"target_type": kind, "target_id": target.pk, "role": "reader", "created_at": clock.now()}
        ShareMember.objects.create(tenant=alice, user=user, **fields)
    offer = make_invitation(house, jana, expires_in=DAY)
    elsewhere = make_invitation(make_property(alice, owner=jana), jana, expires_in=DAY)

    gone = delete(house, with_contents=True)

    offer.refresh_from_db(), elsewhere.refresh_from_db()
    assert (gone.shares, gone.invitations, offer.status, elsewhere.status) == (2, 1, "revoked", "pending")
    assert not ShareMember.objects.exists()
    assert not Membership.objects.filter(user=petr).exists()  # a guest with nothing left
    assert Membership.objects.get(user=pavel).role == "viewer"


def test_what_is_deleted_twice_was_deleted_once(house):
    delete(house, with_contents=True)

    with pytest.raises(services.Gone):
        delete(house, with_contents=True)
    assert ActivityEntry.objects.filter(verb="property.deleted").count() == 1


def test_what_is_rolled_back_leaves_everything_as_it_was(house, files):
    before, entries = left(), ActivityEntry.objects.count()

    with pytest.raises(RuntimeError), transaction.atomic():
        delete(house, with_contents=True)
        raise RuntimeError

    assert (left(), len(stored(files)), Job.objects.count()) == (before, 2, 0)
    assert ActivityEntry.objects.count() == entries


def test_a_record_that_changed_meanwhile_stays(cottage, jana):
    record = make_draft(cottage, jana)
    services.edit_record(record_id=record.pk, title="Other", now=clock.now())

    with pytest.raises(services.RecordChanged):
        services.delete_record(record, base_version=1, now=clock.now())
    assert left()["Record"] == 1
    services.delete_record(record, base_version=2, now=clock.now())
    assert "Record" not in left()


def test_nothing_is_attached_to_what_was_deleted_and_no_file_stays(cottage, jana, files):
    record = make_draft(cottage, jana)
    services.delete_record(record, now=clock.now())

    with pytest.raises(services.RecordGone):
        attach(record)
    assert stored(files) == []


def test_a_storage_that_fails_keeps_a_file_until_it_works(house, storage, files, drain):
    documents = list(Document.objects.order_by("pk"))
    storage.refused = {documents[0].storage_key}
    delete(house, with_contents=True)

    drain()

    job = Job.objects.get()
    assert (job.state, job.error_type) == ("retrying", "FilesLeft")
    assert [path.name for path in stored(files)] == [documents[0].storage_key.rpartition("/")[2]]
    storage.refused = set()
    delete_files.send()
    drain()
    assert stored(files) == []
    assert not Document.objects.filter(content_deleted_at=None).exists()


def test_one_document_goes_and_the_others_stay(cottage, jana, files, drain):
    record = make_draft(cottage, jana)
    first, second = attach(record), attach(record)

    services.delete_document(first, now=clock.now())
    drain()

    assert (default_storage.exists(first.storage_key), default_storage.exists(second.storage_key)) == (False, True)


def test_the_cleanup_leaves_no_file_to_be_deleted_again(cottage, jana, files, drain):
    attach(make_stale(cottage, jana))
    Record.objects.update(edited_at=clock.now() - 40 * DAY)
    cleanup.send()
    drain()

    assert (stored(files), list(selectors.doomed_documents(after=0))) == ([], [])
    assert Document.objects.get().content_deleted_at is not None

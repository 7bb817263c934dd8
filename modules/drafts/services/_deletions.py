"""What people delete goes with all that is in it: rows softly at once, files by a job after the commit."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from modules.drafts import clients, selectors
from modules.drafts.models import (
    Comment,
    Contact,
    Document,
    Invitation,
    Project,
    Property,
    Record,
    ShareMember,
    TargetType,
    Unit,
)
from modules.drafts.services._invitations import dismiss_guests
from modules.drafts.services._log import log
from modules.drafts.services._places import Gone
from modules.drafts.services._records import RecordChanged
from modules.jobs import services as job_services

DELETE_FILES = "drafts.delete_files"
Place = Project | Property | Unit
Report = Callable[[int], None]


@dataclass(frozen=True)
class Contents:
    """How much goes with something: rows of each kind, shares that end, invitations that are withdrawn."""

    properties: int = 0
    units: int = 0
    contacts: int = 0
    records: int = 0
    comments: int = 0
    documents: int = 0
    shares: int = 0
    invitations: int = 0

    @property
    def is_worth_asking(self) -> bool:
        """Return whether something goes that its owner may not have thought of."""
        return any((self.properties, self.units, self.contacts, self.records))


class NotEmpty(Exception):
    """There is something in what is to be deleted, and nobody said that it may go, too."""

    def __init__(self, contents: Contents) -> None:
        self.contents = contents
        super().__init__(f"There is something in it: {contents}.")


@transaction.atomic
def delete_place(place: Place, *, now: datetime, with_contents: bool = False, by_id: int | None = None) -> Contents:
    """Delete a project, a property or a unit with all that is in it; return what went.

    Shares of any of it end, invitations to it are withdrawn. Raises Gone, and, unless `with_contents`, NotEmpty.
    """
    _lock(place)
    inside = _inside(place)
    counts = {name: rows.count() for name, rows in inside.items()}
    if Contents(**counts).is_worth_asking and not with_contents:
        raise NotEmpty(Contents(**counts))
    sharing = _end_sharing(place, inside, now=now)  # while its units can still be found by what is not deleted
    _bury(inside, now=now)
    type(place).objects.filter(pk=place.pk).update(deleted_at=now)
    return _tell(place, Contents(**counts, **sharing), by_id=by_id, now=now)


@transaction.atomic
def delete_record(
    record: Record, *, now: datetime, base_version: int | None = None, by_id: int | None = None
) -> Contents:
    """Delete a record with its remarks and documents; return what went. Raises Gone, RecordChanged."""
    there = _lock(record)
    if base_version not in {None, there.version}:
        raise RecordChanged(f"The record is not version {base_version} any more.")
    inside = _of_records(Record.objects.filter(pk=record.pk))
    counts = {name: rows.count() for name, rows in inside.items() if name != "records"}
    _bury(inside, now=now)
    return _tell(record, Contents(**counts), by_id=by_id, now=now)


@transaction.atomic
def delete_document(document: Document, *, now: datetime, by_id: int | None = None) -> None:
    """Delete a document; its file follows. Raises Gone."""
    _lock(document)
    Document.objects.filter(pk=document.pk).update(deleted_at=now)
    _tell(document, Contents(documents=1), by_id=by_id, now=now)


@transaction.atomic
def delete_note(note: Comment | Contact, *, now: datetime, by_id: int | None = None) -> None:
    """Delete a remark or a contact. Raises Gone."""
    _lock(note)
    type(note).objects.filter(pk=note.pk).update(deleted_at=now)
    _tell(note, Contents(), by_id=by_id, now=now)


def delete_files(*, limit: int, now: datetime, report: Report) -> tuple[int, list[str]]:
    """Delete the files in scope of documents that people deleted; return how many went, and why others are left.

    `limit` at a time, until none; a batch in which the storage fails is the last one. Safe to repeat and to run twice
    at once: what is gone from the storage is fine.
    """
    gone, failures, last_id = 0, list[str](), 0
    while not failures and (batch := list(selectors.doomed_documents(after=last_id)[:limit])):
        deleted = [document.pk for document in batch if _delete_file(document, failures)]
        Document.objects.filter(pk__in=deleted).update(content_deleted_at=now)
        gone, last_id = gone + len(deleted), batch[-1].pk
        report(len(batch))
    return gone, failures


def _delete_file(document: Document, failures: list[str]) -> bool:
    try:
        clients.delete_object(document.storage_key)
    except clients.StorageFailed as error:
        failures.append(f"{document.public_id}: {error}")
        return False
    return True


def _lock(row: Any) -> Any:
    """Return the row as it is until the commit: nobody deletes or changes it meanwhile; raises Gone."""
    there = type(row).objects.select_for_update().filter(pk=row.pk, deleted_at=None).first()
    if there is None:
        raise Gone("It is gone.")
    return there


def _inside(place: Place) -> dict[str, "QuerySet[Any]"]:
    """Return what is in a place and not deleted, by kind."""
    if isinstance(place, Unit):
        return _of_records(Record.objects.filter(unit=place))
    of_place = Q(property__project=place) if isinstance(place, Project) else Q(property=place)
    properties = Property.objects.filter(project=place) if isinstance(place, Project) else Property.objects.none()
    return {
        "properties": properties.filter(deleted_at=None),
        "units": Unit.objects.filter(of_place, deleted_at=None),
        "contacts": Contact.objects.filter(of_place, deleted_at=None),
        **_of_records(Record.objects.filter(of_place)),
    }


def _of_records(records: "QuerySet[Record]") -> dict[str, "QuerySet[Any]"]:
    there = records.filter(deleted_at=None)
    return {
        "comments": Comment.objects.filter(record__in=there.values("pk"), deleted_at=None),
        "documents": Document.objects.filter(record__in=there.values("pk"), deleted_at=None),
        "records": there,  # after what is found by them
    }


def _bury(inside: dict[str, "QuerySet[Any]"], *, now: datetime) -> None:
    order = ("comments", "documents", "records", "contacts", "units", "properties")
    for rows in (inside[name] for name in order if name in inside):
        also = {"deletion_started_at": None} if rows.model is Record else {}
        rows.update(deleted_at=now, **also)


def _end_sharing(place: Place, inside: dict[str, "QuerySet[Any]"], *, now: datetime) -> dict[str, int]:
    """Withdraw what is offered and end what is shared of a place and of all in it; return how many of each."""
    shared = Q(target_type=_kind(place), target_id=place.pk)
    for kind, name in ((TargetType.PROPERTY, "properties"), (TargetType.UNIT, "units")):
        if name in inside:
            shared |= Q(target_type=kind, target_id__in=inside[name].values("pk"))
    offers = Invitation.objects.filter(shared, tenant_id=place.tenant_id, status=Invitation.Status.PENDING)
    invitations = offers.update(status=Invitation.Status.REVOKED, ended_at=now)
    shares = ShareMember.objects.filter(shared, tenant_id=place.tenant_id)
    people = list(shares.values_list("user_id", flat=True))
    shares.delete()
    dismiss_guests(tenant_id=place.tenant_id, user_ids=people)
    return {"shares": len(people), "invitations": invitations}


def _kind(place: Place) -> str:
    return type(place).__name__.lower()


def _tell(row: Any, contents: Contents, *, by_id: int | None, now: datetime) -> Contents:
    """Write down what went, and send the job that deletes its files."""
    log(row, "deleted", by_id=by_id, at=now, **{name: count for name, count in vars(contents).items() if count})
    if contents.documents:
        job_services.enqueue(DELETE_FILES, tenant_id=row.tenant_id)
    return contents

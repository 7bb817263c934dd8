"""Questions about what is due, what waits, and who is to be told."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Case, Count, Exists, F, Max, Min, Model, OuterRef, Q, QuerySet, When

from modules.accounts.models import Membership, User
from modules.drafts.domain import Retention
from modules.drafts.models import (
    Comment,
    Document,
    Invitation,
    Project,
    Property,
    Record,
    SyncItem,
    TargetType,
    Unit,
)

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Reader:
    """Somebody to write to; an empty locale or time zone is the installation's."""

    user_id: int
    name: str
    email: str
    locale: str
    timezone: str


_TARGETS: dict[str, type[Project] | type[Property] | type[Unit]] = {
    TargetType.PROJECT: Project,
    TargetType.PROPERTY: Property,
    TargetType.UNIT: Unit,
}


def newest(rows: "QuerySet[Row]", *, before: int | None, limit: int) -> list[Row]:
    """Return at most `limit` of the rows, newest first, those made before the row of this number."""
    return list((rows.filter(pk__lt=before) if before else rows).order_by("-pk")[:limit])


def waiting_changes(*, user_id: int | None) -> "QuerySet[SyncItem]":
    """Return the offline changes in scope that were not made, of a person or of all."""
    found = SyncItem.objects.all()
    return found if user_id is None else found.filter(user_id=user_id)


def public_ids(targets: Iterable[tuple[str, int]]) -> dict[tuple[str, int], UUID]:
    """Return the public ids of what is shared, in scope, by type and number; one question for each type."""
    wanted: dict[str, set[int]] = {}
    for target_type, number in targets:
        wanted.setdefault(target_type, set()).add(number)
    return {
        (target_type, number): public_id
        for target_type, numbers in wanted.items()
        for number, public_id in _targets(target_type).filter(pk__in=numbers).values_list("pk", "public_id")
    }


def _targets(target_type: str) -> "QuerySet[Any]":
    return _TARGETS[target_type]._default_manager.all()  # noqa: SLF001 -- Django's own name


def drafts() -> "QuerySet[Record]":
    """Return the drafts in scope that are there: neither deleted nor on their way out."""
    return Record.objects.filter(status=Record.Status.DRAFT, deleted_at=None, deletion_started_at=None)


def half_deleted_drafts() -> "QuerySet[Record]":
    """Return the drafts in scope whose deletion began and did not end."""
    return Record.objects.filter(deletion_started_at__isnull=False, deleted_at=None)


def deletable_drafts(*, retention: Retention, now: datetime) -> "QuerySet[Record]":
    """Return what a cleanup in scope is for, in order of number: what may go, and what has half gone."""
    age = "edited_at" if retention.from_edit else "created_at"
    is_old = Q(deletion_started_at=None, **{f"{age}__lt": retention.stale_before(now)})
    if retention.from_edit:
        is_old &= Q(warned_at__gte=F("edited_at"))
    # Both halves of the question share what the index of warned drafts has.
    warned = Record.objects.filter(status=Record.Status.DRAFT, deleted_at=None, expires_at__lte=now)
    return warned.filter(is_old | Q(deletion_started_at__isnull=False)).order_by("pk")


def drafts_to_remind_of(*, days: int, now: datetime) -> "QuerySet[Record]":
    """Return the drafts in scope whose reader, `reader_id`, was not reminded of them yet."""
    old = drafts().filter(reminded_at=None, created_at__lte=now - timedelta(days=days))
    return _with_reader(old)


def drafts_to_warn_of(*, retention: Retention, now: datetime) -> "QuerySet[Record]":
    """Return the drafts in scope whose reader, `reader_id`, is to be warned now that they will be deleted."""
    return _with_reader(_unwarned(retention=retention, now=now))


def count_drafts_of_nobody(*, retention: Retention, now: datetime) -> int:
    """Return how many drafts in scope would be warned of, if there were anybody to warn; they stay."""
    return _with_reader(_unwarned(retention=retention, now=now), is_there=False).count()


def _unwarned(*, retention: Retention, now: datetime) -> "QuerySet[Record]":
    age = "edited_at" if retention.from_edit else "created_at"
    old = drafts().filter(**{f"{age}__lt": retention.warned_before(now)})
    is_unwarned = Q(warned_at=None)
    if retention.from_edit:
        is_unwarned |= Q(warned_at__lt=F("edited_at"))  # an edit made the warning void
    return old.filter(is_unwarned)


def _with_reader(records: "QuerySet[Record]", *, is_there: bool = True) -> "QuerySet[Record]":
    """Keep those with a `reader_id`, or those without: the author, or the project's owner where the author left."""
    members = Membership.objects.filter(tenant_id=OuterRef("tenant_id"), user__is_active=True)
    owner = "property__project__owner_id"
    reader = Case(
        When(Exists(members.filter(user_id=OuterRef("author_id"))), then=F("author_id")),
        When(Exists(members.filter(user_id=OuterRef(owner))), then=F(owner)),
        default=None,
    )
    return records.annotate(reader_id=reader).filter(reader_id__isnull=not is_there)


def tally(rows: "QuerySet[Record]") -> tuple[int, datetime | None, datetime | None]:
    """Return how many they are, and when the oldest and the newest were made."""
    found = rows.aggregate(count=Count("id"), oldest=Min("created_at"), newest=Max("created_at"))
    return found["count"], found["oldest"], found["newest"]


def storage_keys(record_ids: Sequence[int]) -> dict[int, list[str]]:
    """Return where the contents of these records' documents are, by record; those without are missing."""
    documents = Document.objects.filter(record__in=record_ids, deleted_at=None).order_by("id")
    found: dict[int, list[str]] = {}
    for record_id, key in documents.values_list("record_id", "storage_key"):
        found.setdefault(record_id, []).append(key)
    return found


def doomed_documents(*, after: int) -> "QuerySet[Document]":
    """Return the deleted documents in scope whose files may still be in the storage, from number `after` on."""
    doomed = Document.objects.filter(deleted_at__isnull=False, content_deleted_at=None, pk__gt=after)
    return doomed.order_by("pk")


def newest_documents(record: Record, *, limit: int) -> list[Document]:
    """Return the record's newest documents, the deleted ones included."""
    return list(Document.objects.filter(record=record).order_by("-id")[:limit])


def newest_comments(record: Record, *, limit: int) -> list[Comment]:
    """Return the record's newest comments with who said them, the deleted ones included."""
    return list(Comment.objects.select_related("author").filter(record=record).order_by("-id")[:limit])


def find_record(public_id: UUID | str) -> Record | None:
    """Return the record in scope, with its property, or None when it is gone or another tenant's."""
    found = Record.objects.select_related("property").filter(public_id=public_id, deleted_at=None)
    return found.first()


def find_comment(public_id: UUID | str) -> Comment | None:
    """Return the comment in scope, or None."""
    return Comment.objects.filter(public_id=public_id).first()


def find_property(public_id: UUID | str) -> Property | None:
    """Return the property in scope, or None when it is gone or another tenant's."""
    return Property.objects.filter(public_id=public_id, deleted_at=None).first()


def find_unit(public_id: UUID | str, *, property_id: int) -> Unit | None:
    """Return the unit of this property in scope, or None."""
    return Unit.objects.filter(public_id=public_id, property_id=property_id, deleted_at=None).first()


def find_target(target_type: str, target_id: int) -> Project | Property | Unit | None:
    """Return what is or would be shared, in scope, or None."""
    return _targets(target_type).filter(pk=target_id, deleted_at=None).first()


def overdue_invitations(*, now: datetime) -> "QuerySet[Invitation]":
    """Return the invitations in scope that nobody accepted in time and that are not called expired yet."""
    return Invitation.objects.filter(status=Invitation.Status.PENDING, expires_at__lte=now).order_by("expires_at", "id")


def due_sync_items(*, now: datetime) -> "QuerySet[SyncItem]":
    """Return the offline changes in scope whose next try has come, the longest overdue first."""
    due = SyncItem.objects.filter(status=SyncItem.Status.FAILED, next_retry_at__lte=now)
    return due.order_by("next_retry_at", "id")


def count_ended_sync_items() -> tuple[int, int]:
    """Return how many offline changes in scope have failed for good, and how many are in conflict."""
    found = SyncItem.objects.aggregate(
        given_up=Count("id", filter=Q(status=SyncItem.Status.PERMANENTLY_FAILED)),
        conflicts=Count("id", filter=Q(status=SyncItem.Status.CONFLICT)),
    )
    return found["given_up"], found["conflicts"]


def sync_items(*, user_id: int, client_ids: Iterable[UUID]) -> dict[UUID, SyncItem]:
    """Return what is still on its way of these changes of a person, by the client's number, in scope."""
    found = SyncItem.objects.filter(user_id=user_id, client_id__in=list(client_ids))
    return {item.client_id: item for item in found}


def readers(user_ids: Iterable[int | None]) -> dict[int, Reader]:
    """Return these people by number; who is gone is missing."""
    found = User.objects.in_bulk([user_id for user_id in set(user_ids) if user_id is not None])
    return {
        user.pk: Reader(user.pk, user.get_full_name() or user.get_username(), user.email, user.locale, user.timezone)
        for user in found.values()
    }


def members_of(pairs: Sequence[tuple[int, int | None]]) -> set[tuple[int, int]]:
    """Return those of the pairs (tenant, person) where the person is an active member of the tenant."""
    tenants, users = {tenant for tenant, _user in pairs}, {user for _tenant, user in pairs if user is not None}
    found = Membership.objects.filter(tenant_id__in=tenants, user_id__in=users, user__is_active=True)
    return set(found.values_list("tenant_id", "user_id")) & {(tenant, user or 0) for tenant, user in pairs}

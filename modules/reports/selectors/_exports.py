"""All that is a person's in the tenant in scope, a page of rows at a time, as plain values."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from modules.accounts.models import Membership, User
from modules.drafts import selectors as diary
from modules.drafts.models import Comment, Contact, Document, Project, Property, Record, Unit
from modules.drafts.selectors import Who
from modules.jobs.domain import ENDED
from modules.jobs.models import Job
from modules.notifications import selectors as notification_selectors
from modules.notifications.models import Notification
from modules.reports.models import Export

PAGE = 500
Row = dict[str, Any]


@dataclass(frozen=True)
class OwnDocument:
    """A document that a person may take along: what is known of it, where its content is and where it belongs."""

    facts: Row
    storage_key: str
    property_name: str
    record_title: str


class Belongings:
    """What a person may take along, as it was at a moment: what they own, what is shared with them, what they wrote.

    What that is `drafts` says. Of other people there are the names under what they wrote, and nothing else. Nothing
    here is ever whole in memory.
    """

    def __init__(self, who: Who, *, until: datetime) -> None:
        self.who, self._until = who, until

    def parts(self) -> dict[str, Iterator[Row]]:
        """Return what there is by name, each to be read once."""
        return {
            "profile": iter([self._profile()]),
            "projects": _rows(self._projects().select_related("owner"), _project_row),
            "properties": _rows(self._properties().select_related("project"), _property_row),
            "units": _rows(self._units().select_related("property"), _unit_row),
            "records": self._record_rows(),
            "contacts": _rows(self._contacts().select_related("property"), _contact_row),
            "notifications": _rows(self._notifications(), _notification_row),
        }

    def documents(self) -> Iterator[OwnDocument]:
        """Return the documents of the records, in the order in which they came."""
        return map(_own_document, _paged(self._documents().select_related("record__property", "uploaded_by")))

    def document_bytes(self) -> int:
        """Return how many bytes the files have as the diary knows them."""
        return self._documents().aggregate(total=Sum("size"))["total"] or 0

    def _profile(self) -> Row:
        user = User.objects.get(pk=self.who.user_id)
        member = Membership.objects.select_related("tenant").get(user=user, tenant_id=self.who.tenant_id)
        wanted = notification_selectors.preferences(tenant_id=self.who.tenant_id, user_id=user.pk)
        return {
            "id": user.pk,
            "username": user.username,
            "name": user.get_full_name(),
            "email": user.email,
            "locale": user.locale,
            "timezone": user.timezone,
            "joinedAt": user.date_joined,
            "tenant": member.tenant.name,
            "role": member.role,
            "preferences": [
                {"type": kind, "channel": channel, "isOn": is_on} for (kind, channel), is_on in wanted.items()
            ],
        }

    def _projects(self) -> "QuerySet[Project]":
        return diary.projects(to=self.who.user_id).filter(self._there())

    def _properties(self) -> "QuerySet[Property]":
        return diary.properties(to=self.who.user_id).filter(self._there())

    def _units(self) -> "QuerySet[Unit]":
        return diary.units(to=self.who.user_id).filter(self._there())

    def _records(self) -> "QuerySet[Record]":
        return diary.records(to=self.who.user_id).filter(self._there())

    def _documents(self) -> "QuerySet[Document]":
        return diary.documents(to=self.who.user_id).filter(self._there())

    def _contacts(self) -> "QuerySet[Contact]":
        return diary.contacts(to=self.who.user_id).filter(self._there())

    def _notifications(self) -> "QuerySet[Notification]":
        mine = {"tenant_id": self.who.tenant_id, "user_id": self.who.user_id}
        return Notification.objects.filter(created_at__lte=self._until, **mine)

    def _there(self) -> Q:
        return Q(tenant_id=self.who.tenant_id, created_at__lte=self._until)

    def _record_rows(self) -> Iterator[Row]:
        records = self._records().select_related("property", "unit", "author")
        for page in _pages(records):
            comments = self._comments_of([record.pk for record in page])
            for record in page:
                yield {**_record_row(record), "comments": comments.get(record.pk, [])}

    def _comments_of(self, record_ids: list[int]) -> dict[int, list[Row]]:
        found: dict[int, list[Row]] = {}
        said = Comment.objects.filter(self._there(), record_id__in=record_ids, deleted_at=None)
        comments = said.select_related("author")
        for comment in comments.order_by("pk"):
            found.setdefault(comment.record_id, []).append(
                {
                    "id": comment.public_id,
                    "author": _name(comment.author),
                    "text": comment.text,
                    "createdAt": comment.created_at,
                }
            )
        return found


def find_export(public_id: Any, *, user_id: int) -> Export | None:
    """Return the person's export in scope, or None."""
    return Export.objects.filter(public_id=public_id, user_id=user_id).first()


def find_member(*, tenant: str, username: str) -> Who | None:
    """Return the active member of the tenant by both names, or None."""
    found = Membership.objects.filter(tenant__name=tenant, user__username=username, user__is_active=True).first()
    return Who(found.tenant_id, found.user_id) if found else None


def exports_of(user_id: int) -> "QuerySet[Export]":
    """Return the person's exports in scope, newest first."""
    return Export.objects.filter(user_id=user_id).order_by("-id")


def left_exports(*, now: datetime) -> "QuerySet[Export]":
    """Return the exports in scope whose file nobody may fetch any more but that has not been deleted, oldest first."""
    is_over = Q(state=Export.State.READY, expires_at__lte=now) | Q(user=None)
    closed = Q(state__in=[Export.State.FAILED, Export.State.REVOKED, Export.State.EXPIRED])
    return Export.objects.exclude(storage_key="").filter(is_over | closed).order_by("pk")


def jobs_of_abandoned_exports() -> list[UUID]:
    """Return the jobs that ended, or are gone, while the exports in scope that they were to make are not."""
    at_work = Job.objects.filter(id=OuterRef("job_id")).exclude(state__in=ENDED)
    found = Export.objects.filter(state=Export.State.PENDING, job_id__isnull=False).exclude(Exists(at_work))
    return [job_id for job_id in found.values_list("job_id", flat=True) if job_id]


def _pages(rows: "QuerySet[Any]") -> Iterator[list[Any]]:
    """Return the rows in order of number, each page by a question of its own: no transaction stays open meanwhile."""
    last_id = 0
    while page := list(rows.filter(pk__gt=last_id).order_by("pk")[:PAGE]):
        yield page
        last_id = page[-1].pk


def _paged(rows: "QuerySet[Any]") -> Iterator[Any]:
    for page in _pages(rows):
        yield from page


def _rows(rows: "QuerySet[Any]", as_row: Callable[[Any], Row]) -> Iterator[Row]:
    return (as_row(row) for row in _paged(rows))


def _own_document(document: Document) -> OwnDocument:
    facts = {
        "id": document.public_id,
        "recordId": document.record.public_id,
        "name": document.name,
        "contentType": document.content_type,
        "size": document.size,
        "sha256": document.sha256,
        "uploadedBy": _name(document.uploaded_by),
        "createdAt": document.created_at,
    }
    return OwnDocument(facts, document.storage_key, document.record.property.name, document.record.title)


def _named(row: Any, **others: Any) -> Row:
    return {"id": row.public_id, "name": row.name, **others, "createdAt": row.created_at}


def _project_row(row: Project) -> Row:
    return _named(row, owner=_name(row.owner))


def _property_row(row: Property) -> Row:
    return _named(row, projectId=row.project.public_id, project=row.project.name, address=row.address)


def _unit_row(row: Unit) -> Row:
    return _named(row, propertyId=row.property.public_id)


def _contact_row(row: Contact) -> Row:
    more = {"purpose": row.purpose, "email": row.email, "phone": row.phone}
    return _named(row, propertyId=row.property.public_id, **more)


def _record_row(row: Record) -> Row:
    return {
        "id": row.public_id,
        "propertyId": row.property.public_id,
        "unitId": row.unit.public_id if row.unit else None,
        "author": _name(row.author),
        "title": row.title,
        "text": row.body,
        "status": row.status,
        "createdAt": row.created_at,
        "editedAt": row.edited_at,
        "publishedAt": row.published_at,
    }


def _notification_row(row: Notification) -> Row:
    return {"type": row.type, "payload": row.payload, "createdAt": row.created_at, "readAt": row.read_at}


def _name(user: User | None) -> str | None:
    return (user.get_full_name() or user.get_username()) if user else None

"""Records: written as drafts, changed against the version that was seen, published; and what is said about them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Status
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from modules.drafts import selectors, services
from modules.drafts.api._changes import ContentsOut, as_gone, changed, contents_out, given
from modules.drafts.api._router import router
from modules.drafts.api._shared import (
    Id,
    Name,
    PageFilter,
    Person,
    Text,
    acting,
    caller_person,
    page_of,
    refused,
    the,
    wrong,
)
from modules.drafts.domain import MAX_TEXT, Right
from modules.drafts.models import Comment, Record
from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.rest import Body, Camel, RowId, refuse_unknown

Version = Annotated[int, Field(ge=1, le=2**31 - 1, description="The `version` that was seen.")]
Remark = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT, pattern=r"^[^\x00]*$")]


class RecordIn(Body):
    """A new draft."""

    title: Name
    body: Text = ""
    unit_id: Id | None = None
    author_id: Person = None


class RecordEdit(Body):
    """What is to change of a record; what is not named stays."""

    base_version: Version
    title: Name | None = None
    body: Text | None = None


class PublishIn(Body):
    """Which version is to be published."""

    base_version: Version


class RecordOut(Camel):
    """Something that happened to a property. A draft is deleted at `expiresAt` at the earliest, null until it is told.

    `version` rises with each change of the texts or the status.
    """

    id: UUID
    property_id: UUID
    unit_id: UUID | None
    author_id: int | None
    title: str
    body: str
    status: Record.Status
    version: int
    created_at: datetime
    edited_at: datetime
    published_at: datetime | None
    expires_at: datetime | None


class RecordPage(Camel):
    """Newest first; `nextCursor` is null on the last page."""

    records: list[RecordOut]
    next_cursor: int | None


class RecordFilter(PageFilter):
    """Which records; all conditions hold together."""

    property_id: UUID | None = None
    unit_id: UUID | None = None
    project_id: UUID | None = None
    author_id: RowId | None = None
    status: Record.Status | None = None


class CommentIn(Body):
    """A remark."""

    text: Remark
    author_id: Person = None


class CommentEdit(Body):
    """What a remark is to say."""

    text: Remark


class Seen(BaseModel):
    """Which version is to be deleted."""

    model_config = ConfigDict(alias_generator=to_camel)

    base_version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class CommentOut(Camel):
    """What somebody said about a record; `authorId` is null where they left."""

    id: UUID
    record_id: UUID
    author_id: int | None
    text: str
    created_at: datetime


class CommentPage(Camel):
    """Newest first; `nextCursor` is null on the last page."""

    comments: list[CommentOut]
    next_cursor: int | None


@router.get("/records", response=RecordPage, summary="List records")
def list_records(request: HttpRequest, wanted: Annotated[RecordFilter, Query()]) -> RecordPage:
    """List the records that the caller may see: drafts are their authors' alone."""
    page, cursor = page_of(
        request,
        selectors.records(to=caller_person(request)),
        wanted,
        property__public_id=wanted.property_id,
        unit__public_id=wanted.unit_id,
        property__project__public_id=wanted.project_id,
        author_id=wanted.author_id,
        status=wanted.status,
    )
    return RecordPage(records=[_record_out(record) for record in page], next_cursor=cursor)


@router.post("/properties/{uuid:property_id}/records", response={201: RecordOut}, summary="Create a record")
def create_record(request: HttpRequest, property_id: UUID, wanted: RecordIn) -> Status[RecordOut]:
    """Begin a draft."""
    _check_place(request, property_id, wanted.unit_id)
    author_id = acting(request, wanted.author_id, field="authorId")
    try:
        record = services.create_record(
            property_id=property_id,
            unit_id=wanted.unit_id,
            title=wanted.title,
            body=wanted.body,
            author_id=author_id,
            by_id=caller_person(request),
            now=clock.now(),
        )
    except services.NoSuchPlace:
        raise wrong("unitId", _("The property has no such unit.")) from None
    return Status(201, _record_out(record))


@router.get("/records/{uuid:record_id}", response=RecordOut, summary="Look at a record")
def get_record(request: HttpRequest, record_id: UUID) -> RecordOut:
    """Show a record."""
    refuse_unknown(request, [])
    return _record_out(the_record(request, record_id))


@router.patch("/records/{uuid:record_id}", response=RecordOut, summary="Change a record")
def edit_record(request: HttpRequest, record_id: UUID, change: RecordEdit) -> RecordOut:
    """Change a record's texts; `409` where somebody else changed it since this version."""
    refuse_unknown(request, [])
    record = the_record(request, record_id, Right.WRITE)
    if change.title is None and change.body is None:
        raise wrong("title", _("Name what is to change: title, body or both."))
    texts = {"title": change.title, "body": change.body}
    with as_problems():
        services.edit_record(
            record_id=record.pk,
            base_version=change.base_version,
            by_id=caller_person(request),
            now=clock.now(),
            **texts,
        )
    return _record_out(the_record(request, record_id))


@router.post("/records/{uuid:record_id}/publish", response=RecordOut, summary="Publish a record")
def publish_record(request: HttpRequest, record_id: UUID, seen: PublishIn) -> RecordOut:
    """Make a draft a record that stays; safe to repeat. `409` where somebody changed it since this version."""
    refuse_unknown(request, [])
    record = the_record(request, record_id, Right.WRITE)
    with as_problems():
        services.publish_record(
            record_id=record.pk, base_version=seen.base_version, by_id=caller_person(request), now=clock.now()
        )
    return _record_out(the_record(request, record_id))


@router.get("/records/{uuid:record_id}/comments", response=CommentPage, summary="List comments")
def list_comments(request: HttpRequest, record_id: UUID, wanted: Annotated[PageFilter, Query()]) -> CommentPage:
    """List what was said about a record."""
    said = selectors.comments(to=caller_person(request)).filter(record=the_record(request, record_id))
    page, cursor = page_of(request, said, wanted)
    return CommentPage(comments=[_comment_out(comment) for comment in page], next_cursor=cursor)


@router.post("/records/{uuid:record_id}/comments", response={201: CommentOut}, summary="Comment on a record")
def create_comment(request: HttpRequest, record_id: UUID, remark: CommentIn) -> Status[CommentOut]:
    """Say something about a record."""
    record = the_record(request, record_id, Right.WRITE)
    author_id = acting(request, remark.author_id, field="authorId")
    with as_problems():
        comment = services.add_comment(
            record_id=record.pk,
            author_id=author_id,
            text=remark.text,
            by_id=caller_person(request),
            now=clock.now(),
        )
    return Status(201, _comment_out(comment))


@router.delete("/records/{uuid:record_id}", response=ContentsOut, summary="Delete a record")
def delete_record(request: HttpRequest, record_id: UUID, seen: Annotated[Seen, Query()]) -> ContentsOut:
    """Delete a record with its remarks and documents; `409` where it was changed since the version that is named."""
    refuse_unknown(request, ["baseVersion"])
    record = the_record(request, record_id, Right.WRITE)
    with as_problems(), as_gone():
        gone = services.delete_record(
            record, base_version=seen.base_version, by_id=caller_person(request), now=clock.now()
        )
    return contents_out(gone)


@router.patch("/comments/{uuid:comment_id}", response=CommentOut, summary="Change a comment")
def edit_comment(request: HttpRequest, comment_id: UUID, wanted: CommentEdit) -> CommentOut:
    """Change what one said oneself."""
    return _comment_out(changed(request, _comment(request, comment_id, Right.WRITE), given(wanted)))


@router.delete("/comments/{uuid:comment_id}", response={204: None}, summary="Delete a comment")
def delete_comment(request: HttpRequest, comment_id: UUID) -> Status[None]:
    """Withdraw what one said oneself, or what anybody said about what one owns."""
    refuse_unknown(request, [])
    comment = _comment(request, comment_id, Right.OWN)
    with as_gone():
        services.delete_note(comment, by_id=caller_person(request), now=clock.now())
    return Status(204, None)


def _comment(request: HttpRequest, comment_id: UUID, right: Right) -> Comment:
    return the(request, selectors.comments, comment_id, _("There is no such comment."), right=right)


def the_record(request: HttpRequest, record_id: UUID, right: Right = Right.READ) -> Record:
    """Return the record in which the caller has the right; raises Problem 404 and 403."""
    return the(request, selectors.records, record_id, _("There is no such record."), right=right)


def _check_place(request: HttpRequest, property_id: UUID, unit_id: UUID | None) -> None:
    """Let through who may write about the property, or about the unit of it that is meant."""
    may = partial(selectors.may_in, to=caller_person(request), property_id=property_id, unit_id=unit_id)
    if not may(right=Right.READ):
        raise Problem(404, _("There is no such property."))
    if not may(right=Right.WRITE):
        raise refused(Right.WRITE)


@contextmanager
def as_problems() -> Iterator[None]:
    """Tell what can come between looking a record up and changing it: raises Problem 404 and 409."""
    try:
        yield
    except services.RecordGone:
        raise Problem(404, _("There is no such record.")) from None
    except services.RecordChanged:
        told = _("Somebody changed the record meanwhile; look at it again and repeat the change.")
        raise Problem(409, told) from None


def _record_out(record: Record) -> RecordOut:
    return RecordOut(
        id=record.public_id,
        property_id=record.property.public_id,
        unit_id=record.unit.public_id if record.unit else None,
        author_id=record.author_id,
        title=record.title,
        body=record.body,
        status=Record.Status(record.status),
        version=record.version,
        created_at=record.created_at,
        edited_at=record.edited_at,
        published_at=record.published_at,
        expires_at=record.expires_at,
    )


def _comment_out(comment: Comment) -> CommentOut:
    return CommentOut(
        id=comment.public_id,
        record_id=comment.record.public_id,
        author_id=comment.author_id,
        text=comment.text,
        created_at=comment.created_at,
    )

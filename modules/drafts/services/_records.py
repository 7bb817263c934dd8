"""Records are written, changed and published, each change against the version that its author saw."""

import hashlib
from datetime import datetime
from typing import IO, Any
from uuid import UUID, uuid4

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

from modules.drafts import clients, selectors
from modules.drafts.models import Comment, Document, Record
from modules.drafts.services._log import log


class RecordGone(LookupError):
    """There is no such record here any more, or its documents are being deleted."""


class RecordChanged(Exception):
    """The record is not what its editor saw: somebody changed it meanwhile."""


class NoSuchPlace(LookupError):
    """There is no such property, or it has no such unit."""


class DocumentTooBig(ValueError):
    """A document is larger than DIARY_MAX_DOCUMENT_BYTES."""


@transaction.atomic
def create_record(
    *,
    property_id: UUID | str,
    title: str,
    author_id: int,
    now: datetime,
    unit_id: UUID | str | None = None,
    body: str = "",
    public_id: UUID | str | None = None,
    by_id: int | None = None,
) -> Record:
    """Return a new draft in scope; `property_id` and `unit_id` are public ones. Raises NoSuchPlace."""
    place = selectors.find_property(property_id)
    if place is None:
        raise NoSuchPlace(f"There is no property {property_id}.")
    unit = selectors.find_unit(unit_id, property_id=place.pk) if unit_id else None
    if unit_id and unit is None:
        raise NoSuchPlace(f"The property has no unit {unit_id}.")
    record = Record.objects.create(
        tenant_id=place.tenant_id,
        public_id=public_id or uuid4(),
        property=place,
        unit=unit,
        author_id=author_id,
        title=title,
        body=body,
        created_at=now,
        edited_at=now,
    )
    log(record, "created", by_id=by_id, at=now, title=title)
    return record


def edit_record(
    *,
    record_id: int,
    now: datetime,
    title: str | None = None,
    body: str | None = None,
    base_version: int | None = None,
    by_id: int | None = None,
) -> None:
    """Change what is given of a record. `base_version` is the one that the editor saw.

    Raises RecordGone, and RecordChanged where the record has another version by now.
    """
    given = {name: text for name, text in (("title", title), ("body", body)) if text is not None}
    _change(record_id, base_version, "changed", by_id=by_id, now=now, **given)


def publish_record(*, record_id: int, now: datetime, base_version: int | None = None, by_id: int | None = None) -> bool:
    """Make a draft a record that stays; False when it is one already. Raises RecordGone, RecordChanged."""
    if Record.objects.filter(pk=record_id, status=Record.Status.PUBLISHED, deleted_at=None).exists():
        return False
    published = {"status": Record.Status.PUBLISHED, "published_at": now}
    _change(record_id, base_version, "published", by_id=by_id, now=now, **published)
    return True


@transaction.atomic
def _change(
    record_id: int, base_version: int | None, what: str, *, by_id: int | None, now: datetime, **fields: Any
) -> None:
    """Change a record that is there, has this version and is not being deleted, in one statement."""
    there = Record.objects.filter(pk=record_id, deleted_at=None, deletion_started_at=None)
    seen = there if base_version is None else there.filter(version=base_version)
    if seen.update(edited_at=now, version=F("version") + 1, **fields):
        log(Record.objects.get(pk=record_id), what, by_id=by_id, at=now, fields=sorted(fields))
        return
    if there.exists():
        raise RecordChanged(f"The record is not version {base_version} any more.")
    raise RecordGone("The record is gone.")


def add_comment(
    *,
    record_id: int,
    author_id: int,
    text: str,
    now: datetime,
    public_id: UUID | str | None = None,
    by_id: int | None = None,
) -> Comment:
    """Return a new comment on a record in scope. Raises RecordGone."""
    with transaction.atomic():
        record = _locked(record_id)
        comment = Comment.objects.create(
            tenant_id=record.tenant_id,
            public_id=public_id or uuid4(),
            record=record,
            author_id=author_id,
            text=text,
            created_at=now,
        )
        log(comment, "created", by_id=by_id, at=now, recordId=str(record.public_id))
        return comment


def attach_document(
    *,
    record_id: int,
    name: str,
    content: IO[bytes],
    now: datetime,
    uploaded_by_id: int | None = None,
    content_type: str = "",
    by_id: int | None = None,
) -> Document:
    """Store a file and its row; `content` can be read twice.

    The content is stored before the transaction; where the row cannot be written, it is deleted again. Raises
    DocumentTooBig, RecordGone, and StorageFailed of `clients`.
    """
    size, digest = _measure(content)
    record = Record.objects.filter(pk=record_id).first()
    key = f"drafts/{record.tenant_id}/{record.public_id}/{uuid4()}" if record else ""
    if record is None:
        raise RecordGone("The record is gone.")
    content.seek(0)
    clients.save_object(key, content)
    try:
        with transaction.atomic():
            _locked(record_id)
            Record.objects.filter(pk=record_id).update(edited_at=now)  # its texts keep their version
            document = Document.objects.create(
                tenant_id=record.tenant_id,
                record=record,
                name=name,
                content_type=content_type,
                storage_key=key,
                size=size,
                sha256=digest,
                uploaded_by_id=uploaded_by_id,
                created_at=now,
            )
            log(document, "created", by_id=by_id, at=now, recordId=str(record.public_id), size=size)
            return document
    except (RecordGone, IntegrityError):
        clients.delete_object(key)
        raise


def _measure(content: IO[bytes]) -> tuple[int, str]:
    """Return how many bytes and which SHA-256 the content has, a piece at a time."""
    size, digest, most = 0, hashlib.sha256(), settings.DRAFTS["MAX_DOCUMENT_BYTES"]
    for piece in clients.chunks(content):
        size += len(piece)
        digest.update(piece)
        if size > most:
            raise DocumentTooBig(f"A document has {most} bytes at most.")
    return size, digest.hexdigest()


def _locked(record_id: int) -> Record:
    """Return the record, kept as it is until the transaction ends: its deletion cannot begin meanwhile."""
    there = Record.objects.filter(pk=record_id, deleted_at=None, deletion_started_at=None)
    record = there.select_for_update().first()
    if record is None:
        raise RecordGone("The record is gone.")
    return record

"""Files of records: listed, uploaded within the size limit, downloaded by who may see the record."""

import re
from datetime import datetime
from typing import IO, Annotated, cast
from uuid import UUID

from django.http import FileResponse, HttpRequest
from django.utils.translation import gettext as _
from ninja import File, Form, Query, Status
from ninja.files import UploadedFile
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from modules.drafts import clients, selectors, services
from modules.drafts.api._changes import as_gone, changed, given
from modules.drafts.api._records import as_problems, the_record
from modules.drafts.api._router import router
from modules.drafts.api._shared import Name, PageFilter, Person, acting_if_any, caller_person, page_of, the
from modules.drafts.domain import Right
from modules.drafts.models import Document
from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.rest import Body, Camel, refuse_unknown

CONTENT_TYPE = re.compile(r"[\w.+-]{1,50}/[\w.+-]{1,49}", flags=re.ASCII)
DOWNLOAD = {"description": "The content", "content": {"application/octet-stream": {"schema": {"type": "string"}}}}


class DocumentAbout(BaseModel):
    """What is told with a file."""

    model_config = ConfigDict(alias_generator=to_camel)

    uploaded_by_id: Person = None


class DocumentEdit(Body):
    """What a document is to be called."""

    name: Name


class DocumentOut(Camel):
    """A file of a record; `contentType` is what its sender said, empty where they said nothing of the kind."""

    id: UUID
    record_id: UUID
    name: str
    content_type: str
    size: int
    sha256: str
    uploaded_by_id: int | None
    created_at: datetime


class DocumentPage(Camel):
    """Newest first; `nextCursor` is null on the last page."""

    documents: list[DocumentOut]
    next_cursor: int | None


@router.get("/records/{uuid:record_id}/documents", response=DocumentPage, summary="List documents")
def list_documents(request: HttpRequest, record_id: UUID, wanted: Annotated[PageFilter, Query()]) -> DocumentPage:
    """List the files of a record."""
    mine = selectors.documents(to=caller_person(request))
    page, cursor = page_of(request, mine.filter(record=the_record(request, record_id)), wanted)
    return DocumentPage(documents=[_document_out(document) for document in page], next_cursor=cursor)


@router.post("/records/{uuid:record_id}/documents", response={201: DocumentOut}, summary="Upload a document")
def upload_document(
    request: HttpRequest, record_id: UUID, file: File[UploadedFile], about: Form[DocumentAbout]
) -> Status[DocumentOut]:
    """Add a file to a record; `413` for one over the limit, `503` where the storage does not take it now."""
    record = the_record(request, record_id, Right.WRITE)
    uploaded_by_id = acting_if_any(request, about.uploaded_by_id, field="uploadedById")
    try:
        with as_problems():
            document = services.attach_document(
                record_id=record.pk,
                name=file.name or "",
                content_type=_plain_type(file.content_type),
                content=cast("IO[bytes]", file.file),
                uploaded_by_id=uploaded_by_id,
                by_id=caller_person(request),
                now=clock.now(),
            )
    except services.DocumentTooBig:
        raise Problem(413, _("The document is too big.")) from None
    except clients.StorageFailed:
        raise _unavailable() from None
    return Status(201, _document_out(document))


@router.get("/documents/{uuid:document_id}", response=DocumentOut, summary="Look at a document")
def get_document(request: HttpRequest, document_id: UUID) -> DocumentOut:
    """Show what is known of a file."""
    refuse_unknown(request, [])
    return _document_out(_document(request, document_id))


@router.get(
    "/documents/{uuid:document_id}/content",
    summary="Download a document",
    openapi_extra={"responses": {200: DOWNLOAD}},
)
def download_document(request: HttpRequest, document_id: UUID) -> FileResponse:
    """Send a file's content, as a file to keep, whatever its type; `503` where the storage does not give it now."""
    refuse_unknown(request, [])
    document = _document(request, document_id)
    try:
        content = clients.open_object(document.storage_key)
    except FileNotFoundError:
        raise Problem(404, _("The content is not in the storage any more.")) from None
    except clients.StorageFailed:
        raise _unavailable() from None
    headers = {"ETag": f'W/"{document.sha256}"', "Content-Length": str(document.size)}
    return FileResponse(
        content, as_attachment=True, filename=document.name, content_type="application/octet-stream", headers=headers
    )


@router.patch("/documents/{uuid:document_id}", response=DocumentOut, summary="Rename a document")
def edit_document(request: HttpRequest, document_id: UUID, wanted: DocumentEdit) -> DocumentOut:
    """Give a document another name."""
    return _document_out(changed(request, _document(request, document_id, Right.WRITE), given(wanted)))


@router.delete("/documents/{uuid:document_id}", response={204: None}, summary="Delete a document")
def delete_document(request: HttpRequest, document_id: UUID) -> Status[None]:
    """Delete a document; its file goes from the storage right after."""
    refuse_unknown(request, [])
    document = _document(request, document_id, Right.WRITE)
    with as_gone():
        services.delete_document(document, by_id=caller_person(request), now=clock.now())
    return Status(204, None)


def _document(request: HttpRequest, document_id: UUID, right: Right = Right.READ) -> Document:
    return the(request, selectors.documents, document_id, _("There is no such document."), right=right)


def _plain_type(told: str | None) -> str:
    return told if told and CONTENT_TYPE.fullmatch(told) else ""


def _unavailable() -> Problem:
    return Problem(503, _("The storage of documents does not answer; try again later."), headers={"Retry-After": "60"})


def _document_out(document: Document) -> DocumentOut:
    return DocumentOut(
        id=document.public_id,
        record_id=document.record.public_id,
        name=document.name,
        content_type=document.content_type,
        size=document.size,
        sha256=document.sha256,
        uploaded_by_id=document.uploaded_by_id,
        created_at=document.created_at,
    )

"""Exports of a person's own data: asked for, looked at, withdrawn by that person alone."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.rest import Camel, RowId, refuse_unknown
from modules.reports import selectors, services
from modules.reports.models import Export

router = Router(by_alias=True)


class ExportOut(Camel):
    """What became of a request; `downloadUrl` is null unless it leads to the file, until `expiresAt`.

    `reason` tells why it failed, `size` is of the file in bytes, or of the data that were too big.
    """

    id: UUID
    state: Export.State
    reason: str
    include_photos: bool
    size: int | None
    entries: int | None
    missing: int | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None
    download_url: str | None


class ExportPage(Camel):
    """Newest first; `nextCursor` is null on the last page."""

    exports: list[ExportOut]
    next_cursor: int | None


class ExportOptions(BaseModel):
    """What is to be in it."""

    model_config = ConfigDict(alias_generator=to_camel)

    include_photos: bool | None = Field(default=None, description="Whether the files of documents are in it.")


class PageOptions(BaseModel):
    """Which page of the list."""

    model_config = ConfigDict(alias_generator=to_camel)

    cursor: RowId | None = Field(default=None, description="`nextCursor` of the page before.")
    limit: int = Field(default=25, ge=1, le=100)


@router.post("/export", response={202: ExportOut}, summary="Ask for an export of one's data")
def request_export(request: HttpRequest, wanted: Annotated[ExportOptions, Query()]) -> Status[ExportOut]:
    """Make a file of all that is the person's in one tenant; while one is being made, that is the answer."""
    refuse_unknown(request, [to_camel(name) for name in ExportOptions.model_fields])
    caller = request.auth  # type: ignore[attr-defined] # django-ninja puts it there
    export = services.request_export(
        tenant_id=caller.tenant_id, user_id=caller.user_id, include_photos=wanted.include_photos, now=clock.now()
    )
    return Status(202, _export_out(request, export))


@router.get("/exports", response=ExportPage, summary="List one's exports")
def list_exports(request: HttpRequest, wanted: Annotated[PageOptions, Query()]) -> ExportPage:
    """List what the person asked for."""
    refuse_unknown(request, [to_camel(name) for name in PageOptions.model_fields])
    found = selectors.exports_of(_user_id(request))
    rows = list((found.filter(id__lt=wanted.cursor) if wanted.cursor else found)[: wanted.limit + 1])
    page = rows[: wanted.limit]
    return ExportPage(
        exports=[_export_out(request, export) for export in page],
        next_cursor=page[-1].pk if len(rows) > wanted.limit else None,
    )


@router.get("/exports/{uuid:export_id}", response=ExportOut, summary="Look at an export")
def get_export(request: HttpRequest, export_id: UUID) -> ExportOut:
    """Show what became of one."""
    refuse_unknown(request, [])
    return _export_out(request, _own(request, export_id))


@router.delete("/exports/{uuid:export_id}", response=ExportOut, summary="Withdraw an export")
def revoke_export(request: HttpRequest, export_id: UUID) -> ExportOut:
    """Let its link lead nowhere, and delete the file. Safe to repeat."""
    refuse_unknown(request, [])
    export = _own(request, export_id)
    if export.state == Export.State.PENDING:
        raise Problem(409, _("It is still being made; withdraw it when it is ready."))
    services.revoke_export(export_id=export.pk, by_id=_user_id(request), now=clock.now())
    return _export_out(request, _own(request, export_id))


def _user_id(request: HttpRequest) -> int:
    return int(request.auth.user_id)  # type: ignore[attr-defined]


def _own(request: HttpRequest, export_id: UUID) -> Export:
    export = selectors.find_export(export_id, user_id=_user_id(request))
    if export is None:
        raise Problem(404, _("There is no such export."))
    return export


def _export_out(request: HttpRequest, export: Export) -> ExportOut:
    return ExportOut(
        id=export.public_id,
        state=Export.State(export.state),
        reason=export.reason,
        include_photos=export.includes_photos,
        size=export.size,
        entries=export.entries,
        missing=export.missing,
        created_at=export.created_at,
        finished_at=export.finished_at,
        expires_at=export.expires_at,
        download_url=_url(request, export),
    )


def _url(request: HttpRequest, export: Export) -> str | None:
    is_good = export.state == Export.State.READY and export.expires_at and export.expires_at > clock.now()
    if not is_good:
        return None
    path = services.link_of(export)
    public = settings.NOTIFICATIONS["PUBLIC_URL"]
    return f"{public}{path}" if public else request.build_absolute_uri(path)

"""Shops, their snapshots and the pipeline log: one tenant's, who is the token's."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from ninja import Query, Router, Status
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from modules.kernel.problems import Problem
from modules.kernel.secrets import mask_text
from modules.shoptet import selectors, services
from modules.shoptet.models import Shop, SnapshotExecution

router = Router(by_alias=True)
MAX_SHOPS = 1_000

What = Literal["orders", "products", "customers"]


class Out(BaseModel):
    """What goes out, in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class ShopOut(Out):
    """A shop; `id` is what its other addresses take."""

    id: UUID
    name: str
    is_active: bool
    last_error: str


class ExecutionOut(Out):
    """A line of the pipeline log. `bytes` and `lines` are of a snapshot's file; `jobId` may be looked at in /jobs."""

    id: int
    kind: str
    status: str
    trigger: str
    job_id: UUID | None
    started_at: datetime
    finished_at: datetime | None
    listed: int
    fetched: int
    created: int
    updated: int
    unchanged: int
    deleted: int
    parked: int
    lines: int | None
    lines_done: int
    bytes: int | None
    sha256: str
    warning: str
    error: str


class ExecutionPage(Out):
    """Newest first; `nextCursor` is null on the last page."""

    executions: list[ExecutionOut]
    next_cursor: int | None


class LogFilter(BaseModel):
    """Which part of the log."""

    cursor: int | None = Field(default=None, ge=1, le=2**63 - 1, description="`nextCursor` of the page before.")
    limit: int = Field(default=25, ge=1, le=100)


@router.get("/shops", response=list[ShopOut], summary="List shops")
def list_shops(request: HttpRequest) -> list[ShopOut]:
    """List the tenant's shops, at most 1,000."""
    return [
        ShopOut(id=shop.public_id, name=shop.name, is_active=shop.is_active, last_error=mask_text(shop.last_error))
        for shop in selectors.shops().filter(tenant_id=_tenant_of(request))[:MAX_SHOPS]
    ]


@router.post("/shops/{uuid:shop_id}/snapshots/{what}", response={202: ExecutionOut}, summary="Take a snapshot")
def take_snapshot(request: HttpRequest, response: HttpResponse, shop_id: UUID, what: What) -> Status[ExecutionOut]:
    """Read everything the shop has. `202` and the log entry's address; one that is under way is the answer again."""
    shop = _shop(request, shop_id)
    if not shop.is_active:
        raise Problem(409, _("%s is switched off.") % shop)
    entry, _is_new = services.request_snapshot(shop=shop, what=what)
    entry.refresh_from_db()
    response["Location"] = _address(request, shop_id=shop_id, execution_id=entry.pk)
    return Status(202, execution_out(entry))


@router.get("/shops/{uuid:shop_id}/executions", response=ExecutionPage, summary="Read the pipeline log")
def list_executions(request: HttpRequest, shop_id: UUID, wanted: Annotated[LogFilter, Query()]) -> ExecutionPage:
    """List what was read from the shop, newest first."""
    log = selectors.pipeline_log(shop_id=_shop(request, shop_id).pk).order_by("-id")
    if wanted.cursor:
        log = log.filter(id__lt=wanted.cursor)
    found = list(log[: wanted.limit + 1])
    page = found[: wanted.limit]
    is_last = len(found) <= wanted.limit
    return ExecutionPage(
        executions=[execution_out(entry) for entry in page], next_cursor=None if is_last else page[-1].pk
    )


@router.get(
    "/shops/{uuid:shop_id}/executions/{int:execution_id}",
    response=ExecutionOut,
    summary="Look at a reading",
    url_name="execution",
)
def get_execution(request: HttpRequest, shop_id: UUID, execution_id: int) -> ExecutionOut:
    """Show how far a reading is, or how it ended."""
    entry = selectors.pipeline_log(shop_id=_shop(request, shop_id).pk).filter(id=execution_id).first()
    if entry is None:
        raise Problem(404, _("There is no such reading."))
    return execution_out(entry)


def execution_out(entry: SnapshotExecution) -> ExecutionOut:
    """Return a log entry as it travels, secrets masked."""
    values: dict[str, Any] = {name: getattr(entry, name) for name in _PLAIN}
    return ExecutionOut(
        **values,
        lines=entry.lines_total,
        bytes=entry.file_bytes,
        warning=mask_text(entry.warning),
        error=mask_text(entry.error),
    )


_PLAIN = tuple(name for name in ExecutionOut.model_fields if name not in ("lines", "bytes", "warning", "error"))


def _address(request: HttpRequest, **kwargs: Any) -> str:
    match = request.resolver_match
    return reverse(f"{match.namespace}:execution" if match else "execution", kwargs=kwargs)


def _tenant_of(request: HttpRequest) -> int:
    tenant_id: int = request.auth.tenant_id  # type: ignore[attr-defined] # django-ninja puts it there
    return tenant_id


def _shop(request: HttpRequest, public_id: UUID) -> Shop:
    shop = selectors.find_shop(public_id)
    if shop is None or shop.tenant_id != _tenant_of(request):
        raise Problem(404, _("There is no such shop."))
    return shop

"""What clients that were offline send later, and what became of it."""

from collections import Counter
from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.db import IntegrityError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import Field

from modules.drafts import selectors, services
from modules.drafts.api._router import router
from modules.drafts.api._shared import Id, Name, PageFilter, Person, Text, acting, caller_person, page_of, tenant_of
from modules.drafts.domain import InvalidOperation, Operation, check_operation
from modules.drafts.models import SyncItem
from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.rest import Body, Camel, RowId

Value = Text | Annotated[int, Field(ge=1, le=2**31 - 1)]


class ChangeIn(Body):
    """A change. `clientId` is the client's own number of it, under which it is made once, however often it is sent.

    `create_record` takes recordId, propertyId, title and, if wanted, unitId and body; `update_record` recordId,
    baseVersion and title or body; `publish_record` recordId and baseVersion; `add_comment` commentId, recordId, text.
    """

    client_id: Id
    operation: Operation = Field(strict=False)
    payload: dict[Name, Value] = Field(max_length=10)


class SyncIn(Body):
    """Changes in the order in which they are to be made."""

    user_id: Person = None
    changes: list[ChangeIn] = Field(min_length=1, max_length=100)


class OutcomeOut(Camel):
    """What became of a change: made, to be tried again, given up, or against what somebody else changed meanwhile."""

    client_id: UUID
    outcome: Annotated[str, Field(description="applied, failed, conflict or permanently_failed")]


class SyncOut(Camel):
    """An outcome for each change, in the order of the request."""

    outcomes: list[OutcomeOut]


class WaitingOut(Camel):
    """A change that could not be made. `nextRetryAt` is null where it is not tried by itself any more."""

    client_id: UUID
    user_id: int
    operation: str
    payload: dict[str, str | int]
    status: SyncItem.Status
    retry_count: int
    next_retry_at: datetime | None
    last_error: str
    created_at: datetime


class WaitingPage(Camel):
    """Newest first; `nextCursor` is null on the last page."""

    changes: list[WaitingOut]
    next_cursor: int | None


class WaitingFilter(PageFilter):
    """Which changes; a person sees the own ones alone."""

    user_id: RowId | None = None
    status: SyncItem.Status | None = None


@router.post("/sync", response=SyncOut, summary="Send offline changes")
def submit_changes(request: HttpRequest, sent: SyncIn) -> SyncOut:
    """Make changes that were made offline. One that cannot be made now is kept and tried again; safe to repeat."""
    user_id = acting(request, sent.user_id, field="userId")
    changes = [services.Change(change.client_id, change.operation, change.payload) for change in sent.changes]
    _check(changes)
    try:
        outcomes = services.submit_changes(
            tenant_id=tenant_of(request), user_id=user_id, changes=changes, now=clock.now()
        )
    except IntegrityError:
        told = _("The same changes are being made for another request; send them again.")
        raise Problem(409, told) from None
    return SyncOut(
        outcomes=[OutcomeOut(client_id=each.client_id, outcome=outcomes[each.client_id]) for each in changes]
    )


@router.get("/sync", response=WaitingPage, summary="List offline changes that were not made")
def list_waiting(request: HttpRequest, wanted: Annotated[WaitingFilter, Query()]) -> WaitingPage:
    """List what waits for another try, was given up, or is in conflict."""
    mine = selectors.waiting_changes(user_id=caller_person(request))
    page, cursor = page_of(request, mine, wanted, user_id=wanted.user_id, status=wanted.status)
    return WaitingPage(changes=[_waiting_out(item) for item in page], next_cursor=cursor)


def _check(changes: list[services.Change]) -> None:
    """Raise Problem 422 for changes that can never be made, each by its place, and for a number that comes twice."""
    errors = {f"changes.{place}.{field}": told for place, each in enumerate(changes) for field, told in _faults(each)}
    seen = Counter(change.client_id for change in changes)
    twice = [place for place, change in enumerate(changes) if seen[change.client_id] > 1]
    errors |= {f"changes.{place}.clientId": _("Given more than once.") for place in twice}
    if errors:
        raise Problem(422, _("Some fields are wrong; correct them and send again."), errors=errors)


def _faults(change: services.Change) -> list[tuple[str, str]]:
    try:
        check_operation(change.operation, change.payload)
    except InvalidOperation as error:
        return [(f"payload.{error.field}", str(error))]
    return []


def _waiting_out(item: SyncItem) -> WaitingOut:
    names = [name for name in WaitingOut.model_fields if name != "status"]
    return WaitingOut(status=SyncItem.Status(item.status), **{name: getattr(item, name) for name in names})

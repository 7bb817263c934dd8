"""Notices and preferences of a tenant's people: one tenant's, who is the token's."""

from datetime import datetime
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.rest import Body, Camel, RowId, refuse_unknown
from modules.notifications import selectors, services
from modules.notifications.domain import Channel, Kind
from modules.notifications.models import Notification

router = Router(by_alias=True)


class NotificationOut(Camel):
    """What a person was told; `payload` is as the sender made it, `readAt` null until it is read."""

    id: int
    user_id: int
    type: str
    payload: dict[str, Any]
    created_at: datetime
    read_at: datetime | None


class NotificationPage(Camel):
    """Newest first; `nextCursor` is null on the last page."""

    notifications: list[NotificationOut]
    next_cursor: int | None


class NotificationFilter(BaseModel):
    """Which notices; all conditions hold together."""

    model_config = ConfigDict(alias_generator=to_camel)

    user_id: RowId | None = None
    type: Kind | None = None
    unread: bool | None = Field(default=None, description="True: not read yet. False: read.")
    cursor: RowId | None = Field(default=None, description="`nextCursor` of the page before.")
    limit: int = Field(default=25, ge=1, le=100)

    def conditions(self) -> dict[str, Any]:
        """Return the lookups of the conditions that were given."""
        found = {"user_id": self.user_id, "type": self.type, "read_at__isnull": self.unread, "id__lt": self.cursor}
        return {name: value for name, value in found.items() if value is not None}


class ReadIn(Body):
    """Up to which notice everything has been seen: what came later stays unread."""

    until_id: RowId


class ReadOut(Camel):
    """How many were not read before."""

    read: int


class PreferenceRow(Camel):
    """Whether a person wants to be told of one kind of thing in one way."""

    type: Kind
    channel: Channel
    is_on: bool


class PreferencesOut(Camel):
    """All that there are, in the order of the kinds."""

    preferences: list[PreferenceRow]


class PreferenceIn(Body):
    """What is to be switched."""

    type: Kind = Field(strict=False)
    channel: Channel = Field(strict=False)
    is_on: bool


class PreferencesIn(Body):
    """What is to change; what is not named stays."""

    preferences: list[PreferenceIn] = Field(min_length=1, max_length=100)


@router.get("", response=NotificationPage, summary="List notifications")
def list_notifications(request: HttpRequest, wanted: Annotated[NotificationFilter, Query()]) -> NotificationPage:
    """List what the tenant's people were told."""
    refuse_unknown(request, [to_camel(name) for name in NotificationFilter.model_fields])
    found = list(_visible(request).filter(**wanted.conditions())[: wanted.limit + 1])
    page = found[: wanted.limit]
    is_last = len(found) <= wanted.limit
    return NotificationPage(
        notifications=[_notice_out(notice) for notice in page], next_cursor=None if is_last else page[-1].pk
    )


@router.post("/{int:notification_id}/read", response=NotificationOut, summary="Mark a notification read")
def read_notification(request: HttpRequest, notification_id: RowId) -> NotificationOut:
    """Note that it was read; the first time stays."""
    refuse_unknown(request, [])
    if not _visible(request).filter(pk=notification_id).exists():
        raise Problem(404, _("There is no such notification."))
    services.mark_read(notification_ids=[notification_id], now=clock.now())
    return _notice_out(_visible(request).get(pk=notification_id))


@router.post("/users/{int:user_id}/read", response=ReadOut, summary="Mark a person's notifications read")
def read_all(request: HttpRequest, user_id: RowId, seen: ReadIn) -> ReadOut:
    """Note that a person has seen everything up to one notice."""
    tenant_id = _require_member(request, user_id)
    now = clock.now()
    return ReadOut(read=services.mark_all_read(tenant_id=tenant_id, user_id=user_id, until_id=seen.until_id, now=now))


@router.get("/users/{int:user_id}/preferences", response=PreferencesOut, summary="Look at preferences")
def get_preferences(request: HttpRequest, user_id: RowId) -> PreferencesOut:
    """Show what a person wants to be told of, and how."""
    refuse_unknown(request, [])
    return _preferences_out(_require_member(request, user_id), user_id)


@router.put("/users/{int:user_id}/preferences", response=PreferencesOut, summary="Change preferences")
def put_preferences(request: HttpRequest, user_id: RowId, changes: PreferencesIn) -> PreferencesOut:
    """Switch ways of telling a person on or off."""
    tenant_id = _require_member(request, user_id)
    wanted = {(change.type, change.channel): change.is_on for change in changes.preferences}
    try:
        services.set_preferences(tenant_id=tenant_id, user_id=user_id, wanted=wanted, now=clock.now())
    except services.NoSuchWay as error:
        raise Problem(422, _("There is no such way of telling."), errors={"preferences": str(error)}) from None
    return _preferences_out(tenant_id, user_id)


def _notice_out(notice: Notification) -> NotificationOut:
    return NotificationOut(
        id=notice.pk,
        user_id=notice.user_id,
        type=notice.type,
        payload=notice.payload,
        created_at=notice.created_at,
        read_at=notice.read_at,
    )


def _preferences_out(tenant_id: int, user_id: int) -> PreferencesOut:
    wanted = selectors.preferences(tenant_id=tenant_id, user_id=user_id)
    return PreferencesOut(
        preferences=[
            PreferenceRow(type=kind, channel=channel, is_on=is_on) for (kind, channel), is_on in wanted.items()
        ]
    )


def _visible(request: HttpRequest) -> "QuerySet[Notification]":
    """Return the notices that the caller may see: a program its tenant's, a person the own ones."""
    user_id: int | None = request.auth.user_id  # type: ignore[attr-defined] # django-ninja puts it there
    return selectors.notices() if user_id is None else selectors.notices().filter(user_id=user_id)


def _require_member(request: HttpRequest, user_id: int) -> int:
    """Return the caller's tenant; raises Problem 404 for who does not belong to it, and to a person for others."""
    caller = request.auth  # type: ignore[attr-defined] # django-ninja puts it there
    tenant_id: int = caller.tenant_id
    is_another = caller.user_id not in {None, user_id}
    if is_another or not selectors.members(tenant_id=tenant_id, user_ids=[user_id]):
        raise Problem(404, _("There is no such person."))
    return tenant_id

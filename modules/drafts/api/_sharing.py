"""Who is invited to share what, and with whom it is shared."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router, Status
from pydantic import Field, StringConstraints

from modules.drafts import selectors, services
from modules.drafts.api._router import router
from modules.drafts.api._shared import (
    Id,
    PageFilter,
    Person,
    acting,
    caller_person,
    page_of,
    tenant_of,
    the,
    wrong,
)
from modules.drafts.domain import Right
from modules.drafts.models import Invitation, ShareMember, ShareRole, TargetType
from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.rest import Body, Camel, RowId, refuse_unknown
from modules.kernel.tenancy import tenant_scope
from modules.notifications.domain import InvalidMail

joining = Router(by_alias=True)
"""For people who log in and need not belong to the tenant: they become its guests."""

Address = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$")]
PublicIds = dict[tuple[str, int], UUID]


class InvitationIn(Body):
    """What is offered to whom."""

    target_type: TargetType = Field(strict=False)
    target_id: Id
    email: Address
    role: ShareRole = Field(default=ShareRole.READER, strict=False)
    invited_by_id: Person = None


class InvitationOut(Camel):
    """An offer to share. `targetId` is null where its target is gone for good."""

    id: UUID
    email: str
    target_type: TargetType
    target_id: UUID | None
    target_name: str
    role: ShareRole
    status: Invitation.Status
    invited_by_id: int | None
    accepted_by_id: int | None
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None


class InvitationMade(InvitationOut):
    """An offer to share with the token that accepts it, which is told this once."""

    token: str


class InvitationPage(Camel):
    """Newest first; `nextCursor` is null on the last page."""

    invitations: list[InvitationOut]
    next_cursor: int | None


class InvitationFilter(PageFilter):
    """Which invitations."""

    status: Invitation.Status | None = None


class AcceptIn(Body):
    """The token of an invitation."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ShareOut(Camel):
    """With whom something is shared, in which role. `targetId` is null where its target is gone for good."""

    id: int
    tenant_id: int
    user_id: int
    target_type: TargetType
    target_id: UUID | None
    role: ShareRole
    created_at: datetime


class SharePage(Camel):
    """Newest first; `nextCursor` is null on the last page."""

    shares: list[ShareOut]
    next_cursor: int | None


class ShareFilter(PageFilter):
    """Which shares."""

    user_id: RowId | None = None


@router.get("/invitations", response=InvitationPage, summary="List invitations")
def list_invitations(request: HttpRequest, wanted: Annotated[InvitationFilter, Query()]) -> InvitationPage:
    """List the invitations to what the caller owns, those that ended included."""
    mine = selectors.invitations(to=caller_person(request))
    page, cursor = page_of(request, mine, wanted, status=wanted.status)
    ids = _public_ids(page)
    return InvitationPage(invitations=[_invitation_out(row, ids) for row in page], next_cursor=cursor)


@router.post("/invitations", response={201: InvitationMade}, summary="Invite somebody")
def create_invitation(request: HttpRequest, response: HttpResponse, offer: InvitationIn) -> Status[InvitationMade]:
    """Offer to share a project, a property or a unit; the mail goes out where the diary has an address."""
    rows = partial(selectors.targets, offer.target_type)
    target = the(request, rows, offer.target_id, _("There is nothing like this to share."), right=Right.OWN)
    invited_by_id = acting(request, offer.invited_by_id, field="invitedById")
    try:
        invited = services.invite(
            tenant_id=tenant_of(request),
            target_type=offer.target_type,
            target_id=target.pk,
            email=offer.email,
            invited_by_id=invited_by_id,
            role=offer.role,
            now=clock.now(),
        )
    except InvalidMail:
        raise wrong("email", _("No mail can be sent to this address.")) from None
    except IntegrityError:
        raise Problem(409, _("The same offer to this address waits already.")) from None
    response["Cache-Control"] = "no-store"
    shown = _invitation_out(invited.invitation, _public_ids([invited.invitation]))
    return Status(201, InvitationMade(**shown.model_dump(), token=invited.token))


@router.post("/invitations/{uuid:invitation_id}/revoke", response=InvitationOut, summary="Withdraw an invitation")
def revoke_invitation(request: HttpRequest, invitation_id: UUID) -> InvitationOut:
    """Withdraw an invitation; safe to repeat. `409` for one that ended otherwise."""
    refuse_unknown(request, [])
    number, by_id = _invitation(request, invitation_id).pk, caller_person(request)
    services.revoke_invitation(invitation_id=number, by_id=by_id, now=clock.now())
    invitation = _invitation(request, invitation_id)
    if invitation.status != Invitation.Status.REVOKED:
        raise _closed(invitation.status)
    return _invitation_out(invitation, _public_ids([invitation]))


@joining.post("/accept", response=ShareOut, summary="Accept an invitation")
def accept_invitation(request: HttpRequest, offered: AcceptIn) -> ShareOut:
    """Share what the token offers with who is logged in; safe to repeat. `409` when it can be accepted no more."""
    user_id: int = request.auth.user_id  # type: ignore[attr-defined] # django-ninja puts it there
    try:
        share = services.accept_invitation(token=offered.token, user_id=user_id, now=clock.now())
    except services.InvitationUnknown:
        raise Problem(404, _("There is no such invitation.")) from None
    except services.InvitationClosed as error:
        raise _closed(error.status) from None
    with tenant_scope(share.tenant_id):
        return _share_out(share, _public_ids([share]))


@router.get("/shares", response=SharePage, summary="List shares")
def list_shares(request: HttpRequest, wanted: Annotated[ShareFilter, Query()]) -> SharePage:
    """List with whom is shared what the caller owns, and what is shared with the caller."""
    page, cursor = page_of(request, selectors.shares(to=caller_person(request)), wanted, user_id=wanted.user_id)
    ids = _public_ids(page)
    return SharePage(shares=[_share_out(share, ids) for share in page], next_cursor=cursor)


@router.delete("/shares/{int:share_id}", response={204: None}, summary="End a share")
def delete_share(request: HttpRequest, share_id: RowId) -> Status[None]:
    """Share something with somebody no more; its invitation cannot be accepted again. A guest may leave so, too."""
    refuse_unknown(request, [])
    by_id = caller_person(request)
    mine = selectors.shares(to=by_id).filter(pk=share_id)
    if not (mine.exists() and services.end_share(share_id=share_id, by_id=by_id, now=clock.now())):
        raise Problem(404, _("There is no such share."))
    return Status(204, None)


def _invitation(request: HttpRequest, invitation_id: UUID) -> Invitation:
    mine = selectors.invitations(to=caller_person(request))
    invitation = mine.filter(public_id=invitation_id).first()
    if invitation is None:
        raise Problem(404, _("There is no such invitation."))
    return invitation


def _closed(status: str) -> Problem:
    label = Invitation.Status(status).label
    return Problem(409, _("The invitation waits no more; its status is: %(status)s.") % {"status": label})


def _public_ids(rows: Iterable[Invitation | ShareMember]) -> PublicIds:
    return selectors.public_ids([(row.target_type, row.target_id) for row in rows])


def _invitation_out(row: Invitation, ids: PublicIds) -> InvitationOut:
    return InvitationOut(
        id=row.public_id,
        email=row.email,
        target_type=TargetType(row.target_type),
        target_id=ids.get((row.target_type, row.target_id)),
        target_name=row.target_name,
        role=ShareRole(row.role),
        status=Invitation.Status(row.status),
        invited_by_id=row.created_by_id,
        accepted_by_id=row.accepted_by_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
    )


def _share_out(share: ShareMember, ids: PublicIds) -> ShareOut:
    return ShareOut(
        id=share.pk,
        tenant_id=share.tenant_id,
        user_id=share.user_id,
        target_type=TargetType(share.target_type),
        target_id=ids.get((share.target_type, share.target_id)),
        role=ShareRole(share.role),
        created_at=share.created_at,
    )

"""Something is shared with somebody: invited once, accepted by one or expired, never both."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.formats import date_format
from django.utils.timezone import localtime

from modules.accounts import services as account_services
from modules.drafts import selectors
from modules.drafts.models import Invitation, ShareMember
from modules.drafts.selectors import Reader
from modules.drafts.services._log import log
from modules.kernel.tenancy import all_tenants, tenant_scope
from modules.notifications import selectors as notification_selectors
from modules.notifications import services as notification_services
from modules.notifications.domain import Channel, InvalidMail, Kind
from modules.notifications.services import Notice

Status = Invitation.Status
VALID_FOR = timedelta(days=7)


class NoSuchTarget(LookupError):
    """There is nothing to share under this number."""


class InvitationUnknown(LookupError):
    """No invitation has this token."""


class InvitationClosed(Exception):
    """The invitation can be accepted no more; `status` says why."""

    def __init__(self, status: str) -> None:
        self.status = status
        super().__init__(f"The invitation is {status}.")


@dataclass(frozen=True)
class Invited:
    """An invitation and the token that accepts it, which exists nowhere else from now on."""

    invitation: Invitation
    token: str


def invite(
    *,
    tenant_id: int,
    target_type: str,
    target_id: int,
    email: str,
    invited_by_id: int,
    now: datetime,
    role: str = "reader",
    valid_for: timedelta = VALID_FOR,
) -> Invited:
    """Offer to share a project, a property or a unit, and mail it where DIARY_URL says where it is accepted.

    Raises NoSuchTarget, InvalidMail, and IntegrityError where the same offer to this address waits already.
    """
    target = selectors.find_target(target_type, target_id)
    if target is None or target.tenant_id != tenant_id:
        raise NoSuchTarget(f"There is no {target_type} {target_id}.")
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        invitation = Invitation.objects.create(
            tenant_id=tenant_id,
            email=email.lower(),
            target_type=target_type,
            target_id=target_id,
            target_name=target.name,
            role=role,
            token_digest=_digest(token),
            created_by_id=invited_by_id,
            created_at=now,
            expires_at=now + valid_for,
        )
        log(invitation, "created", by_id=invited_by_id, at=now, **_offered(invitation))
        if settings.DRAFTS["APP_URL"]:
            _mail_invitation(invitation, token)
    return Invited(invitation, token)


def accept_invitation(*, token: str, user_id: int, now: datetime) -> ShareMember:
    """Share what was offered with the person, who becomes a guest of the tenant; return the share. Its owner is told.

    One statement decides against the expiry, a withdrawal and other takers: one wins. Accepted again by the same
    person it is the same share. Raises InvitationUnknown and InvitationClosed. Needs no tenant in scope: the token
    says whose it is.
    """
    with all_tenants():
        invitation = Invitation.objects.filter(token_digest=_digest(token)).first()
    if invitation is None:
        raise InvitationUnknown("There is no such invitation.")
    with tenant_scope(invitation.tenant_id), transaction.atomic():
        open_one = Invitation.objects.filter(pk=invitation.pk, status=Status.PENDING, expires_at__gt=now)
        if open_one.update(status=Status.ACCEPTED, accepted_by_id=user_id, ended_at=now):
            account_services.admit_guest(tenant_id=invitation.tenant_id, user_id=user_id)
            log(invitation, "accepted", by_id=user_id, at=now, **_offered(invitation))
            _tell_owner(invitation, user_id, now=now)
            return _share(invitation, user_id, now=now)
        return _shared_before(invitation, user_id)


@transaction.atomic
def revoke_invitation(*, invitation_id: int, now: datetime, by_id: int | None = None) -> bool:
    """Withdraw an invitation in scope; False when it does not wait any more. Safe to repeat."""
    waiting = Invitation.objects.filter(pk=invitation_id, status=Status.PENDING)
    if not waiting.update(status=Status.REVOKED, ended_at=now):
        return False
    invitation = Invitation.objects.get(pk=invitation_id)
    log(invitation, "withdrawn", by_id=by_id, at=now, **_offered(invitation))
    return True


def end_share(*, share_id: int, now: datetime, by_id: int | None = None) -> bool:
    """Share something in scope with somebody no more; False when it was not shared. Its invitation stays used.

    A guest with whom nothing is shared any more is no guest any more.
    """
    with transaction.atomic():
        share = ShareMember.objects.select_for_update().filter(pk=share_id).first()
        if share is None:
            return False
        _log_end(share, by_id=by_id, at=now)
        share.delete()
        dismiss_guests(tenant_id=share.tenant_id, user_ids=[share.user_id])
    return True


def dismiss_guests(*, tenant_id: int, user_ids: Iterable[int]) -> None:
    """Let those of the people go as guests with whom the tenant shares nothing any more."""
    left = ShareMember.objects.filter(tenant_id=tenant_id, user_id__in=set(user_ids))
    kept = set(left.values_list("user_id", flat=True))
    for user_id in sorted(set(user_ids) - kept):
        account_services.dismiss_guest(tenant_id=tenant_id, user_id=user_id)


def expire_invitations(*, limit: int, now: datetime) -> int:
    """Call at most `limit` overdue invitations in scope expired and tell who made them; return how many.

    One transaction; what another run or an accepting person has in hand is left to them. Call until it is 0.
    """
    with transaction.atomic():
        overdue = list(selectors.overdue_invitations(now=now).select_for_update(skip_locked=True)[:limit])
        numbers = [invitation.pk for invitation in overdue]
        Invitation.objects.filter(pk__in=numbers).update(status=Status.EXPIRED, ended_at=now)
        account_services.log_activities([_expiry(invitation) for invitation in overdue], at=now)
        _tell_expired(overdue, now=now)
    return len(overdue)


def _log_end(share: ShareMember, *, by_id: int | None, at: datetime) -> None:
    account_services.log_activity(
        verb="share.ended",
        at=at,
        tenant_id=share.tenant_id,
        user_id=by_id,
        target_type="share",
        target_id=share.pk,
        details={"userId": share.user_id, "targetType": share.target_type, "role": share.role},
    )


def _expiry(invitation: Invitation) -> account_services.Deed:
    number = str(invitation.public_id)
    return account_services.Deed(
        "invitation.expired", invitation.tenant_id, None, "invitation", number, _offered(invitation)
    )


def _offered(invitation: Invitation) -> dict[str, Any]:
    return {"targetType": invitation.target_type, "targetName": invitation.target_name, "role": invitation.role}


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _payload(invitation: Invitation) -> dict[str, Any]:
    return {
        "invitationId": str(invitation.public_id),
        "email": invitation.email,
        "targetType": invitation.target_type,
        "targetName": invitation.target_name,
    }


def _tell_expired(invitations: list[Invitation], *, now: datetime) -> None:
    """Tell the owners who are still there."""
    there = selectors.members_of([(each.tenant_id, each.created_by_id) for each in invitations])
    told: dict[int, list[Notice]] = {}
    for each in invitations:
        if each.created_by_id is not None and (each.tenant_id, each.created_by_id) in there:
            notice = Notice(each.created_by_id, Kind.INVITATION_EXPIRED, _payload(each))
            told.setdefault(each.tenant_id, []).append(notice)
    for tenant_id, notices in told.items():
        notification_services.notify_many(tenant_id=tenant_id, notices=notices, now=now)


def _share(invitation: Invitation, user_id: int, *, now: datetime) -> ShareMember:
    return ShareMember.objects.update_or_create(
        tenant_id=invitation.tenant_id,
        user_id=user_id,
        target_type=invitation.target_type,
        target_id=invitation.target_id,
        defaults={"role": invitation.role, "invitation": invitation},
        create_defaults={"role": invitation.role, "invitation": invitation, "created_at": now},
    )[0]


def _shared_before(offered: Invitation, user_id: int) -> ShareMember:
    """Return what this person accepted before; raises InvitationClosed."""
    invitation = Invitation.objects.get(pk=offered.pk)
    share = ShareMember.objects.filter(invitation=invitation, user_id=user_id).first()
    if invitation.accepted_by_id == user_id and share:
        account_services.admit_guest(tenant_id=invitation.tenant_id, user_id=user_id)  # who accepted before guests were
        return share
    still_waits = invitation.status == Status.PENDING  # too old, and no job has called it so yet
    raise InvitationClosed(Status.EXPIRED if still_waits else invitation.status)


def _tell_owner(invitation: Invitation, user_id: int, *, now: datetime) -> None:
    owner_id, tenant_id = invitation.created_by_id, invitation.tenant_id
    if owner_id is None or not selectors.members_of([(tenant_id, owner_id)]):
        return
    notification_services.notify(
        tenant_id=tenant_id, user_id=owner_id, kind=Kind.INVITATION_ACCEPTED, payload=_payload(invitation), now=now
    )
    people = selectors.readers([owner_id, user_id])
    wants_mail = notification_selectors.wants(
        tenant_id=tenant_id, user_id=owner_id, kind=Kind.INVITATION_ACCEPTED, channel=Channel.EMAIL
    )
    if wants_mail and settings.DRAFTS["APP_URL"] and settings.NOTIFICATIONS["PUBLIC_URL"]:
        _mail_accepted(invitation, owner=people[owner_id], member=people[user_id])


def _mail_invitation(invitation: Invitation, token: str) -> None:
    inviter = selectors.readers([invitation.created_by_id])[invitation.created_by_id or 0]
    locale = inviter.locale or notification_selectors.locale_of(None)
    with translation.override(locale):
        expires = date_format(localtime(invitation.expires_at), "SHORT_DATETIME_FORMAT")
    notification_services.send_email(
        tenant_id=invitation.tenant_id,
        key=f"invitation:{invitation.public_id}",
        template="invitation",
        to=[invitation.email],
        values={
            "inviter": _one_line(inviter.name),
            "target": _one_line(invitation.target_name),
            "accept_url": f"{settings.DRAFTS['APP_URL']}/invitations/{token}",
            "expires": expires,
        },
        locale=locale,
    )


def _mail_accepted(invitation: Invitation, *, owner: Reader, member: Reader) -> None:
    try:
        notification_services.send_email(
            tenant_id=invitation.tenant_id,
            key=f"invitation_accepted:{invitation.public_id}",
            template="invitation_accepted",
            to=[owner.email],
            values={
                "name": _one_line(owner.name),
                "member": _one_line(member.name),
                "target": _one_line(invitation.target_name),
                "open_url": f"{settings.DRAFTS['APP_URL']}/",
            },
            user_id=owner.user_id,
        )
    except InvalidMail:  # an owner without an address has the notice; the guest must not suffer for it
        return


def _one_line(text: str) -> str:
    return " ".join(text.split())

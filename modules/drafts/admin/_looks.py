"""How people and the states of records, invitations and offline changes look."""

from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from modules.drafts.models import Invitation, Record, SyncItem
from modules.kernel.console import badge, muted, two_lines

_INVITATIONS = {
    Invitation.Status.PENDING: ("hourglass_empty", "violet"),
    Invitation.Status.ACCEPTED: ("check_circle", "green"),
    Invitation.Status.EXPIRED: ("timer_off", "gray"),
    Invitation.Status.REVOKED: ("block", "gray"),
}
_CHANGES = {
    SyncItem.Status.FAILED: ("replay", "amber"),
    SyncItem.Status.CONFLICT: ("call_split", "violet"),
    SyncItem.Status.PERMANENTLY_FAILED: ("error", "red"),
}


def record_badge(record: Record) -> SafeString:
    """Return where a record is in its life as icon, word and color."""
    if record.deleted_at:
        return badge(_("Deleted"), icon="delete", tone="gray")
    if record.deletion_started_at:
        return badge(_("Being deleted"), icon="delete_sweep", tone="red")
    if record.status == Record.Status.PUBLISHED:
        return badge(record.get_status_display(), icon="check_circle", tone="green")
    if record.warned_at:
        return badge(_("Draft, warned"), icon="schedule", tone="amber")
    return badge(record.get_status_display(), icon="edit_note", tone="violet")


def invitation_badge(invitation: Invitation) -> SafeString:
    """Return what became of an invitation as icon, word and color."""
    icon, tone = _INVITATIONS[Invitation.Status(invitation.status)]
    return badge(invitation.get_status_display(), icon=icon, tone=tone)


def change_badge(item: SyncItem) -> SafeString:
    """Return what became of an offline change as icon, word and color."""
    icon, tone = _CHANGES[SyncItem.Status(item.status)]
    return badge(item.get_status_display(), icon=icon, tone=tone)


def person(user: Any) -> SafeString:
    """Return somebody's name with their address, or a dash for who has left."""
    return two_lines(user.get_username(), user.email) if user else muted("–")

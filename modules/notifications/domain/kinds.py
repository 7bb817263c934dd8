"""What people are told of, and by which ways; everybody may switch each way off for each kind."""

from enum import StrEnum


class Channel(StrEnum):
    """A way to a person."""

    IN_APP = "in_app"
    EMAIL = "email"


class Kind(StrEnum):
    """What a notice is about. The payload's shape belongs to whoever sends it."""

    DRAFT_REMINDER = "draft_reminder"
    DRAFT_EXPIRING = "draft_expiring"
    INVITATION_ACCEPTED = "invitation_accepted"
    INVITATION_EXPIRED = "invitation_expired"
    SYNC_FAILED = "sync_failed"
    EXPORT_READY = "export_ready"
    EXPORT_FAILED = "export_failed"
    WEEKLY_SUMMARY = "weekly_summary"


CHANNELS: dict[Kind, frozenset[Channel]] = {
    Kind.DRAFT_REMINDER: frozenset({Channel.IN_APP}),
    Kind.DRAFT_EXPIRING: frozenset({Channel.IN_APP, Channel.EMAIL}),
    Kind.INVITATION_ACCEPTED: frozenset({Channel.IN_APP, Channel.EMAIL}),
    Kind.INVITATION_EXPIRED: frozenset({Channel.IN_APP}),
    Kind.SYNC_FAILED: frozenset({Channel.IN_APP}),
    Kind.EXPORT_READY: frozenset({Channel.IN_APP}),  # its mail was asked for, so it obeys no preference
    Kind.EXPORT_FAILED: frozenset({Channel.IN_APP}),
    Kind.WEEKLY_SUMMARY: frozenset({Channel.EMAIL}),
}
"""Which ways there are for each kind; all are on until somebody switches them off."""

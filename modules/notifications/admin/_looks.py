"""How the state of a mail and of a recipient looks."""

from django.utils.safestring import SafeString

from modules.kernel.console import badge
from modules.notifications.models import EmailMessage, Recipient

_MAILS = {
    EmailMessage.State.QUEUED: ("hourglass_empty", "violet"),
    EmailMessage.State.SENDING: ("outgoing_mail", "blue"),
    EmailMessage.State.SENT: ("check_circle", "green"),
    EmailMessage.State.FAILED: ("error", "red"),
    EmailMessage.State.SUPPRESSED: ("block", "gray"),
    EmailMessage.State.UNCERTAIN: ("help", "amber"),
}
_RECIPIENTS = {
    Recipient.State.PENDING: ("hourglass_empty", "violet"),
    Recipient.State.SUPPRESSED: ("block", "gray"),
    Recipient.State.ACCEPTED: ("outgoing_mail", "blue"),
    Recipient.State.DELIVERED: ("check_circle", "green"),
    Recipient.State.REFUSED: ("error", "red"),
    Recipient.State.BOUNCED: ("undo", "red"),
    Recipient.State.COMPLAINED: ("thumb_down", "red"),
}


def mail_badge(mail: EmailMessage) -> SafeString:
    """Return the state of a mail as icon, word and color."""
    icon, tone = _MAILS[EmailMessage.State(mail.state)]
    return badge(mail.get_state_display(), icon=icon, tone=tone)


def recipient_badge(recipient: Recipient) -> SafeString:
    """Return what became of a recipient as icon, word and color."""
    icon, tone = _RECIPIENTS[Recipient.State(recipient.state)]
    return badge(recipient.get_state_display(), icon=icon, tone=tone)

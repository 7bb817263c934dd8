"""A mail on its way out. What can be known is kept exactly; what cannot is called uncertain and left to a person.

The state is `sending` from just before the server is given the content until its answer is written down. A start
that finds it so comes after one that died in between: the server may have taken the mail, so it is not handed over
again.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import F

from modules.kernel import clock
from modules.kernel.secrets import UnreadableSecret, decrypt
from modules.notifications import clients, selectors
from modules.notifications.clients import (
    AnswerLost,
    Delivery,
    OutgoingMail,
    PermanentMailError,
    TemporaryMailError,
)
from modules.notifications.domain import Channel, get_mail
from modules.notifications.models import EmailMessage, Recipient
from modules.notifications.services._mails import message_id

State = EmailMessage.State
READY = (State.QUEUED, State.FAILED)


class MailGone(Exception):
    """The mail was deleted, with its user or its tenant, before it went out."""


class BegunElsewhere(Exception):
    """Somebody else hands the mail over at this moment."""


def deliver(*, mail_id: int, sender: str, is_last: bool) -> EmailMessage:
    """Hand a mail to the mail server, to each recipient at most once; return it as it is then. Safe to repeat.

    sender: this start of the job. is_last: no try comes after this one. Raises MailGone, TemporaryMailError,
    PermanentMailError, and AnswerLost, also for one that was lost before. Commits as it goes.
    """
    mail = selectors.find_mail(mail_id)
    if mail is None:
        raise MailGone("The mail is gone.")
    if mail.state in {State.SENDING, State.UNCERTAIN}:
        _end(mail, State.UNCERTAIN, error="The sender died before it could note the server's answer.")
        raise AnswerLost("It may have been sent before; say on the mail's page whether it is to be sent again.")
    if mail.state in READY and (addresses := _addressees(mail)):
        _try(mail, addresses, sender=sender, is_last=is_last)
    mail.refresh_from_db()
    if mail.state == State.FAILED:
        raise PermanentMailError(mail.error)
    return mail


def confirm_sent(*, mail_id: int) -> bool:
    """Note that a mail of which this was uncertain has gone out; return False when it was not uncertain."""
    mail = EmailMessage.objects.get(pk=mail_id)
    if mail.state != State.UNCERTAIN:
        return False
    with transaction.atomic():
        _mark(mail, {r.address: "" for r in selectors.recipients(mail)}, Recipient.State.ACCEPTED)
        return _end(mail, State.SENT)


def _addressees(mail: EmailMessage) -> list[str]:
    """Return who is still to get it; ends a mail that nobody wants or may get."""
    waiting = [each.address for each in selectors.recipients(mail) if each.state == Recipient.State.PENDING]
    if reason := _why_unwanted(mail):
        _suppress(mail, dict.fromkeys(waiting, reason))
        waiting = []
    stopped = selectors.suppressed(tenant_id=mail.tenant_id, addresses=waiting)
    _suppress(mail, dict.fromkeys(stopped, "The address is suppressed."))
    left = [address for address in waiting if address not in stopped]
    if not left:
        _end(mail, *_state_without_more(mail))
    return left


def _why_unwanted(mail: EmailMessage) -> str:
    kind = get_mail(mail.template).kind
    if mail.user and not mail.user.is_active:
        return "The user is switched off."
    if kind is None or mail.user_id is None:
        return ""
    is_wanted = selectors.wants(tenant_id=mail.tenant_id, user_id=mail.user_id, kind=kind, channel=Channel.EMAIL)
    return "" if is_wanted else "The user has switched such mails off."


def _suppress(mail: EmailMessage, reasons: dict[str, str]) -> None:
    _mark(mail, reasons, Recipient.State.SUPPRESSED)


def _try(mail: EmailMessage, addresses: list[str], *, sender: str, is_last: bool) -> None:
    EmailMessage.objects.filter(pk=mail.pk, state__in=READY).update(attempts=F("attempts") + 1)
    try:
        outgoing = _outgoing(mail, addresses)
        with clients.open_mailer() as mailer:
            delivery = mailer.send(outgoing, begin=lambda: _begin(mail, sender))
    except BegunElsewhere:
        return
    except TemporaryMailError as error:
        _end(mail, State.FAILED if is_last else State.QUEUED, error=str(error))
        raise
    except PermanentMailError as error:
        _end(mail, State.FAILED, error=str(error))
        raise
    except AnswerLost as error:
        _end(mail, State.UNCERTAIN, error=str(error))
        raise
    _record(mail, delivery, is_last=is_last)


def _outgoing(mail: EmailMessage, addresses: list[str]) -> OutgoingMail:
    try:
        text, html = decrypt(mail.text_encrypted), decrypt(mail.html_encrypted)
    except UnreadableSecret as error:
        raise PermanentMailError(f"The mail cannot be read. {error}") from None
    return OutgoingMail(
        from_email=mail.from_email,
        to=[each.address for each in selectors.recipients(mail)],
        recipients=addresses,
        subject=mail.subject,
        text=text,
        html=html,
        headers={
            **mail.headers,
            "Message-ID": message_id(mail),
            "Auto-Submitted": "auto-generated",
            "X-Backroom-Mail": str(mail.public_id),  # by which the provider's events are known
        },
    )


def _begin(mail: EmailMessage, sender: str) -> None:
    """Note, for good, that from now on the server may take it; raises BegunElsewhere."""
    begun = EmailMessage.objects.filter(pk=mail.pk, state__in=READY)
    if not begun.update(state=State.SENDING, sender=sender, error=""):
        raise BegunElsewhere("Another start hands this mail over.")


def _record(mail: EmailMessage, delivery: Delivery, *, is_last: bool) -> None:
    """Write the server's answers down; raises TemporaryMailError for those that call for another try."""
    with transaction.atomic():
        _mark(mail, dict.fromkeys(delivery.accepted, ""), Recipient.State.ACCEPTED)
        _mark(mail, delivery.refused, Recipient.State.REFUSED)
        if delivery.provider_id:
            EmailMessage.objects.filter(pk=mail.pk).update(provider_id=delivery.provider_id)
        if delivery.deferred:
            error = f"Put off: {_listed(delivery.deferred)}"
            _end(mail, State.FAILED if is_last else State.QUEUED, error=error)
        else:
            _end(mail, *_state_without_more(mail))
    if delivery.deferred:
        raise TemporaryMailError(error)


def _state_without_more(mail: EmailMessage) -> tuple[str, str]:
    """Return how a mail ends that has nobody left to go to, and what was wrong."""
    found = selectors.recipients(mail)
    refused = {each.address: each.detail for each in found if each.state == Recipient.State.REFUSED}
    if all(each.state == Recipient.State.SUPPRESSED for each in found):
        return State.SUPPRESSED, found[0].detail
    is_failed = all(each.state in {Recipient.State.REFUSED, Recipient.State.SUPPRESSED} for each in found)
    return State.FAILED if is_failed else State.SENT, f"Refused: {_listed(refused)}" if refused else ""


def _listed(replies: dict[str, str]) -> str:
    return "; ".join(f"{address}: {reply}" for address, reply in replies.items())


def _mark(mail: EmailMessage, details: dict[str, str], state: str) -> None:
    """Note what became of recipients; each detail is its own, and almost always the same."""
    now = clock.now()
    for detail in set(details.values()):
        addresses = [address for address, told in details.items() if told == detail]
        waiting = Recipient.objects.filter(mail=mail, address__in=addresses, state=Recipient.State.PENDING)
        waiting.update(state=state, detail=detail, changed_at=now)


def _end(mail: EmailMessage, state: str, error: str = "") -> bool:
    """Leave a state that is not the end for another; what has ended well stays. A sent secret is forgotten.

    Back to the queue leads no way from `uncertain`: a start that was given up does not know who else has begun.
    """
    fields: dict[str, str | datetime | None] = {"state": state, "error": error, "sender": ""}
    fields["finished_at"] = None if state == State.QUEUED else clock.now()
    if state == State.SENT and get_mail(mail.template).is_secret:
        fields |= {"text_encrypted": "", "html_encrypted": ""}
    stays = [State.SENT, State.SUPPRESSED, *([State.UNCERTAIN] if state == State.QUEUED else [])]
    going = EmailMessage.objects.filter(pk=mail.pk).exclude(state__in=stays)
    return bool(going.update(**fields))

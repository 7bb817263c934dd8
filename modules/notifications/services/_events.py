"""What the mail provider tells: proven, stored, answered; a job finds out later whose mail it is about."""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F

from modules.jobs import services as job_services
from modules.notifications import clients
from modules.notifications.domain.ses import Fate, SesEvent, read_event
from modules.notifications.domain.sns import (
    NOTIFICATION,
    SUBSCRIPTION,
    ForgedMessage,
    SnsEnvelope,
)
from modules.notifications.models import EmailMessage, Recipient, SnsMessage
from modules.notifications.services._suppressions import suppress

State = EmailMessage.State


def receive_sns(*, body: bytes, type_header: str, received_at: datetime) -> bool:
    """Store a proven message; return whether it is new, not told again.

    One transaction with the job that handles it. Raises UnreadableMessage, ForgedMessage, and SnsUnavailable when
    the certificate cannot be had now: SNS tells it again then.
    """
    envelope = SnsEnvelope.parse(body)
    _check_sender(envelope, type_header=type_header, now=received_at)
    certificate = clients.fetch_certificate(envelope.certificate_url)
    envelope.check_signature(certificate, now=received_at)
    return _store(envelope, body, received_at)


def _check_sender(envelope: SnsEnvelope, *, type_header: str, now: datetime) -> None:
    """Raise ForgedMessage for what need not be asked Amazon about."""
    if envelope.topic_arn not in settings.NOTIFICATIONS["SNS_TOPIC_ARNS"]:
        raise ForgedMessage("The topic is not in SNS_TOPIC_ARNS.")
    if type_header != envelope.type:
        raise ForgedMessage("The header says another type.")
    envelope.check_age(now)
    if envelope.type == SUBSCRIPTION:
        _ = envelope.subscribe_url  # raises for one that leads elsewhere


def _store(envelope: SnsEnvelope, body: bytes, received_at: datetime) -> bool:
    values = {
        "type": envelope.type,
        "topic_arn": envelope.topic_arn,
        "body": body.decode("utf-8", "replace").replace("\0", ""),
        "received_at": received_at,
    }
    with transaction.atomic():
        message, is_new = SnsMessage.objects.get_or_create(message_id=envelope.message_id, defaults=values)
        if is_new:
            job_services.enqueue("notifications.process_ses", kwargs={"message_id": message.pk})
        else:
            SnsMessage.objects.filter(pk=message.pk).update(deliveries=F("deliveries") + 1)
    return is_new


def process_sns(*, message_id: int, now: datetime) -> str:
    """Do what a stored message calls for; return what came of it. Done once however often it is called.

    Raises SnsUnavailable when a subscription cannot be confirmed now.
    """
    message = SnsMessage.objects.get(pk=message_id)
    if message.handled_at:
        return message.outcome
    envelope = SnsEnvelope.parse(message.body.encode())
    if envelope.type == SUBSCRIPTION:
        clients.confirm_subscription(envelope.subscribe_url)
        return _finish(message, "Subscription confirmed.", now)
    if envelope.type != NOTIFICATION:
        return _finish(message, "The subscription was ended at Amazon.", now)
    event = read_event(envelope.fields["Message"])
    if event is None:
        return _finish(message, "No event of SES.", now)
    return _apply_once(message, event, now)


def _finish(message: SnsMessage, outcome: str, now: datetime) -> str:
    SnsMessage.objects.filter(pk=message.pk, handled_at=None).update(handled_at=now, outcome=outcome)
    return outcome


def _apply_once(message: SnsMessage, event: SesEvent, now: datetime) -> str:
    with transaction.atomic():
        locked = SnsMessage.objects.select_for_update().get(pk=message.pk)
        if locked.handled_at:
            return locked.outcome
        mail = _find_mail(event)
        outcome = _apply(mail, event, now) if mail else f"{event.kind}: no mail of ours."
        return _finish(message, outcome, now)


def _find_mail(event: SesEvent) -> EmailMessage | None:
    """Return the mail, locked, so that two events of it are written one after the other."""
    mails = EmailMessage.objects.select_for_update()
    if event.mail_id and (found := mails.filter(public_id=event.mail_id).first()):
        return found
    return mails.filter(provider_id=event.provider_id).first() if event.provider_id else None


def _apply(mail: EmailMessage, event: SesEvent, now: datetime) -> str:
    ours = {each.address.lower(): each for each in Recipient.objects.filter(mail=mail)}
    if event.proves_sending:
        _note_sent(mail, event, ours, now)
    fates = [fate for fate in event.fates if fate.address in ours]  # a mail may be forwarded to others
    for fate in fates:
        _note_fate(ours[fate.address], fate, now)
    gone = [fate for fate in fates if fate.suppression]
    for fate in gone:
        suppress(mail=mail, address=fate.address, reason=fate.suppression, detail=fate.detail, now=now)
    if event.failure:
        EmailMessage.objects.filter(pk=mail.pk).update(state=State.FAILED, error=event.failure, finished_at=now)
    return f"{event.kind}: mail {mail.pk}, {len(fates)} recipients, {len(gone)} suppressed."


def _note_sent(mail: EmailMessage, event: SesEvent, ours: dict[str, Recipient], now: datetime) -> None:
    """Settle a mail of which this was uncertain: SES names to whom it went."""
    if mail.state not in {State.SENDING, State.UNCERTAIN}:
        return
    for address in event.destination:
        if address in ours:
            _note_fate(ours[address], Fate(address, Recipient.State.ACCEPTED), now)
    if not any(each.state == Recipient.State.PENDING for each in ours.values()):
        EmailMessage.objects.filter(pk=mail.pk).update(state=State.SENT, error="", finished_at=now)


def _note_fate(recipient: Recipient, fate: Fate, now: datetime) -> None:
    """Raise a recipient's state, never lower it: a delivery may be told of after its bounce."""
    rank = Recipient.RANK
    if fate.state and rank.index(fate.state) > rank.index(recipient.state):
        recipient.state = fate.state
    elif fate.state or not fate.detail:
        return
    recipient.detail, recipient.changed_at = fate.detail, now
    recipient.save(update_fields=["state", "detail", "changed_at"])


def prune_sns(*, handled_before: datetime, limit: int) -> int:
    """Delete at most `limit` messages that were handled before; return how many went. Safe to repeat."""
    old = SnsMessage.objects.filter(handled_at__lt=handled_before).order_by("handled_at").values_list("id", flat=True)
    return SnsMessage.objects.filter(id__in=list(old[:limit])).delete()[0]

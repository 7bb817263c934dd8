"""What a shop tells us: proven, stored, answered; what it means is found out later, by a job that asks the shop."""

import hashlib
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F

from modules.shoptet import domain, selectors
from modules.shoptet.models import Shop, WebhookEvent
from modules.shoptet.services._webhook_handling import request_handling
from modules.shoptet.services._webhook_keys import webhook_keys


class WebhookRefused(Exception):
    """The signature is not that of the shop, or there is no such shop."""


def receive_webhook(*, public_id: UUID, body: bytes, signature: str, received_at: datetime) -> bool:
    """Store an event that the shop `public_id` signed; return whether it is new, not told again.

    One transaction with the job that handles it; nothing outside is called. Raises WebhookRefused, and
    UnreadableOrder for what is signed but no event.
    """
    shop = selectors.find_shop(public_id)
    if shop is None or not domain.is_signed(body, signature=signature, keys=webhook_keys(shop)):
        raise WebhookRefused("The signature does not fit.")
    facts = domain.read_webhook(body)
    if shop.eshop_id and facts.eshop_id != shop.eshop_id:
        raise WebhookRefused("The event is of another shop.")
    return _store(shop, facts, body=body, received_at=received_at)


def receive_addon_event(*, public_id: UUID, body: bytes, signature: str, received_at: datetime) -> bool:
    """Store an event of an add-on, as `receive_webhook` does; which shop signed it, its body says.

    Raises WebhookRefused also for a shop that never installed this add-on, and UnreadableOrder for what is no event.
    """
    facts = domain.read_webhook(body)
    shop = selectors.find_shop_of_addon(public_id=public_id, eshop_id=facts.eshop_id or 0)
    if shop is None or not domain.is_signed(body, signature=signature, keys=webhook_keys(shop)):
        raise WebhookRefused("The signature does not fit.")
    return _store(shop, facts, body=body, received_at=received_at)


def _store(shop: Shop, facts: domain.WebhookFacts, *, body: bytes, received_at: datetime) -> bool:
    digest = hashlib.sha256("\x00".join((facts.event, facts.instance, facts.created)).encode()).hexdigest()
    values = {
        "tenant_id": shop.tenant_id,
        "event": facts.event,
        "instance": facts.instance,
        "event_created": facts.created,
        "body": domain.clean(body.decode("utf-8", "replace")),
        "received_at": received_at,
    }
    with transaction.atomic():
        event, is_new = WebhookEvent.objects.get_or_create(shop=shop, digest=digest, defaults=values)
        if is_new:
            request_handling(shop=shop)
        else:
            WebhookEvent.objects.filter(id=event.pk).update(deliveries=F("deliveries") + 1)
    return is_new


def prune_webhooks(*, handled_before: datetime, limit: int) -> int:
    """Delete at most `limit` events that were handled before; return how many went. Safe to repeat."""
    old = WebhookEvent.objects.filter(handled_at__lt=handled_before).order_by("id").values_list("id", flat=True)
    deleted, _ = WebhookEvent.objects.filter(id__in=list(old[:limit])).delete()
    return deleted

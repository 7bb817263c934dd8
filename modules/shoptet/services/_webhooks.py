"""What a shop tells us: proven, stored, answered; what it means is found out later, by a job that asks the shop."""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F

from modules.jobs import services as job_services
from modules.kernel import clock
from modules.shoptet import domain, selectors
from modules.shoptet.models import Shop, SnapshotExecution, WebhookEvent
from modules.shoptet.services._details import refresh_orders
from modules.shoptet.services._product_details import refresh_products
from modules.shoptet.services._requests import request_reading
from modules.shoptet.services._snapshots import FINISHED, send_step
from modules.shoptet.services._webhook_keys import webhook_keys

EVENTS_AT_ONCE = 50
STOCK_MOVED = "stock:movement"
STOCK_DELAY = timedelta(seconds=30)  # a sale moves several variants, and another sale follows


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


def request_handling(*, shop: Shop) -> UUID:
    """Send the job that handles what the shop told; one waits at most, however much is told."""
    return job_services.enqueue(
        "shoptet.handle_webhooks",
        kwargs={"shop_id": shop.pk},
        tenant_id=shop.tenant_id,
        tags=[f"shop:{shop.pk}"],
        unique_key=f"shoptet.handle_webhooks:{shop.pk}",
    )


def handle_webhooks(*, shop_id: int) -> bool:
    """Do what the oldest fifty waiting events call for; return whether there may be more.

    An event is a hint to look, never a fact: orders are asked for by code, a master's products by GUID, and deleted
    is what the shop says it has not. Safe to repeat, in any order. Raises ShoptetError; the events wait then.
    """
    shop = selectors.get_shop(shop_id)
    events = list(selectors.waiting_webhooks(shop_id=shop_id)[:EVENTS_AT_ONCE])
    if shop.is_active:
        refresh_orders(shop=shop, codes=_named(events, kind="order"))
    if shop.is_active and shop.is_master:
        refresh_products(shop=shop, guids=_named(events, kind="product"))
    with transaction.atomic():
        _check_jobs(shop, [event.instance for event in events if event.event == FINISHED])
        if shop.is_active and any(event.event == STOCK_MOVED for event in events):
            request_reading("fetch_stocks", shop=shop, trigger=SnapshotExecution.Trigger.WEBHOOK, delay=STOCK_DELAY)
        WebhookEvent.objects.filter(id__in=[event.pk for event in events]).update(handled_at=clock.now())
    return len(events) == EVENTS_AT_ONCE


def handle_again(*, event: WebhookEvent) -> UUID:
    """Let a job do once more what an event calls for; return its id. One transaction; safe to repeat."""
    with transaction.atomic():
        WebhookEvent.objects.filter(id=event.pk).update(handled_at=None)
        return request_handling(shop=event.shop)


def _named(events: Iterable[WebhookEvent], *, kind: str) -> list[str]:
    told = [event for event in events if event.event.startswith(f"{kind}:")]
    facts = [domain.WebhookFacts(None, event.event, event.instance, event.event_created) for event in told]
    return [code for fact in facts for code in fact.codes]


def _check_jobs(shop: Shop, remote_job_ids: list[str]) -> None:
    for entry in selectors.snapshots_of_jobs(shop_id=shop.pk, remote_job_ids=remote_job_ids):
        send_step("check_snapshot", entry)


def prune_webhooks(*, handled_before: datetime, limit: int) -> int:
    """Delete at most `limit` events that were handled before; return how many went. Safe to repeat."""
    old = WebhookEvent.objects.filter(handled_at__lt=handled_before).order_by("id").values_list("id", flat=True)
    deleted, _ = WebhookEvent.objects.filter(id__in=list(old[:limit])).delete()
    return deleted

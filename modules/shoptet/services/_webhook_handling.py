"""What an event calls for: asking the shop about the records that it names.

What the shop refuses of one record holds up its events alone: they are tried again later, and given up in the end.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from modules.jobs import services as job_services
from modules.jobs.domain import ExponentialBackoff
from modules.kernel import clock
from modules.shoptet import domain, selectors
from modules.shoptet.clients import ShoptetError, TemporaryShoptetError
from modules.shoptet.models import Shop, SnapshotExecution, WebhookEvent
from modules.shoptet.services._addons import follow_addon
from modules.shoptet.services._details import refresh_orders
from modules.shoptet.services._product_details import refresh_products
from modules.shoptet.services._requests import request_reading
from modules.shoptet.services._snapshots import FINISHED, send_step

EVENTS_AT_ONCE = 50
MOST_FAILURES = 8  # half an hour, of a record that the shop fails to tell while it tells others
BACKOFF = ExponentialBackoff(base_seconds=15, cap_seconds=900)
STOCK_MOVED = "stock:movement"
STOCK_DELAY = timedelta(seconds=30)  # a sale moves several variants, and another sale follows

logger = logging.getLogger(__name__)

Record = tuple[str, str]  # kind ("order" or "product") and code


def request_handling(*, shop: Shop, delay: timedelta = timedelta(0)) -> UUID:
    """Send the job that handles what the shop told; one waits at most, and one with a delay, however much is told."""
    return job_services.enqueue(
        "shoptet.handle_webhooks",
        kwargs={"shop_id": shop.pk},
        tenant_id=shop.tenant_id,
        delay=delay,
        tags=[f"shop:{shop.pk}"],
        unique_key=f"shoptet.handle_webhooks:{shop.pk}" + (":later" if delay else ""),
    )


def handle_webhooks(*, shop_id: int) -> bool:
    """Do what the oldest fifty waiting events call for; return whether there may be more.

    An event is a hint to look, never a fact: orders are asked for by code, a master's products by GUID, and deleted
    is what the shop says it has not. Events of a record that the shop refuses wait for another attempt, or are given
    up with its reason. Safe to repeat, in any order. Raises ShoptetError for what concerns every record; all wait then.
    """
    shop = selectors.get_shop(shop_id)
    events = list(selectors.waiting_webhooks(shop_id=shop_id, now=clock.now())[:EVENTS_AT_ONCE])
    if addon_events := {event.event for event in events if event.event.startswith("addon:")}:
        follow_addon(shop=shop, events=addon_events, now=clock.now())
    told = _Told(shop, events)
    refused = _ask(shop, told.records)
    with transaction.atomic():
        _check_jobs(shop, [event.instance for event in events if event.event == FINISHED])
        if shop.is_active and any(event.event == STOCK_MOVED for event in events):
            request_reading("fetch_stocks", shop=shop, trigger=SnapshotExecution.Trigger.WEBHOOK, delay=STOCK_DELAY)
        told.settle(refused, now=clock.now())
    return len(events) == EVENTS_AT_ONCE


def handle_again(*, event: WebhookEvent) -> UUID:
    """Let a job do once more what an event calls for; return its id. One transaction; safe to repeat."""
    with transaction.atomic():
        WebhookEvent.objects.filter(id=event.pk).update(handled_at=None, failures=0, next_try_at=None, reason="")
        return request_handling(shop=event.shop)


def handle_refused_again(*, shop: Shop) -> int:
    """Let a job try all events of a shop that were given up; return how many. One transaction; safe to repeat."""
    with transaction.atomic():
        refused = WebhookEvent.objects.filter(shop=shop, handled_at__isnull=False).exclude(reason="")
        count = refused.update(handled_at=None, failures=0, next_try_at=None, reason="")
        if count:
            request_handling(shop=shop)
    return count


def _ask(shop: Shop, records: Iterable[Record]) -> dict[Record, ShoptetError]:
    """Bring the records to their present state; return what the shop refused of single ones."""
    wanted: dict[str, list[str]] = {"order": [], "product": []}
    for kind, code in records:
        wanted[kind].append(code)
    refused: dict[Record, ShoptetError] = {}
    if wanted["order"]:
        refused |= _keyed("order", refresh_orders(shop=shop, codes=wanted["order"]))
    if wanted["product"]:
        refused |= _keyed("product", refresh_products(shop=shop, guids=wanted["product"]))
    return refused


def _keyed(kind: str, refused: dict[str, ShoptetError]) -> dict[Record, ShoptetError]:
    return {(kind, code): error for code, error in refused.items()}


@dataclass
class _Told:
    """Events of a shop, and the records that each makes us ask for."""

    shop: Shop
    events: Sequence[WebhookEvent]
    named: dict[int, list[Record]] = field(init=False)

    def __post_init__(self) -> None:
        self.named = {event.pk: _named(self.shop, event) for event in self.events}

    @property
    def records(self) -> list[Record]:
        """Return each record once, in the order in which they were told."""
        return list(dict.fromkeys(record for named in self.named.values() for record in named))

    def settle(self, refused: dict[Record, ShoptetError], *, now: datetime) -> None:
        """Write down what came of each event, and send the job that tries again, in the caller's transaction."""
        failed = {event: found for event in self.events if (found := self._error(event, refused))}
        done = [event.pk for event in self.events if event not in failed]
        WebhookEvent.objects.filter(id__in=done).update(handled_at=now, next_try_at=None, reason="")
        for event, (record, error) in failed.items():
            _note_failure(event, record, error, now=now)
        WebhookEvent.objects.bulk_update(failed, ["handled_at", "failures", "next_try_at", "reason"])
        _forget_former(self.shop, [record for record in self.records if record not in refused], before=now)
        again_at = [event.next_try_at for event in failed if event.next_try_at]
        if again_at:
            request_handling(shop=self.shop, delay=min(again_at) - now)

    def _error(self, event: WebhookEvent, refused: dict[Record, ShoptetError]) -> tuple[Record, ShoptetError] | None:
        """Return what was refused of an event's records, rather what may succeed later."""
        errors = [(record, refused[record]) for record in self.named[event.pk] if record in refused]
        return min(errors, key=lambda found: not isinstance(found[1], TemporaryShoptetError), default=None)


def _named(shop: Shop, event: WebhookEvent) -> list[Record]:
    kind = event.event.partition(":")[0]
    if not shop.is_active or kind not in {"order", "product"} or (kind == "product" and not shop.is_master):
        return []
    facts = domain.WebhookFacts(None, event.event, event.instance, event.event_created)
    return [(kind, code) for code in facts.codes]


def _note_failure(event: WebhookEvent, record: Record, error: ShoptetError, *, now: datetime) -> None:
    """Let an event wait for its next attempt, or give it up: for good, until somebody has it processed again."""
    event.failures += 1
    event.reason = f"{record[1]}: {error}"
    if isinstance(error, TemporaryShoptetError) and event.failures < MOST_FAILURES:
        event.next_try_at = now + BACKOFF.delay(event.failures)
        return
    event.handled_at, event.next_try_at = now, None
    logger.warning("Shop %s: %s was given up: %s", event.shop_id, event.event, error)


def _forget_former(shop: Shop, records: Collection[Record], *, before: datetime) -> None:
    """What was refused of a record that the shop tells now is told with it: its present state is the newest."""
    for kind in {kind for kind, _code in records}:
        codes = [code for of, code in records if of == kind]
        former = WebhookEvent.objects.filter(shop=shop, event__startswith=f"{kind}:", instance__in=codes)
        former.exclude(reason="").update(handled_at=before, next_try_at=None, reason="")


def _check_jobs(shop: Shop, remote_job_ids: list[str]) -> None:
    for entry in selectors.snapshots_of_jobs(shop_id=shop.pk, remote_job_ids=remote_job_ids):
        send_step("check_snapshot", entry)

"""What is in stock, and the figures of each variant: a chunk of them is one statement."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from modules.catalog import selectors as catalog_selectors
from modules.inventory import selectors
from modules.inventory.domain import DEAD_DAYS, LEAD_DAYS, PACE_DAYS, SHORTEST_DAYS, SOLD_TYPES, LevelFacts
from modules.inventory.events import metrics_recalculated
from modules.inventory.models import StockLevel, VariantMetrics
from modules.jobs import services as job_services
from modules.jobs.services import JobRequest
from modules.notifications import services as notification_services
from modules.orders import selectors as order_selectors

CHUNK = 50  # variants per transaction; seed 1
SENT_AT_ONCE = 100  # jobs per INSERT

_FIGURES = (
    *("name", "unit", "amount", "sold_7", "sold_30", "sold_90", "sold_365", "revenue_90", "velocity", "days_left"),
    *("risk", "turnover", "is_dead_stock", "first_sold_at", "last_sold_at"),
)


def _names(columns: Sequence[str], *, of: str = "") -> str:
    return ", ".join(f"{of}.{column}" if of else column for column in columns)


# What came back takes away, but what sold less than nothing has no pace. A line's money is in its order's currency.
_RECALCULATE = f"""
WITH sold AS MATERIALIZED (
    SELECT item.code,
        max(item.id) AS newest_id,
        COALESCE(sum(item.amount) FILTER (WHERE bought.created_at > %(now)s - interval '7 days'), 0) AS sold_7,
        COALESCE(sum(item.amount) FILTER (WHERE bought.created_at > %(now)s - interval '30 days'), 0) AS sold_30,
        COALESCE(sum(item.amount) FILTER (WHERE bought.created_at > %(now)s - interval '90 days'), 0) AS sold_90,
        COALESCE(sum(item.amount) FILTER (WHERE bought.created_at > %(now)s - interval '365 days'), 0) AS sold_365,
        COALESCE(sum(CASE
            WHEN bought.currency = (SELECT currency FROM orders_saleschannel WHERE id = %(channel_id)s)
            THEN item.total_without_vat
            ELSE round(item.total_without_vat / NULLIF(bought.exchange_rate, 0), 2) END)
            FILTER (WHERE bought.created_at > %(now)s - interval '90 days'), 0) AS revenue_90,
        min(bought.created_at) FILTER (WHERE item.amount > 0) AS first_sold_at,
        max(bought.created_at) FILTER (WHERE item.amount > 0) AS last_sold_at
    FROM orders_orderitem item
    JOIN orders_order bought ON bought.id = item.order_id
    WHERE item.tenant_id = %(tenant_id)s AND item.code = ANY(%(codes)s) AND item.code <> ''
        AND item.item_type = ANY(%(sold_types)s)
        AND bought.channel_id = %(channel_id)s AND bought.deleted_at IS NULL AND NOT bought.is_cancelled
    GROUP BY item.code
), stocked AS MATERIALIZED (
    SELECT code, sum(amount - reserved) AS amount, min(first_seen_at) AS first_seen_at
    FROM inventory_stocklevel
    WHERE tenant_id = %(tenant_id)s AND channel_id = %(channel_id)s AND code = ANY(%(codes)s) GROUP BY code
), named AS MATERIALIZED ( -- a channel's storefront has its tenant, kind and name
    SELECT DISTINCT ON (variant.code) variant.code, variant.unit,
        concat_ws(' ', NULLIF(product.name, ''), NULLIF(variant.name, '')) AS name
    FROM catalog_variant variant
    JOIN catalog_product product ON product.id = variant.product_id AND product.deleted_at IS NULL
    JOIN orders_saleschannel channel ON channel.id = %(channel_id)s
    JOIN catalog_storefront own ON (own.tenant_id, own.kind, own.name) = (channel.tenant_id, channel.kind, channel.name)
        AND product.storefront_id IN (own.id, own.master_id)
    WHERE variant.tenant_id = %(tenant_id)s AND variant.code = ANY(%(codes)s)
    ORDER BY variant.code, (product.storefront_id = own.id) DESC, product.id
), paced AS (
    SELECT COALESCE(sold.code, stocked.code) AS code,
        COALESCE(NULLIF(named.name, ''),
            concat_ws(' ', NULLIF(newest.name, ''), NULLIF(newest.variant_name, ''))) AS name,
        COALESCE(NULLIF(named.unit, ''), newest.unit, '') AS unit,
        stocked.amount, stocked.first_seen_at, sold.first_sold_at, sold.last_sold_at,
        COALESCE(sold.sold_7, 0) AS sold_7, COALESCE(sold.sold_30, 0) AS sold_30, COALESCE(sold.sold_90, 0) AS sold_90,
        COALESCE(sold.sold_365, 0) AS sold_365, COALESCE(sold.revenue_90, 0) AS revenue_90,
        COALESCE(round(GREATEST(sold.sold_90, 0) / LEAST(%(pace_days)s, GREATEST(%(shortest_days)s,
            extract(epoch FROM %(now)s - sold.first_sold_at) / 86400))::numeric, 4), 0) AS velocity
    FROM sold FULL JOIN stocked ON stocked.code = sold.code
    LEFT JOIN orders_orderitem newest ON newest.id = sold.newest_id
    LEFT JOIN named ON named.code = COALESCE(sold.code, stocked.code)
), lasting AS (
    SELECT *, CASE WHEN velocity > 0 AND amount IS NOT NULL
        THEN LEAST(round(GREATEST(amount, 0) / velocity, 1), 99999) END AS days_left
    FROM paced
), forgotten AS ( -- whose last line and stock are gone says nothing any more
    DELETE FROM inventory_variantmetrics
    WHERE tenant_id = %(tenant_id)s AND channel_id = %(channel_id)s AND code = ANY(%(codes)s)
        AND code NOT IN (SELECT code FROM paced)
), judged AS (
    SELECT *,
        CASE WHEN amount IS NULL THEN 'unknown' WHEN velocity = 0 THEN 'none' WHEN amount <= 0 THEN 'out'
            WHEN days_left <= %(lead_days)s THEN 'high' WHEN days_left <= 2 * %(lead_days)s THEN 'medium'
            ELSE 'low' END AS risk,
        CASE WHEN amount > 0 THEN round(GREATEST(sold_365, 0) / amount, 2) END AS turnover,
        COALESCE(amount > 0
            AND COALESCE(last_sold_at, first_seen_at) < %(now)s - %(dead_days)s * interval '1 day', FALSE)
            AS is_dead_stock
    FROM lasting
)
INSERT INTO inventory_variantmetrics AS stored (tenant_id, channel_id, code, {_names(_FIGURES)}, recalculated_at)
SELECT %(tenant_id)s, %(channel_id)s, code, {_names(_FIGURES)}, %(now)s FROM judged ORDER BY code
ON CONFLICT (channel_id, code) DO UPDATE SET
    ({_names(_FIGURES)}, recalculated_at) = ROW ({_names(_FIGURES, of="excluded")}, excluded.recalculated_at)
WHERE ({_names(_FIGURES, of="stored")}) IS DISTINCT FROM ({_names(_FIGURES, of="excluded")})
"""

_STORE_LEVELS = """
INSERT INTO inventory_stocklevel AS stored
    (tenant_id, channel_id, code, stock, amount, reserved, location, first_seen_at, changed_at)
SELECT %(tenant_id)s, %(channel_id)s, code, stock, amount, reserved, location, %(now)s, %(now)s
FROM json_to_recordset(%(rows)s::json)
    AS told (code text, stock text, amount numeric, reserved numeric, location text) ORDER BY code, stock
ON CONFLICT (channel_id, code, stock) DO UPDATE SET
    (amount, reserved, location, changed_at)
    = ROW (excluded.amount, excluded.reserved, excluded.location, excluded.changed_at)
WHERE (stored.amount, stored.reserved, stored.location)
    IS DISTINCT FROM (excluded.amount, excluded.reserved, excluded.location)
RETURNING code
"""


_SET_AMOUNTS = """
INSERT INTO inventory_stocklevel AS stored
    (tenant_id, channel_id, code, stock, amount, reserved, location, first_seen_at, changed_at)
SELECT %(tenant_id)s, %(channel_id)s, code, %(stock)s, amount, 0, '', %(now)s, %(now)s
FROM unnest(%(codes)s::text[], %(amounts)s::numeric[]) AS told (code, amount) ORDER BY code
ON CONFLICT (channel_id, code, stock) DO UPDATE SET (amount, changed_at) = ROW (excluded.amount, excluded.changed_at)
WHERE stored.amount IS DISTINCT FROM excluded.amount
RETURNING code
"""

_DROP_LEVELS = """
DELETE FROM inventory_stocklevel level WHERE channel_id = %s AND stock = ANY(%s) AND NOT EXISTS (
    SELECT FROM unnest(%s::text[], %s::text[]) AS kept (code, stock)
    WHERE kept.code = level.code AND kept.stock = level.stock
) RETURNING code
"""


def recalculate_variant_metrics(*, tenant_id: int, channel_id: int, codes: Collection[str], now: datetime) -> int:
    """Make the figures of these variants what order lines and stock say; return how many rows were written.

    One transaction, two queries. Safe to repeat; two at once for one variant wait for each other, so that no
    figures are older than the lines they count.
    """
    values: dict[str, Any] = {"tenant_id": tenant_id, "channel_id": channel_id, "codes": sorted(set(codes)), "now": now}
    values |= {"sold_types": list(SOLD_TYPES), "pace_days": PACE_DAYS, "shortest_days": SHORTEST_DAYS}
    values |= {"lead_days": LEAD_DAYS, "dead_days": DEAD_DAYS}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('inventory:' || code, %(channel_id)s))"
            " FROM (SELECT unnest(%(codes)s::text[]) AS code ORDER BY 1) AS wanted",
            values,
        )
        cursor.execute(_RECALCULATE, values)
        return int(cursor.rowcount)


def import_levels(*, channel_id: int, levels: Sequence[LevelFacts], now: datetime, is_complete: bool = False) -> int:
    """Store what a source says of its stock, and send the variants that changed; return how many those are.

    `is_complete`: what is not among `levels` is no longer there, in the stocks that they name. One transaction; safe
    to repeat. Of two rows for one variant and stock the later counts. Raises SalesChannel.DoesNotExist, also for
    another tenant's channel.
    """
    tenant_id = order_selectors.get_channel(channel_id).tenant_id
    newest = {(level.code, level.stock): level for level in levels}
    rows = json.dumps([asdict(level) for level in newest.values()], default=str)
    values: dict[str, Any] = {"tenant_id": tenant_id, "channel_id": channel_id, "rows": rows, "now": now}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_STORE_LEVELS, values)
        changed = {code for (code,) in cursor.fetchall()}
        if is_complete:
            changed |= _drop(cursor, channel_id, {stock for _, stock in newest}, kept=newest)[1]
        request_variants(tenant_id=tenant_id, channel_id=channel_id, codes=sorted(changed))
    return len(changed)


def set_amounts(*, channel_id: int, stock: str, amounts: Mapping[str, Decimal], now: datetime) -> int:
    """Store how many of each variant (by code) a stock has, and send those that changed; return how many those are.

    What is reserved and where it lies stays as it was. One transaction; safe to repeat. Raises
    SalesChannel.DoesNotExist, also for another tenant's channel.
    """
    tenant_id = order_selectors.get_channel(channel_id).tenant_id
    with transaction.atomic(), connection.cursor() as cursor:
        values: dict[str, Any] = {"tenant_id": tenant_id, "channel_id": channel_id, "stock": stock, "now": now}
        cursor.execute(_SET_AMOUNTS, values | {"codes": list(amounts), "amounts": list(amounts.values())})
        changed = sorted(code for (code,) in cursor.fetchall())
        request_variants(tenant_id=tenant_id, channel_id=channel_id, codes=changed)
    return len(changed)


def drop_levels(*, channel_id: int, stocks: Collection[str], kept: Collection[tuple[str, str]]) -> int:
    """Drop every level in these stocks but those `kept`, as (code, stock), and send their variants; return how many.

    What other sources told of other stocks of the channel stays. One transaction; safe to repeat. Raises
    SalesChannel.DoesNotExist, also for another tenant's channel.
    """
    tenant_id = order_selectors.get_channel(channel_id).tenant_id
    with transaction.atomic(), connection.cursor() as cursor:
        count, codes = _drop(cursor, channel_id, stocks, kept=kept)
        request_variants(tenant_id=tenant_id, channel_id=channel_id, codes=sorted(codes))
    return count


def _drop(
    cursor: Any, channel_id: int, stocks: Collection[str], *, kept: Collection[tuple[str, str]]
) -> tuple[int, set[str]]:
    """Return how many levels went, and of which variants."""
    codes, places = [code for code, _ in kept], [stock for _, stock in kept]
    cursor.execute(_DROP_LEVELS, [channel_id, list(stocks), codes, places])
    dropped = [code for (code,) in cursor.fetchall()]
    return len(dropped), set(dropped)


def request_orders_variants(*, tenant_id: int, channel_id: int, order_ids: Collection[int]) -> list[UUID]:
    """Send the variants on these orders, each once, in batches of 50; commits with the caller's transaction.

    A variant that a change took off an order is not on it any more: the nightly recalculation finds it.
    """
    codes = selectors.codes_of_orders(tenant_id=tenant_id, order_ids=order_ids)
    return request_variants(tenant_id=tenant_id, channel_id=channel_id, codes=codes)


def drop_variants(*, tenant_id: int, channel_id: int, storefront_id: int, codes: Collection[str], now: datetime) -> int:
    """Drop the stock of those `codes` that a channel's storefront sells no more, and recalculate all of them.

    Return how many levels went. One transaction; safe to repeat. What is sold again by now keeps its stock.
    """
    with transaction.atomic():
        gone = set(codes) - catalog_selectors.sold_codes(storefront_id=storefront_id, codes=codes)
        levels = StockLevel.objects.filter(tenant_id=tenant_id, channel_id=channel_id, code__in=gone)
        dropped, _ = levels.delete()
        recalculate_variant_metrics(tenant_id=tenant_id, channel_id=channel_id, codes=codes, now=now)
    return dropped


def request_products_variants(
    *, tenant_id: int, storefront_id: int, product_ids: Collection[int], are_deleted: bool = False
) -> list[UUID]:
    """Send the variants of these products that are in stock or were sold, in whatever channel shows the products.

    What is deleted in a storefront is dropped from the stock of its own channel; its targets are shops of their own.
    """
    channels = selectors.channels_of_storefront(storefront_id=storefront_id)
    requests = [
        _drop_request(tenant_id, channel_id, storefront_id, chunk)
        if are_deleted and channels[channel_id] == storefront_id
        else _recalculate_request(tenant_id, channel_id, chunk)
        for channel_id, codes in selectors.known_codes(channel_ids=channels, product_ids=product_ids).items()
        for chunk in chunked(codes, CHUNK)
    ]
    return job_services.enqueue_many(requests)


def _drop_request(tenant_id: int, channel_id: int, storefront_id: int, codes: list[str]) -> JobRequest:
    kwargs = {"tenant_id": tenant_id, "channel_id": channel_id, "storefront_id": storefront_id, "codes": codes}
    return JobRequest(actor="inventory.drop_variants", kwargs=kwargs, tenant_id=tenant_id)


def request_variants(*, tenant_id: int, channel_id: int, codes: Iterable[str]) -> list[UUID]:
    """Send the jobs that recalculate these variants; return their ids."""
    return job_services.enqueue_many(list(_requests(tenant_id, channel_id, codes, chunk=CHUNK)))


def request_recalculation(*, tenant_id: int) -> UUID:
    """Send the job that recalculates every variant of a tenant; return its id."""
    return job_services.enqueue("inventory.recalculate_tenant", kwargs={"tenant_id": tenant_id}, tenant_id=tenant_id)


def send_recalculation(*, tenant_id: int, chunk: int = CHUNK, channel_id: int | None = None) -> UUID | None:
    """Send the jobs that recalculate a tenant's variants, as one batch whose end is told; None for no variant."""
    channels = [channel_id] if channel_id is not None else selectors.channel_ids(tenant_id=tenant_id)
    requests = (
        request
        for channel in channels
        for request in _requests(
            tenant_id, channel, selectors.channel_codes(tenant_id=tenant_id, channel_id=channel), chunk=chunk
        )
    )
    waiting = list(islice(requests, SENT_AT_ONCE))
    if not waiting:
        return None
    finish = JobRequest(actor="inventory.finish_recalculation", kwargs={"tenant_id": tenant_id})
    with job_services.batch("inventory: recalculate metrics", on_finish=finish, tenant_id=tenant_id) as opened:
        while waiting:
            opened.send(*waiting)
            waiting = list(islice(requests, SENT_AT_ONCE))
    return opened.id


@transaction.atomic
def finish_recalculation(*, tenant_id: int, now: datetime) -> None:
    """Tell, after the commit, that a tenant's figures are new: other modules, and members who are there."""
    notification_services.announce_to_members(tenant_id=tenant_id, type="variant_metrics", payload={}, now=now)
    transaction.on_commit(lambda: metrics_recalculated.send(sender=VariantMetrics, tenant_id=tenant_id), robust=True)


def chunked(codes: Iterable[str], size: int) -> Iterator[list[str]]:
    """Yield the codes in lists of at most `size`."""
    left = iter(codes)
    while chunk := list(islice(left, max(size, 1))):
        yield chunk


def _requests(tenant_id: int, channel_id: int, codes: Iterable[str], *, chunk: int) -> Iterator[JobRequest]:
    for chunk_codes in chunked(codes, chunk):
        yield _recalculate_request(tenant_id, channel_id, chunk_codes)


def _recalculate_request(tenant_id: int, channel_id: int, codes: list[str]) -> JobRequest:
    kwargs = {"tenant_id": tenant_id, "channel_id": channel_id, "codes": codes}
    return JobRequest(actor="inventory.recalculate_variant_metrics", kwargs=kwargs, tenant_id=tenant_id)

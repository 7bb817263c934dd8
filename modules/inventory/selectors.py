from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import TruncWeek
from django.utils.timezone import localtime

from modules.accounts.models import Tenant
from modules.catalog import selectors as catalog_selectors
from modules.catalog.models import Storefront
from modules.inventory.domain import SOLD_TYPES
from modules.inventory.models import StockLevel, VariantMetrics
from modules.orders.models import OrderItem, SalesChannel

FETCHED = 2_000  # rows read at once by what goes through all of them


def active_tenant_ids() -> Iterable[int]:
    """Return the tenants for whom jobs run, ascending."""
    return Tenant.objects.filter(is_active=True).order_by("id").values_list("id", flat=True)


def channel_ids(*, tenant_id: int) -> list[int]:
    """Return a tenant's channels, ascending."""
    return list(SalesChannel.objects.filter(tenant_id=tenant_id).order_by("id").values_list("id", flat=True))


def channels_called(shop: str) -> list[SalesChannel]:
    """Return the channels with this name, else the one with this number; several tenants may use one name."""
    named = list(SalesChannel.objects.filter(name=shop).order_by("id"))
    return named or list(SalesChannel.objects.filter(id=int(shop[:18]) if shop.isdecimal() else 0))


def codes_of_orders(*, tenant_id: int, order_ids: Collection[int]) -> list[str]:
    """Return the variants on these orders' lines, each once, ascending."""
    return list(_sold_lines(tenant_id).filter(order_id__in=order_ids).values_list("code", flat=True))


def channels_of_storefront(*, storefront_id: int) -> dict[int, int]:
    """Return the channels that sell a storefront's products, each with its own storefront: itself, or a target.

    A channel and a storefront of one shop have its tenant, kind and name.
    """
    shown = Storefront.objects.filter(Q(id=storefront_id) | Q(master_id=storefront_id))
    own = shown.filter(tenant_id=OuterRef("tenant_id"), kind=OuterRef("kind"), name=OuterRef("name")).values("id")
    channels = SalesChannel.objects.annotate(own_storefront_id=Subquery(own[:1])).exclude(own_storefront_id=None)
    return dict(channels.order_by("id").values_list("id", "own_storefront_id"))


def known_codes(*, channel_ids: Collection[int], product_ids: Collection[int]) -> dict[int, list[str]]:
    """Return, by channel, the codes of these products that it has in stock or has figures for, ascending."""
    codes = catalog_selectors.codes_of_products(product_ids=product_ids)
    stocked, counted = (
        model.objects.filter(channel_id__in=channel_ids, code__in=codes).order_by().values_list("channel_id", "code")
        for model in (StockLevel, VariantMetrics)
    )
    found: dict[int, list[str]] = {}
    for channel_id, code in sorted(stocked.union(counted)):
        found.setdefault(channel_id, []).append(code)
    return found


def channel_codes(*, tenant_id: int, channel_id: int) -> Iterator[str]:
    """Yield every variant that a channel sold, has in stock, or had figures for, each once, ascending."""
    sold = _sold_lines(tenant_id).filter(order__channel_id=channel_id)
    known: list[QuerySet[Any]] = [
        model.objects.filter(tenant_id=tenant_id, channel_id=channel_id).order_by()
        for model in (StockLevel, VariantMetrics)
    ]
    codes = (
        sold.order_by().values_list("code", flat=True).union(*(rows.values_list("code", flat=True) for rows in known))
    )
    return codes.order_by("code").iterator(chunk_size=FETCHED)


def _sold_lines(tenant_id: int) -> "QuerySet[OrderItem]":
    lines = OrderItem.objects.filter(tenant_id=tenant_id, item_type__in=SOLD_TYPES).exclude(code="")
    return lines.order_by("code").distinct("code")


@dataclass(frozen=True, slots=True)
class Week:
    """Pieces that were sold in a week from its Monday."""

    monday: date
    pieces: Decimal


def weekly_sales(variant: VariantMetrics, *, now: datetime, weeks: int) -> list[Week]:
    """Return what a variant sold in each of the last `weeks`, oldest first, weeks without a sale included."""
    pieces = page_weeks([variant], now=now, weeks=weeks)[variant.pk]
    return [Week(day, sold) for day, sold in zip(_mondays(now, weeks), pieces, strict=True)]


def page_weeks(variants: Sequence[VariantMetrics], *, now: datetime, weeks: int) -> dict[int, list[Decimal]]:
    """Return the pieces that each variant sold in each of the last `weeks`, oldest first. One query."""
    mondays = _mondays(now, weeks)
    lines = OrderItem.objects.filter(
        tenant_id__in={variant.tenant_id for variant in variants},
        code__in={variant.code for variant in variants},
        item_type__in=SOLD_TYPES,
        order__channel_id__in={variant.channel_id for variant in variants},
        order__deleted_at=None,
        order__is_cancelled=False,
        order__created_at__gte=now - timedelta(weeks=weeks + 1),
    )
    by_week = lines.annotate(week=TruncWeek("order__created_at")).order_by()
    rows = by_week.values_list("order__channel_id", "code", "week").annotate(Sum("amount"))
    found = {(channel, code, week.date()): sold or Decimal(0) for channel, code, week, sold in rows}
    return {
        variant.pk: [found.get((variant.channel_id, variant.code, day), Decimal(0)) for day in mondays]
        for variant in variants
    }


def _mondays(now: datetime, weeks: int) -> list[date]:
    today = localtime(now).date()
    monday = today - timedelta(days=today.weekday())
    return [monday - timedelta(weeks=ago) for ago in range(weeks - 1, -1, -1)]


def risk_counts() -> dict[str, int]:
    """Return how many variants of the tenants in scope have each risk."""
    return dict(VariantMetrics.objects.order_by().values_list("risk").annotate(Count("id")))


def most_urgent(*, limit: int) -> list[VariantMetrics]:
    """Return the variants that are or will be missing soonest, those that earn most first within a day."""
    missing = VariantMetrics.objects.filter(risk__in=["out", "high"]).select_related("channel")
    return list(missing.order_by(F("days_left").asc(nulls_last=True), "-revenue_90", "id")[:limit])


def variants_page(*, limit: int, **conditions: Any) -> list[VariantMetrics]:
    """Return variants of the tenants in scope that fulfill the conditions (lookups), first seen first."""
    found = VariantMetrics.objects.filter(**conditions).select_related("channel")
    return list(found.order_by("id")[:limit])


def find_variant(variant_id: int) -> VariantMetrics | None:
    """Return a variant of the tenants in scope, or None."""
    found: VariantMetrics | None = VariantMetrics.objects.filter(id=variant_id).select_related("channel").first()
    return found


def levels(variant: VariantMetrics, *, limit: int = 100) -> list[StockLevel]:
    """Return how many of a variant each stock has, by the stock's name."""
    found = StockLevel.objects.filter(channel_id=variant.channel_id, code=variant.code)
    return list(found.order_by("stock")[:limit])

"""Shops by pipelines: how fresh the data of each is, against how often it should be read."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from modules.jobs import selectors as jobs
from modules.jobs.models import JobSchedule
from modules.kernel.console import duration
from modules.shoptet import selectors
from modules.shoptet.models import Shop, SnapshotExecution

Kind = SnapshotExecution.Kind

MAX_SHOPS = 50  # shown, in order of name
DAYS = 15  # looked back; what was read before is as good as never, a weekly comparison included
LATE, TOO_LATE = 2, 4  # intervals without a success


@dataclass(frozen=True)
class Pipeline:
    """What is read together, and the schedule that reads it."""

    name: Any
    kinds: tuple[str, ...]
    schedule: str
    is_for_masters: bool = False


PIPELINES = (
    Pipeline(_("Orders"), (Kind.ORDERS_INCREMENTAL, Kind.ORDERS_SNAPSHOT), "orders.fetch_new"),
    Pipeline(_("Statuses"), (Kind.ORDERS_STATUSES,), "orders.refresh_statuses"),
    Pipeline(_("Products"), (Kind.PRODUCTS_INCREMENTAL, Kind.PRODUCTS_SNAPSHOT), "products.import_master", True),
    Pipeline(_("Stock"), (Kind.STOCKS,), "shoptet.fetch_stocks"),
    Pipeline(_("Customers"), (Kind.CUSTOMERS_INCREMENTAL, Kind.CUSTOMERS_SNAPSHOT), "customers.fetch_new"),
    Pipeline(_("Comparison"), (Kind.ORDERS_RECONCILIATION,), "shoptet.reconcile_orders"),
    Pipeline(_("Comparison of products"), (Kind.PRODUCTS_RECONCILIATION,), "shoptet.reconcile_products", True),
)


@dataclass(frozen=True)
class Cell:
    """One pipeline of one shop: age of its data, and whether that is well."""

    text: Any
    icon: str
    tone: str
    url: str
    title: str = ""


def freshness(*, now: datetime) -> dict[str, Any]:
    """Return the matrix of the reader's active shops; five queries, however many there are."""
    shops = list(selectors.active_shops().order_by("name", "id")[:MAX_SHOPS])
    since, ids = now - timedelta(days=DAYS), [shop.pk for shop in shops]
    good = _by_pipeline(selectors.last_readings(shop_ids=ids, since=since, is_complete=True))
    last = _by_pipeline(selectors.last_readings(shop_ids=ids, since=since, is_complete=False))
    paces = _paces(now)
    rows = [
        (shop, [_cell(shop, pipe, good, last, pace=paces.get(pipe.schedule), now=now) for pipe in PIPELINES])
        for shop in shops
    ]
    return {"pipelines": [pipe.name for pipe in PIPELINES], "rows": rows}


Readings = dict[tuple[int, str], SnapshotExecution]


def _by_pipeline(readings: Iterable[SnapshotExecution]) -> Readings:
    """Return the newest reading by shop and schedule."""
    of_kind = {kind: pipe.schedule for pipe in PIPELINES for kind in pipe.kinds}
    found: Readings = {}
    for reading in sorted(readings, key=lambda row: row.started_at):
        if reading.kind in of_kind:
            found[reading.shop_id, of_kind[reading.kind]] = reading
    return found


def _paces(now: datetime) -> dict[str, timedelta]:
    """Return how long it is between two runs of each schedule that is on."""
    names = [pipe.schedule for pipe in PIPELINES]
    paces = {}
    for schedule in JobSchedule.objects.filter(key__in=names):
        if first := jobs.next_run(schedule, now=now):  # None when it is off
            second = next(iter(jobs.upcoming(schedule, after=first, count=1)), first)
            paces[schedule.key] = second - first
    return paces


def _cell(
    shop: Shop, pipe: Pipeline, good: Readings, last: Readings, *, pace: timedelta | None, now: datetime
) -> Cell | None:
    if pipe.is_for_masters and not shop.is_master:
        return None
    url = f"{reverse('admin:shoptet_snapshotexecution_changelist')}?shop__id__exact={shop.pk}"
    success, latest = good.get((shop.pk, pipe.schedule)), last.get((shop.pk, pipe.schedule))
    if success is None or success.finished_at is None:
        icon, tone = ("error", "red") if latest and latest.error else ("remove", "gray")
        return Cell(_("never"), icon, tone, url, latest.error[:300] if latest else "")
    age = now - success.finished_at
    if latest and latest.error:
        return Cell(duration(age), "error", "red", url, latest.error[:300])
    if pace is None:
        return Cell(duration(age), "pause_circle", "gray", url, str(_("Its schedule is off.")))
    icon, tone = _look(age / pace if pace else 0)
    return Cell(duration(age), icon, tone, url)


def _look(intervals: float) -> tuple[str, str]:
    if intervals <= LATE:
        return "check_circle", "green"
    return ("schedule", "amber") if intervals <= TOO_LATE else ("error", "red")

"""The statuses of orders, looked at without waiting for a change of the whole order to be told."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from modules.kernel import clock
from modules.orders import selectors as order_selectors
from modules.orders import services as order_services
from modules.shoptet import domain, selectors
from modules.shoptet.clients import CONNECTIONS, ShoptetClient
from modules.shoptet.models import Shop, SnapshotExecution
from modules.shoptet.services import _cursors as cursors
from modules.shoptet.services import _executions as executions
from modules.shoptet.services._details import CODES_AT_ONCE, read_details, request_details, store_details
from modules.shoptet.services._runs import Report, Run, Runner, finish_run, open_run
from modules.shoptet.services._shops import connect

CURSOR = "orders.statuses"
KIND = SnapshotExecution.Kind.ORDERS_STATUSES


@dataclass(frozen=True, slots=True)
class _Ages:
    """Which orders are looked at: all that are younger, and those still open that are younger."""

    recent_days: int
    open_days: int


def refresh_statuses(
    *,
    shop_id: int,
    holder: str,
    report: Report,
    trigger: str = SnapshotExecution.Trigger.SCHEDULE,
    job_id: UUID | None = None,
    recent_days: int = domain.RECENT_DAYS,
    open_days: int = domain.OPEN_DAYS,
) -> SnapshotExecution | None:
    """Read the shop's statuses and bring recent and open orders to theirs; None for a shop switched off.

    Fifty orders a call; fetched is only what the shop says otherwise of. Fifty are a transaction: safe to kill and to
    repeat, also beside any other reading. Raises AlreadyRunning, ShoptetError, CursorLost.
    Source: seed 1, recommendation 6.
    """
    shop = selectors.get_shop(shop_id)
    if not shop.is_active:
        return None
    with open_run(shop=shop, cursor=CURSOR, kind=KIND, runner=Runner(holder, trigger, job_id)) as run:
        with connect(shop) as client, ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="shoptet") as pool:
            _take_names(shop, client)
            _take_orders(run, client, pool, ages=_Ages(recent_days, open_days), report=report)
        finish_run(run)
    return run.execution


def _take_names(shop: Shop, client: ShoptetClient) -> None:
    statuses = client.order_statuses()
    order_services.describe_channel(channel_id=shop.channel_id, currency=shop.channel.currency, statuses=statuses)
    while order_services.rename_statuses(channel_id=shop.channel_id):
        pass


def _take_orders(run: Run, client: ShoptetClient, pool: ThreadPoolExecutor, *, ages: _Ages, report: Report) -> None:
    done, total = 0, _wanted(run.shop, ages).count()
    for codes in _chunks(run.shop, ages):
        differing = _differing(run.shop, client, codes)
        with transaction.atomic():
            cursors.keep_cursor(run.hold)
        if differing:
            found = read_details(request_details(client=client, pool=pool, codes=differing), shop=run.shop)
            with transaction.atomic():
                cursors.keep_cursor(run.hold)
                executions.note_progress(run.execution, **store_details(shop=run.shop, found=found))
        done += len(codes)
        executions.note_progress(run.execution, listed=len(codes))
        report(done, max(done, total), _("orders compared"))


def _wanted(shop: Shop, ages: _Ages) -> order_selectors.Orders:
    now = clock.now()
    return order_selectors.recent_or_open(
        channel_id=shop.channel_id,
        recent_from=now - timedelta(days=ages.recent_days),
        open_from=now - timedelta(days=ages.open_days),
        closed_status_ids=domain.CLOSED_STATUS_IDS,
    )


def _chunks(shop: Shop, ages: _Ages) -> Iterator[list[str]]:
    """Yield codes, fifty at a time, by id: what is stored meanwhile moves no order past the reader."""
    wanted, after = _wanted(shop, ages).order_by("id").values_list("id", "code"), 0
    while rows := list(wanted.filter(id__gt=after)[:CODES_AT_ONCE]):
        after = rows[-1][0]
        yield [code for _id, code in rows]


def _differing(shop: Shop, client: ShoptetClient, codes: Sequence[str]) -> list[str]:
    """Return the codes of which the shop says something else than we, or nothing."""
    told = {row.code: row for row in client.orders_of(codes)}
    stored = order_selectors.stored_versions(channel_id=shop.channel_id, codes=codes)
    statuses = order_selectors.status_ids(channel_id=shop.channel_id, codes=codes)
    return [
        code
        for code in codes
        if code not in told
        or domain.needs_detail(told[code], stored.get(code))
        or told[code].status_id != statuses.get(code)
    ]

"""All of a master's products against all of ours: what the log of changes forgot, and what slipped through.

The shop's list is read whole, a thousand a page; what differs is then asked for in order of GUID, where a run goes on.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from modules.catalog import selectors as catalog_selectors
from modules.shoptet import domain, selectors
from modules.shoptet.clients import CONNECTIONS, ShoptetClient, TemporaryShoptetError
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution
from modules.shoptet.services import _cursors as cursors
from modules.shoptet.services import _executions as executions
from modules.shoptet.services._product_details import GUIDS_AT_ONCE, fetch_products, store_products
from modules.shoptet.services._reading import read_rows
from modules.shoptet.services._reconciliation import Rehearsal
from modules.shoptet.services._runs import (
    MAX_PARKED_RETRIES,
    MAX_PASSES,
    Report,
    Run,
    Runner,
    SyncPaused,
    finish_run,
    open_run,
)
from modules.shoptet.services._shops import connect
from modules.shoptet.services._storefronts import NotAMaster, open_storefront

CURSOR = "products.reconciliation"
KIND = SnapshotExecution.Kind.PRODUCTS_RECONCILIATION
COMPARED_AT_ONCE = 1_000

Listed = dict[str, domain.ListedOrder]  # by GUID


def reconcile_products(
    *,
    shop_id: int,
    holder: str,
    report: Report,
    trigger: str = SnapshotExecution.Trigger.SCHEDULE,
    job_id: UUID | None = None,
    most_details: int | None = None,
) -> SnapshotExecution | None:
    """Make our products those of a master shop; return the log entry, None for a shop switched off.

    A product that the shop does not list is a tombstone only after a 404 of its own. One that we lack is fetched,
    unless only a part of the shop's products was ever read. Fifty are a transaction. Raises NotAMaster, AlreadyRunning,
    ShoptetError, CursorLost, and SyncPaused after about `most_details` products: the next run goes on behind them.
    """
    shop = _master(shop_id)
    if not shop.is_active:
        return None
    with open_run(shop=shop, cursor=CURSOR, kind=KIND, runner=Runner(holder, trigger, job_id)) as run:
        with connect(shop) as client, ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="shoptet") as pool:
            _Reconciliation(run, client, pool, report, most_details).reconcile()
        finish_run(run)
    return run.execution


def rehearse_product_reconciliation(*, shop_id: int, report: Report) -> Rehearsal:
    """Count what a reconciliation would do, each deletion confirmed by the product's 404; write nothing."""
    shop, found = _master(shop_id), Rehearsal()
    with connect(shop) as client, ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="shoptet") as pool:
        listed = _read_list(client, report)
        found.to_fetch = len(_changed(shop, listed))
        for guids in _chunks(_missing(shop, listed), GUIDS_AT_ONCE):
            found.to_delete += sum(answer.data is None for answer in pool.map(client.product, guids))
    return found


def _master(shop_id: int) -> Shop:
    shop = selectors.get_shop(shop_id)
    if not shop.is_master:
        raise NotAMaster(_("%s is not a master shop; products are read from masters alone.") % shop)
    return shop


def _read_list(client: ShoptetClient, report: Report, keep_hold: Callable[[], None] = lambda: None) -> Listed:
    """Return every product that the shop lists; raises TemporaryShoptetError when the list does not stand still."""
    for _pass in range(MAX_PASSES):
        listed: Listed = {}
        if _list_once(client, listed, report, keep_hold):
            return listed
    raise TemporaryShoptetError(_("The shop's list of products kept changing while it was read."))


def _list_once(client: ShoptetClient, listed: Listed, report: Report, keep_hold: Callable[[], None]) -> bool:
    totals, unreadable, number, page_count = set(), 0, 1, 1
    while number <= page_count:
        page = client.product_page(window=None, page=number)
        rows, bad = read_rows(page, key="guid")
        listed.update((row.code, row) for row in rows)
        totals.add(page.total_count)
        unreadable += len(bad)
        keep_hold()
        report(min(len(listed), page.total_count), page.total_count, _("products compared"))
        number, page_count = number + 1, page.page_count if page.rows else 0
    return len(totals) == 1 and len(listed) + unreadable >= max(totals)


def _changed(shop: Shop, listed: Listed) -> list[str]:
    """Return the GUIDs of products that are not with us as the shop lists them."""
    is_whole = selectors.has_whole_history(shop_id=shop.pk, what="products")
    return [guid for guids in _chunks(listed, COMPARED_AT_ONCE) for guid in _changed_of(shop, listed, guids, is_whole)]


def _changed_of(shop: Shop, listed: Listed, guids: Sequence[str], is_whole: bool) -> Iterator[str]:
    stored = {}
    if shop.storefront_id:
        stored = catalog_selectors.stored_versions(storefront_id=shop.storefront_id, guids=guids)
    for guid in guids:
        if domain.needs_detail(listed[guid], stored.get(guid)) and (is_whole or guid in stored):
            yield guid


def _missing(shop: Shop, listed: Listed) -> Iterator[str]:
    """Yield the GUIDs of our living products that the shop does not list."""
    ours = catalog_selectors.living_guids(storefront_id=shop.storefront_id) if shop.storefront_id else iter(())
    return (guid for guid in ours if guid not in listed)


def _chunks(guids: Iterable[str], size: int) -> Iterator[list[str]]:
    left = iter(guids)
    while chunk := list(islice(left, size)):
        yield chunk


@dataclass
class _Reconciliation:
    run: Run
    client: ShoptetClient
    pool: ThreadPoolExecutor
    report: Report
    most_details: int | None

    def reconcile(self) -> None:
        open_storefront(self.run.shop)
        listed = _read_list(self.client, self.report, self._keep_hold)
        SnapshotExecution.objects.filter(id=self.run.execution.pk).update(listed=len(listed))
        different = {*_changed(self.run.shop, listed), *_missing(self.run.shop, listed)}
        self._settle(sorted(guid for guid in different if guid > self.run.execution.position))
        kind = ParkedRecord.Kind.PRODUCT
        parked = selectors.retryable_codes(shop_id=self.run.shop.pk, kind=kind, left_out=different)
        for guids in _chunks(parked[:MAX_PARKED_RETRIES], GUIDS_AT_ONCE):
            self._take(guids)

    def _settle(self, wanted: Sequence[str]) -> None:
        done = 0
        for guids in _chunks(wanted, GUIDS_AT_ONCE):
            self._take(guids, position=guids[-1])
            done += len(guids)
            self.report(done, len(wanted), _("products fetched"))
            if self.most_details is not None and done >= self.most_details and done < len(wanted):
                raise SyncPaused

    def _take(self, guids: Sequence[str], **noted: str) -> None:
        found = fetch_products(client=self.client, pool=self.pool, guids=guids)
        with transaction.atomic():
            self._keep_hold()
            executions.note_progress(self.run.execution, **store_products(shop=self.run.shop, found=found))
            SnapshotExecution.objects.filter(id=self.run.execution.pk).update(**noted)

    def _keep_hold(self) -> None:
        with transaction.atomic():
            cursors.keep_cursor(self.run.hold)

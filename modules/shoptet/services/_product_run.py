from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from modules.catalog import selectors as catalog_selectors
from modules.catalog import services as catalog_services
from modules.shoptet import domain, selectors
from modules.shoptet.clients import CONNECTIONS, TemporaryShoptetError
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution
from modules.shoptet.services import _cursors as cursors
from modules.shoptet.services import _executions as executions
from modules.shoptet.services._product_details import (
    GUIDS_AT_ONCE,
    fetch_categories,
    fetch_products,
    living_guids,
    store_products,
)
from modules.shoptet.services._reading import Reading, read_rows
from modules.shoptet.services._runs import MAX_PARKED_RETRIES, MAX_PASSES, Report, SyncPaused
from modules.shoptet.services._shops import connect
from modules.shoptet.services._storefronts import open_storefront


@dataclass
class ProductRun(Reading):
    """One reading of a master shop's products and categories."""

    parked_kind = ParkedRecord.Kind.PRODUCT

    shop: Shop
    hold: cursors.Hold
    execution: SnapshotExecution
    report: Report
    most_details: int | None  # per run; None for no limit
    asked: set[str] = field(default_factory=set)  # GUIDs fetched in this run: once is enough

    def run(self, *, fallback_lookback_hours: int | None) -> datetime:
        with ExitStack() as stack:
            self.client = stack.enter_context(connect(self.shop))
            self.pool = stack.enter_context(ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="shoptet"))
            self.hopeless = self.set_aside_before_the_pause()
            described_at = self.describe()
            self.storefront_id = open_storefront(self.shop)
            shop_time = self.take_deletions() or described_at
            window = self.open_window(shop_time=shop_time, fallback_lookback_hours=fallback_lookback_hours)
            self.take_categories()
            self.take_window(window)
            self.retry_parked()
            return window.changed_to

    def take_categories(self) -> None:
        categories = fetch_categories(self.client)
        with transaction.atomic():
            cursors.keep_cursor(self.hold)
            catalog_services.replace_categories(storefront_id=self.storefront_id, categories=categories)

    def take_deletions(self) -> datetime | None:
        """Bury the products that the shop deleted since the last run, each confirmed by a 404 of its own."""
        if self.hold.position_at is None:
            return None
        since = self.deletions_since(self.hold.position_at - domain.OVERLAP)
        page, at = self.client.product_deletion_page(since=since, page=1)
        self.take_deleted(page)
        for number in range(2, page.page_count + 1):
            self.take_deleted(self.client.product_deletion_page(since=since, page=number)[0])
        return at

    def take_deleted(self, page: domain.Page) -> None:
        rows, unreadable = read_rows(page, key="guid")
        self.take(living_guids(self.storefront_id, [row.code for row in rows]))
        self.park(unreadable)

    def take_window(self, window: domain.Window) -> None:
        """Read the whole list, again from page 1 if it moved meanwhile: rows shift between pages then."""
        for _pass in range(MAX_PASSES):
            if self.take_pass(window):
                return
        raise TemporaryShoptetError(_("The shop's list of products kept changing while it was read."))

    def take_pass(self, window: domain.Window) -> bool:
        """Return whether every page told the same total and all of that many products were seen."""
        seen: set[str] = set()
        totals: set[int] = set()
        number, page_count = 1, 1
        while number <= page_count:
            page = self.client.product_page(window=window, page=number)
            totals.add(page.total_count)
            SnapshotExecution.objects.filter(id=self.execution.pk).update(listed=page.total_count)
            self.take_page(page, seen)
            number, page_count = number + 1, page.page_count if page.rows else 0
        return len(totals) == 1 and len(seen) >= max(totals)

    def take_page(self, page: domain.Page, seen: set[str]) -> None:
        """Bring in what is new or changed on a page, fifty at a time; add a key of each row to `seen`."""
        rows, unreadable = read_rows(page, key="guid")
        self.park(unreadable)
        seen |= {f"\x00{page.number} {place}" for place in range(len(unreadable))}
        for start in range(0, max(len(rows), 1), GUIDS_AT_ONCE):
            part = rows[start : start + GUIDS_AT_ONCE]
            self.take([guid for guid in self.changed(part) if guid not in self.asked and guid not in self.hopeless])
            seen |= {row.code for row in part}
            self.go_on(done=len(seen), total=page.total_count)

    def changed(self, rows: Sequence[domain.ListedOrder]) -> list[str]:
        guids = [row.code for row in rows]
        stored = catalog_selectors.stored_versions(storefront_id=self.storefront_id, guids=guids)
        return [row.code for row in rows if domain.needs_detail(row, stored.get(row.code))]

    def go_on(self, *, done: int, total: int) -> None:
        self.report(min(done, total), total, _("products read"))
        if self.most_details is not None and len(self.asked) >= self.most_details:
            raise SyncPaused

    def take(self, guids: Collection[str]) -> None:
        """Fetch products by GUID and store what came, fifty in one transaction."""
        wanted = list(guids)
        for start in range(0, len(wanted), GUIDS_AT_ONCE):
            self.take_some(wanted[start : start + GUIDS_AT_ONCE])

    def take_some(self, guids: Collection[str]) -> None:
        self.asked |= set(guids)
        found = fetch_products(client=self.client, pool=self.pool, guids=guids)
        with transaction.atomic():
            cursors.keep_cursor(self.hold)
            executions.note_progress(self.execution, **store_products(shop=self.shop, found=found))

    def retry_parked(self) -> None:
        """Ask again for what could not be read in earlier runs."""
        left_out = self.asked | self.hopeless
        guids = selectors.retryable_codes(shop_id=self.shop.pk, kind=self.parked_kind, left_out=left_out)
        self.take(guids[:MAX_PARKED_RETRIES])

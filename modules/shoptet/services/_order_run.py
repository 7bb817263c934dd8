from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from django.db import transaction
from django.utils.translation import gettext as _

from modules.orders import selectors as order_selectors
from modules.orders.domain import StoredVersion
from modules.shoptet import domain, selectors
from modules.shoptet.clients import CONNECTIONS, ShoptetClient, TemporaryShoptetError
from modules.shoptet.clients.limits import ORDERS_PER_PAGE
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution
from modules.shoptet.services import _cursors as cursors
from modules.shoptet.services import _executions as executions
from modules.shoptet.services._details import CODES_AT_ONCE, read_details, request_details, store_details
from modules.shoptet.services._patience import Requested
from modules.shoptet.services._reading import Reading, read_rows
from modules.shoptet.services._runs import MAX_PARKED_RETRIES, MAX_PASSES, Report, SyncPaused
from modules.shoptet.services._shops import connect

T = TypeVar("T")


@dataclass
class OrderRun(Reading):
    """One reading of one shop's changes, under a hold on its cursor."""

    parked_kind = ParkedRecord.Kind.ORDER

    shop: Shop
    hold: cursors.Hold
    execution: SnapshotExecution
    report: Report
    most_details: int | None  # per run; None for no limit
    asked: set[str] = field(default_factory=set)  # codes fetched in this run: once is enough
    requested: Requested = field(default_factory=dict)  # on its way, while what came before it is stored

    def run(self, *, fallback_lookback_hours: int | None) -> datetime:
        with ExitStack() as stack:
            self.client: ShoptetClient = stack.enter_context(connect(self.shop))
            self.pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="shoptet")
            stack.callback(self.pool.shutdown, cancel_futures=True)
            return self.read(fallback_lookback_hours=fallback_lookback_hours)

    def read(self, *, fallback_lookback_hours: int | None) -> datetime:
        self.hopeless = self.set_aside_before_the_pause()
        described_at = self.describe()
        deletions_at = self.take_deletions()
        shop_time = deletions_at or described_at
        window = self.open_window(shop_time=shop_time, fallback_lookback_hours=fallback_lookback_hours)
        self.take_window(window)
        self.retry_parked()
        return window.changed_to

    def take_deletions(self) -> datetime | None:
        """Bury the orders that the shop deleted since the last run; return the shop's time if it was asked.

        The log of changes is a hint only: each deletion is confirmed by a 404 of the order itself.
        """
        if self.hold.position_at is None:
            return None
        since = self.deletions_since(self.hold.position_at - domain.OVERLAP)
        page, at = self.ask(self.client.deletion_page, since=since, page=1)
        self.take_deleted(page)
        for number in range(2, page.page_count + 1):
            self.take_deleted(self.ask(self.client.deletion_page, since=since, page=number)[0])
        self.settle()
        return at

    def take_deleted(self, page: domain.Page) -> None:
        rows, unreadable = read_rows(page)
        stored = self.stored(rows)
        alive = [row.code for row in rows if row.code in stored and not stored[row.code].is_deleted]
        for start in range(0, len(alive), CODES_AT_ONCE):
            self.take(alive[start : start + CODES_AT_ONCE])
        self.park(unreadable)

    def ask(self, call: Callable[..., T], **query: object) -> T:
        """Call the shop from one of the pool's threads: a further one would wait for a connection, or break one."""
        return self.pool.submit(call, **query).result()

    def take_window(self, window: domain.Window) -> None:
        """Read the whole list, again from page 1 if it moved meanwhile: rows shift between pages then."""
        near_the_last_pause = self.execution.fetched // ORDERS_PER_PAGE
        if near_the_last_pause > 1:  # then new orders first: all pages are read once after that, not once per pause
            self.take_pass(window, first_page=near_the_last_pause)
        for _pass in range(MAX_PASSES):
            if self.take_pass(window):
                return
        raise TemporaryShoptetError(_("The shop's list of orders kept changing while it was read."))

    def take_pass(self, window: domain.Window, *, first_page: int = 1) -> bool:
        """Return whether every page told the same total and all of that many orders were seen."""
        seen: set[str] = set()
        totals: list[int] = []
        number = page_count = first_page
        while number <= page_count:
            page = self.ask(self.client.order_page, window=window, page=number)
            if page is None:
                return False
            totals.append(page.total_count)
            seen |= self.take_page(page)
            number, page_count = number + 1, page.page_count if page.rows else 0
            if number > page_count:
                self.settle()
            self.go_on(done=(first_page - 1) * ORDERS_PER_PAGE + len(seen) - len(self.requested), total=totals[-1])
        return len(set(totals)) == 1 and len(seen) >= max(totals)

    def go_on(self, *, done: int, total: int) -> None:
        SnapshotExecution.objects.filter(id=self.execution.pk).update(listed=total)
        self.report(min(done, total), total, _("orders read"))
        if self.most_details is not None and len(self.asked) >= self.most_details:
            self.settle()
            raise SyncPaused

    def take_page(self, page: domain.Page) -> set[str]:
        """Bring in what is new or changed on a page; return a key of each of its rows."""
        rows, unreadable = read_rows(page)
        stored = self.stored(rows)
        wanted = [row.code for row in rows if domain.needs_detail(row, stored.get(row.code))]
        self.take([code for code in wanted if code not in self.asked and code not in self.hopeless])
        self.park(unreadable)
        return {row.code for row in rows} | {f"\x00{page.number} {place}" for place in range(len(unreadable))}

    def stored(self, rows: Sequence[domain.ListedOrder]) -> dict[str, StoredVersion]:
        return order_selectors.stored_versions(channel_id=self.shop.channel_id, codes=[row.code for row in rows])

    def take(self, codes: Collection[str]) -> None:
        """Begin to fetch orders by code; store meanwhile, in one transaction, those that were begun before."""
        self.asked |= set(codes)
        earlier, self.requested = self.requested, request_details(client=self.client, pool=self.pool, codes=codes)
        if earlier:
            self.store(earlier)

    def settle(self) -> None:
        """Store what is still on its way."""
        self.take(())

    def store(self, requested: Requested) -> None:
        found = read_details(requested, shop=self.shop)
        with transaction.atomic():
            cursors.keep_cursor(self.hold)
            executions.note_progress(self.execution, **store_details(shop=self.shop, found=found))

    def retry_parked(self) -> None:
        """Ask again for what could not be read in earlier runs."""
        kind = ParkedRecord.Kind.ORDER
        codes = selectors.retryable_codes(shop_id=self.shop.pk, kind=kind, left_out=self.asked | self.hopeless)
        self.take(list(codes[:MAX_PARKED_RETRIES]))
        self.settle()

"""All of a shop's orders against all of ours: what the log of changes forgot, and what slipped through.

Month by month of when orders were made: a month hardly changes while it is read, and is where a run goes on.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from modules.kernel import clock
from modules.orders import selectors as order_selectors
from modules.orders.domain import UnreadableOrder
from modules.shoptet import domain, selectors
from modules.shoptet.clients import CONNECTIONS, ShoptetClient, TemporaryShoptetError
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution
from modules.shoptet.services import _cursors as cursors
from modules.shoptet.services import _executions as executions
from modules.shoptet.services._details import CODES_AT_ONCE, read_details, request_details, store_details
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

CURSOR = "orders.reconciliation"
KIND = SnapshotExecution.Kind.ORDERS_RECONCILIATION
GOES_ON_FOR = timedelta(days=3)  # after a failure where it was, later from the start


@dataclass(frozen=True, slots=True)
class Difference:
    """Codes of a month's orders: `changed` are not with us as the shop lists them, `missing` it does not list."""

    changed: list[str]
    missing: list[str]


@dataclass(slots=True)
class Rehearsal:
    """What a reconciliation would do, in orders."""

    to_delete: int = 0
    to_fetch: int = 0


def reconcile_orders(
    *,
    shop_id: int,
    holder: str,
    report: Report,
    trigger: str = SnapshotExecution.Trigger.SCHEDULE,
    job_id: UUID | None = None,
    most_details: int | None = None,
) -> SnapshotExecution | None:
    """Make our orders those of the shop; return the log entry, None for a shop switched off.

    An order that the shop does not list is a tombstone only after a 404 of its own. One that we lack is fetched, unless
    only a part of the shop's history was ever read. Goes on at the month where a run before it ended; fifty orders are
    a transaction. Raises AlreadyRunning, ShoptetError, CursorLost, SyncPaused after about `most_details` orders.
    """
    shop = selectors.get_shop(shop_id)
    if not shop.is_active:
        return None
    with open_run(shop=shop, cursor=CURSOR, kind=KIND, runner=Runner(holder, trigger, job_id)) as run:
        with connect(shop) as client, ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="shoptet") as pool:
            _Reconciliation(run, client, pool, report, most_details).reconcile()
        finish_run(run)
    return run.execution


def rehearse_reconciliation(*, shop_id: int, report: Report) -> Rehearsal:
    """Count what a reconciliation would do, each deletion confirmed by the order's 404; write nothing."""
    shop, found = selectors.get_shop(shop_id), Rehearsal()
    with connect(shop) as client, ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="shoptet") as pool:
        counted: set[str] = set()  # months overlap
        for difference in _Comparison(shop, client, report).differences(since=None):
            missing = [code for code in difference.missing if code not in counted]
            found.to_delete += sum(answer.data is None for answer in pool.map(client.order, missing))
            found.to_fetch += len(set(difference.changed) - counted)
            counted.update(missing, difference.changed)
    return found


@dataclass
class _Comparison:
    """The shop's list beside our orders; reads only."""

    shop: Shop
    client: ShoptetClient
    report: Report
    keep_hold: Callable[[], None] = lambda: None
    done: int = 0
    is_by_month: bool = True

    def differences(self, *, since: datetime | None) -> Iterator[Difference]:
        """Yield what differs, month by month from `since`, then in orders of no known time; ends are in `read_to`."""
        until = clock.now()
        self.is_whole = selectors.has_whole_history(shop_id=self.shop.pk)
        self.total = order_selectors.living_orders(channel_id=self.shop.channel_id).count()
        for window in self._windows(since, until):
            self.read_to = window.changed_to
            yield self._compare(window)
        self.is_by_month = False
        for codes in self._timeless(until):
            yield self._compare_codes(codes)

    def _windows(self, since: datetime | None, until: datetime) -> Iterator[domain.Window]:
        oldest = order_selectors.oldest_order_at(channel_id=self.shop.channel_id)
        if since is None and self.is_whole:
            yield domain.Window(None, min(oldest or until, until))
        yield from domain.months(since=since or oldest or until, until=until)

    def _compare(self, window: domain.Window) -> Difference:
        listed = self._listed(window)
        stored = order_selectors.stored_versions(channel_id=self.shop.channel_id, codes=listed)
        changed = [
            row.code
            for row in listed.values()
            if domain.needs_detail(row, stored.get(row.code)) and (self.is_whole or row.code in stored)
        ]
        ours = order_selectors.codes_made_between(
            channel_id=self.shop.channel_id, since=window.changed_from, until=window.changed_to
        )
        return Difference(changed, [code for code in ours if code not in listed])

    def _listed(self, window: domain.Window) -> dict[str, domain.ListedOrder]:
        for _pass in range(MAX_PASSES):
            listed: dict[str, domain.ListedOrder] = {}
            if self._list_once(window, listed):
                return listed
        raise TemporaryShoptetError(_("The shop's list of orders kept changing while it was read."))

    def _list_once(self, window: domain.Window, listed: dict[str, domain.ListedOrder]) -> bool:
        """Return whether the list stood still while it was read."""
        totals, unreadable, number, page_count = set(), 0, 1, 1
        while number <= page_count:
            page = self.client.orders_made(window=window, page=number)
            if page is None:
                return False
            rows, bad = readable_rows(page)
            listed.update((row.code, row) for row in rows)
            totals.add(page.total_count)
            unreadable += bad
            self._tell(len(rows))
            number, page_count = number + 1, page.page_count if page.rows else 0
        return len(totals) == 1 and len(listed) + unreadable >= max(totals)

    def _tell(self, rows: int) -> None:
        self.keep_hold()
        self.done += rows
        self.report(min(self.done, self.total), self.total, _("orders compared"))

    def _timeless(self, until: datetime) -> Iterator[list[str]]:
        """Yield the codes of orders that no month has, fifty at a time."""
        timeless, after = order_selectors.timeless_orders(channel_id=self.shop.channel_id, after=until), 0
        while rows := list(timeless.filter(id__gt=after).order_by("id").values_list("id", "code")[:CODES_AT_ONCE]):
            after = rows[-1][0]
            yield [code for _id, code in rows]

    def _compare_codes(self, codes: Sequence[str]) -> Difference:
        told = {row.code: row for row in self.client.orders_of(codes)}
        stored = order_selectors.stored_versions(channel_id=self.shop.channel_id, codes=codes)
        self._tell(len(codes))
        changed = [code for code in codes if code in told and domain.needs_detail(told[code], stored.get(code))]
        return Difference(changed, [code for code in codes if code not in told])


def readable_rows(page: domain.Page) -> tuple[list[domain.ListedOrder], int]:
    """Return a page's rows, and how many of them name no order."""
    rows = []
    for row in page.rows:
        try:
            rows.append(domain.read_listed(row))
        except (UnreadableOrder, RecursionError):
            continue
    return rows, len(page.rows) - len(rows)


@dataclass
class _Reconciliation:
    run: Run
    client: ShoptetClient
    pool: ThreadPoolExecutor
    report: Report
    most_details: int | None
    asked: set[str] = field(default_factory=set)

    def reconcile(self) -> None:
        comparison = _Comparison(self.run.shop, self.client, self.report, self._keep_hold)
        for difference in comparison.differences(since=self._goes_on_at()):
            self._settle([*difference.changed, *difference.missing])
            self._note(comparison)
        kind = ParkedRecord.Kind.ORDER
        parked = selectors.retryable_codes(shop_id=self.run.shop.pk, kind=kind, left_out=self.asked)
        self._settle(parked[:MAX_PARKED_RETRIES])

    def _goes_on_at(self) -> datetime | None:
        """Return up to when orders are compared already, by this run before a pause or by one that failed."""
        entry = self.run.execution
        if entry.window_to is None:
            before = selectors.pipeline_log(shop_id=self.run.shop.pk).filter(kind=KIND).exclude(id=entry.pk).first()
            is_unfinished = before and before.status == executions.Status.ERROR
            if before and is_unfinished and before.started_at > clock.now() - GOES_ON_FOR:
                return before.window_to
        return entry.window_to

    def _settle(self, codes: Collection[str]) -> None:
        wanted = [code for code in codes if code not in self.asked]
        for start in range(0, len(wanted), CODES_AT_ONCE):
            chunk = wanted[start : start + CODES_AT_ONCE]
            self.asked |= set(chunk)
            found = read_details(request_details(client=self.client, pool=self.pool, codes=chunk), shop=self.run.shop)
            with transaction.atomic():
                self._keep_hold()
                executions.note_progress(self.run.execution, **store_details(shop=self.run.shop, found=found))

    def _note(self, comparison: _Comparison) -> None:
        """Write down how far orders are compared; stop there when this run has done its share."""
        with transaction.atomic():
            self._keep_hold()
            SnapshotExecution.objects.filter(id=self.run.execution.pk).update(
                window_to=comparison.read_to, listed=comparison.done
            )
        is_enough = self.most_details is not None and len(self.asked) >= self.most_details
        if is_enough and comparison.is_by_month:  # the rest has no place to go on at
            raise SyncPaused

    def _keep_hold(self) -> None:
        with transaction.atomic():
            cursors.keep_cursor(self.run.hold)

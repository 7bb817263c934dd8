"""Registered customers: what the shop's log of changes tells of, the first time its whole list."""

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from modules.customers import selectors as customer_selectors
from modules.customers import services as customer_services
from modules.customers.domain import ProfileFacts
from modules.kernel import clock
from modules.orders.domain import UnreadableOrder
from modules.shoptet import domain, selectors
from modules.shoptet.clients import CONNECTIONS, ShoptetClient, TemporaryShoptetError
from modules.shoptet.models import ParkedRecord, SnapshotExecution
from modules.shoptet.services import _cursors as cursors
from modules.shoptet.services import _executions as executions
from modules.shoptet.services._details import CODES_AT_ONCE
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

CURSOR = "customers.change_time"
KIND = SnapshotExecution.Kind.CUSTOMERS_INCREMENTAL
PARKED = ParkedRecord.Kind.CUSTOMER

AskPage = Callable[[int], tuple[domain.Page | None, datetime]]


def fetch_new_customers(
    *,
    shop_id: int,
    holder: str,
    report: Report,
    trigger: str = SnapshotExecution.Trigger.SCHEDULE,
    job_id: UUID | None = None,
    most_details: int | None = None,
) -> SnapshotExecution | None:
    """Bring a shop's new and changed customers in; return the log entry, None for a shop switched off.

    A customer that the shop deleted stays: the orders are still somebody's. Fifty are a transaction, the cursor moves
    at the end: safe to kill and to repeat. Raises AlreadyRunning, ShoptetError, CursorLost, SyncPaused after about
    `most_details` customers.
    """
    shop = selectors.get_shop(shop_id)
    if not shop.is_active:
        return None
    with open_run(shop=shop, cursor=CURSOR, kind=KIND, runner=Runner(holder, trigger, job_id)) as run:
        with connect(shop) as client, ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="shoptet") as pool:
            position_at = _CustomerReading(run, client, pool, report, most_details).read()
        finish_run(run, position_at=position_at)
    return run.execution


@dataclass
class _CustomerReading:
    run: Run
    client: ShoptetClient
    pool: ThreadPoolExecutor
    report: Report
    most_details: int | None
    asked: set[str] = field(default_factory=set)

    def read(self) -> datetime:
        """Return the shop's time when the reading began: changes up to then are in."""
        ask, self.hopeless = self._asking(), self._set_aside_before_the_pause()
        for _pass in range(MAX_PASSES):
            began_at = self._take_pass(ask)
            if began_at:
                self._retry_parked()
                return began_at
        raise TemporaryShoptetError(_("The shop's list of customers kept changing while it was read."))

    def _asking(self) -> AskPage:
        """Return how a page is asked for: of changes, or of everybody where the log does not reach back so far."""
        position_at = self.run.hold.position_at
        oldest = clock.now() - timedelta(days=domain.CHANGE_LOG_DAYS - 1)
        if position_at is None or position_at - domain.OVERLAP < oldest:
            return lambda number: self.client.customer_page(page=number)
        since = position_at - domain.OVERLAP
        return lambda number: self.client.customer_changes_page(since=since, page=number)

    def _set_aside_before_the_pause(self) -> set[str]:
        """Return who could not be read since this entry began: asked again now, a run would never get past them."""
        since = self.run.execution.started_at
        return selectors.codes_set_aside_since(shop_id=self.run.shop.pk, kind=PARKED, since=since)

    def _take_pass(self, ask: AskPage) -> datetime | None:
        """Return None when the list did not stand still while it was read."""
        began_at, totals, rows, number, page_count = None, set(), 0, 1, 1
        while number <= page_count:
            page, at = ask(number)
            if page is None:
                return None
            began_at = began_at or at
            totals.add(page.total_count)
            rows += len(page.rows)
            self._take_page(page)
            self._go_on(rows, page.total_count)
            number, page_count = number + 1, page.page_count if page.rows else 0
        return began_at if len(totals) == 1 and rows >= max(totals) else None

    def _take_page(self, page: domain.Page) -> None:
        listed = [row for row in map(_read_listed, page.rows) if row]
        stored = customer_selectors.account_versions(
            channel_id=self.run.shop.channel_id, guids=[row.guid for row in listed]
        )
        self._take([row.guid for row in listed if self._is_wanted(row, stored)])

    def _is_wanted(self, row: domain.ListedCustomer, stored: dict[str, datetime | None]) -> bool:
        """Say whether a customer is new, changed, or did so in the second of the last reading or after."""
        position_at = self.run.hold.position_at
        if row.is_deleted:
            return False
        if row.guid not in stored or stored[row.guid] != row.changed_at:
            return True
        return bool(position_at and row.changed_at and row.changed_at >= position_at)

    def _take(self, guids: Collection[str]) -> None:
        wanted = [guid for guid in guids if guid not in self.asked and guid not in self.hopeless]
        for start in range(0, len(wanted), CODES_AT_ONCE):
            chunk = wanted[start : start + CODES_AT_ONCE]
            self.asked |= set(chunk)
            answers = dict(zip(chunk, self.pool.map(self.client.customer, chunk), strict=True))
            profiles, unreadable = _read_answers({guid: answer.data for guid, answer in answers.items()})
            self._store(profiles, unreadable, asked=chunk)

    def _store(
        self, profiles: Sequence[ProfileFacts], unreadable: Sequence[executions.Unreadable], *, asked: Sequence[str]
    ) -> None:
        shop, now = self.run.shop, clock.now()
        with transaction.atomic():
            cursors.keep_cursor(self.run.hold)
            result = customer_services.import_profiles(channel_id=shop.channel_id, profiles=profiles, now=now)
            bad = {record.code for record in unreadable}
            executions.resolve_parked(shop=shop, kind=PARKED, codes=[guid for guid in asked if guid not in bad], at=now)
            executions.park_records(shop=shop, kind=PARKED, records=unreadable, at=now)
            created, fetched = result.customers_created, len(asked)
            executions.note_progress(
                self.run.execution,
                fetched=fetched,
                created=created,
                updated=len(profiles) - created,
                parked=len(unreadable),
            )

    def _go_on(self, done: int, total: int) -> None:
        cursors.keep_cursor(self.run.hold)
        SnapshotExecution.objects.filter(id=self.run.execution.pk).update(listed=total)
        self.report(min(done, total), total, _("customers read"))
        if self.most_details is not None and len(self.asked) >= self.most_details:
            raise SyncPaused

    def _retry_parked(self) -> None:
        guids = selectors.retryable_codes(shop_id=self.run.shop.pk, kind=PARKED, left_out=self.asked)
        self._take(list(guids[:MAX_PARKED_RETRIES]))


def _read_listed(row: object) -> domain.ListedCustomer | None:
    """Return None for a row without a GUID: nobody can be asked for by it."""
    try:
        return domain.read_listed_customer(row)
    except (UnreadableOrder, RecursionError):
        return None


def _read_answers(records: dict[str, object]) -> tuple[list[ProfileFacts], list[executions.Unreadable]]:
    """Return profiles and what is none; who is gone (None) is in neither."""
    profiles, unreadable = [], []
    for guid, record in records.items():
        try:
            profiles += list(_read_profile(guid, record))
        except (UnreadableOrder, RecursionError) as error:
            unreadable.append(executions.Unreadable(guid, domain.raw_text(record), str(error)))
    return profiles, unreadable


def _read_profile(guid: str, record: object) -> Iterator[ProfileFacts]:
    if record is None:
        return
    profile = domain.read_customer(record)
    if profile.guid != guid:
        raise UnreadableOrder("guid", f"asked for {guid!r}, the shop answered with {profile.guid!r}")
    yield profile

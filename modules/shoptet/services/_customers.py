"""Registered customers: what the shop's log of changes tells of, the first time its whole list."""

from collections.abc import Callable, Collection, Iterator, Mapping
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
from modules.shoptet.clients import CONNECTIONS, Answer, ShoptetClient, TemporaryShoptetError
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution
from modules.shoptet.services import _cursors as cursors
from modules.shoptet.services import _executions as executions
from modules.shoptet.services._details import CODES_AT_ONCE
from modules.shoptet.services._patience import collect
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

    A customer that the shop deleted, confirmed by a 404 of their own, stays as far as orders tell of them. Fifty are a
    transaction, the cursor moves at the end: safe to kill and to repeat. Raises AlreadyRunning, ShoptetError,
    CursorLost, SyncPaused after about `most_details` customers.
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
        since, self.hopeless = self._since(), self._set_aside_before_the_pause()
        for _pass in range(MAX_PASSES):
            self.listed: set[str] = set()
            began_at = self._take_pass(self._asking(since))
            if began_at:
                if since is None:
                    self._take_missing()
                self._retry_parked()
                return began_at
        raise TemporaryShoptetError(_("The shop's list of customers kept changing while it was read."))

    def _since(self) -> datetime | None:
        """Return from when on changes are asked for; None for everybody where the log does not reach back so far."""
        position_at = self.run.hold.position_at
        oldest = clock.now() - timedelta(days=domain.CHANGE_LOG_DAYS - 1)
        if position_at is None or position_at - domain.OVERLAP < oldest:
            return None
        return position_at - domain.OVERLAP

    def _asking(self, since: datetime | None) -> AskPage:
        """Return how a page is asked for."""
        if since is None:
            return lambda number: self.client.customer_page(page=number)
        return lambda number: self.client.customer_changes_page(since=since, page=number)

    def _take_missing(self) -> None:
        """Ask for those whom we have and the whole list has not: the shop deleted them, or their orders name nobody."""
        ours = customer_selectors.living_accounts(channel_id=self.run.shop.channel_id)
        self._take([guid for guid in ours if guid not in self.listed])

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
        self.listed |= {row.guid for row in listed}
        stored = customer_selectors.account_versions(
            channel_id=self.run.shop.channel_id, guids=[row.guid for row in listed]
        )
        self._take([row.guid for row in listed if self._is_wanted(row, stored)])

    def _is_wanted(self, row: domain.ListedCustomer, stored: dict[str, customer_selectors.AccountVersion]) -> bool:
        """Say whether a customer is new, changed, gone, or changed in the second of the last reading or after."""
        position_at, ours = self.run.hold.position_at, stored.get(row.guid)
        if row.is_deleted:
            return ours is not None and not ours.is_deleted
        if ours is None or ours.is_deleted or ours.changed_at != row.changed_at:
            return True
        return bool(position_at and row.changed_at and row.changed_at >= position_at)

    def _take(self, guids: Collection[str]) -> None:
        wanted = [guid for guid in guids if guid not in self.asked and guid not in self.hopeless]
        for start in range(0, len(wanted), CODES_AT_ONCE):
            chunk = wanted[start : start + CODES_AT_ONCE]
            self.asked |= set(chunk)
            answers = dict(zip(chunk, self.pool.map(self.client.customer, chunk), strict=True))
            self._store(answers)

    def _store(self, answers: Mapping[str, Answer]) -> None:
        with transaction.atomic():
            cursors.keep_cursor(self.run.hold)
            executions.note_progress(self.run.execution, **_store_answers(self.run.shop, answers))

    def _go_on(self, done: int, total: int) -> None:
        cursors.keep_cursor(self.run.hold)
        SnapshotExecution.objects.filter(id=self.run.execution.pk).update(listed=total)
        self.report(min(done, total), total, _("customers read"))
        if self.most_details is not None and len(self.asked) >= self.most_details:
            raise SyncPaused

    def _retry_parked(self) -> None:
        guids = selectors.retryable_codes(shop_id=self.run.shop.pk, kind=PARKED, left_out=self.asked)
        self._take(list(guids[:MAX_PARKED_RETRIES]))


def _store_answers(shop: Shop, answers: Mapping[str, Answer]) -> dict[str, int]:
    """Store what came, in the caller's transaction; return the counts of a log entry. Safe to repeat."""
    profiles, unreadable = _read_answers({guid: answer.data for guid, answer in answers.items()})
    gone, now = [guid for guid, answer in answers.items() if answer.data is None], clock.now()
    result = customer_services.import_profiles(channel_id=shop.channel_id, profiles=profiles, now=now)
    deleted = gone and customer_services.mark_accounts_deleted(channel_id=shop.channel_id, guids=gone, deleted_at=now)
    bad = {record.code for record in unreadable}
    executions.resolve_parked(shop=shop, kind=PARKED, codes=[guid for guid in answers if guid not in bad], at=now)
    executions.park_records(shop=shop, kind=PARKED, records=unreadable, at=now)
    created = result.customers_created
    return {
        "fetched": len(answers),
        "created": created,
        "updated": len(profiles) - created,
        "deleted": deleted or 0,
        "parked": len(unreadable),
    }


def catch_up_customer_deletions(*, shop_id: int, since: datetime) -> None:
    """Find whom the shop deleted since a snapshot was made: its file brought them in as if they were there.

    Each is confirmed by a 404 of their own. Safe to repeat. Raises ShoptetError.
    """
    shop = selectors.get_shop(shop_id)
    since = max(since, clock.now() - timedelta(days=domain.CHANGE_LOG_DAYS - 1))
    with connect(shop) as client, ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="shoptet") as pool:
        guids = list(dict.fromkeys(_deleted_since(client, since)))
        for start in range(0, len(guids), CODES_AT_ONCE):
            chunk = guids[start : start + CODES_AT_ONCE]
            stored = customer_selectors.account_versions(channel_id=shop.channel_id, guids=chunk)
            alive = [guid for guid in chunk if guid in stored and not stored[guid].is_deleted]
            with transaction.atomic():
                _store_answers(shop, collect({guid: pool.submit(client.customer, guid) for guid in alive}))


def _deleted_since(client: ShoptetClient, since: datetime) -> Iterator[str]:
    number, page_count = 1, 1
    while number <= page_count:
        page, _at = client.customer_changes_page(since=since, page=number)
        if page is None:
            return
        yield from (row.guid for row in map(_read_listed, page.rows) if row and row.is_deleted)
        number, page_count = number + 1, page.page_count if page.rows else 0


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

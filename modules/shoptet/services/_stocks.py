"""What is in stock: a change of it changes no product, so that it is read by itself.

Once a day all of it, because what orders claim and where a thing lies makes no movement; else the movements since.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from modules.inventory import services as inventory_services
from modules.inventory.domain import LevelFacts
from modules.kernel import clock
from modules.orders.domain import UnreadableOrder
from modules.shoptet import domain, selectors
from modules.shoptet.clients import ShoptetClient, TemporaryShoptetError
from modules.shoptet.models import ParkedRecord, SnapshotExecution
from modules.shoptet.services import _cursors as cursors
from modules.shoptet.services import _executions as executions
from modules.shoptet.services._runs import MAX_PASSES, Report, Run, Runner, finish_run, open_run
from modules.shoptet.services._shops import connect

CURSOR = (
    "stocks.movements"  # `position_at`: the last complete reading; of each stock a row of its own tells its last id
)
KIND = SnapshotExecution.Kind.STOCKS
PARKED = ParkedRecord.Kind.STOCK
COMPLETE_EVERY = timedelta(days=1)
LEVELS_AT_ONCE = 1_000


def fetch_stocks(
    *,
    shop_id: int,
    holder: str,
    report: Report,
    trigger: str = SnapshotExecution.Trigger.SCHEDULE,
    job_id: UUID | None = None,
    is_complete: bool = False,
) -> SnapshotExecution | None:
    """Bring stock to what the shop has; return the log entry, None for a shop switched off.

    The movements since the last reading; once a day, or with `is_complete`, every variant of every stock, and what is
    in none is dropped; stocks that the shop never told of are another source's. A thousand levels are a transaction:
    safe to kill and to repeat, amounts are absolute. Raises AlreadyRunning, ShoptetError, CursorLost. Source: seed 1,
    and the vendor's advice to go by `lastId`.
    """
    shop = selectors.get_shop(shop_id)
    if not shop.is_active:
        return None
    started_at = clock.now()
    with open_run(shop=shop, cursor=CURSOR, kind=KIND, runner=Runner(holder, trigger, job_id)) as run:
        complete_at = run.hold.position_at
        is_due = is_complete or complete_at is None or complete_at < started_at - COMPLETE_EVERY
        with connect(shop) as client:
            _StockReading(run, client, report).read(is_complete=is_due)
        finish_run(run, position_at=started_at if is_due else None)
    return run.execution


@dataclass
class _StockReading:
    run: Run
    client: ShoptetClient
    report: Report
    done: int = 0

    def read(self, *, is_complete: bool) -> None:
        stocks, present = self.client.stocks(), set()
        for stock_id in stocks:
            last_id = cursors.last_id(shop=self.run.shop, name=_cursor_of(stock_id))
            if is_complete or last_id is None:
                present |= self._take_supplies(stock_id)
            else:
                self._take_movements(stock_id, last_id)
        if is_complete:
            self._drop_others(present)

    def _take_supplies(self, stock_id: int) -> set[tuple[str, str]]:
        """Store a whole stock; return (code, stock) of what it has. Movements made meanwhile come again: no harm."""
        last_id = self.client.last_movement_id(stock_id)
        for _pass in range(MAX_PASSES):
            present = self._take_pass(stock_id)
            if present is not None:
                self._note_last_id(stock_id, last_id)
                return present
        raise TemporaryShoptetError(_("The shop's list of stock kept changing while it was read."))

    def _take_pass(self, stock_id: int) -> set[tuple[str, str]] | None:
        """Return None when the list did not stand still while it was read: a row may have shifted past the reader."""
        present, totals, rows = set(), set(), 0
        for page in self._pages(lambda number: self.client.supplies_page(stock_id, page=number)):
            levels = self._read(page.rows, stock_id)
            with transaction.atomic():
                self._store(levels)
            present |= {(level.code, level.stock) for level in levels}
            totals.add(page.total_count)
            rows += len(page.rows)
            self._tell(len(page.rows), page.total_count)
        return present if len(totals) == 1 and rows >= max(totals) else None

    def _pages(self, ask: Callable[[int], domain.Page | None]) -> Iterator[domain.Page]:
        number, page_count = 1, 1
        while number <= page_count and (page := ask(number)):
            yield page
            number, page_count = number + 1, page.page_count if page.rows else 0

    def _read(self, rows: Iterable[object], stock_id: int) -> list[LevelFacts]:
        """Return the levels of a page; a variant whose stock nobody counts has none."""
        levels, unreadable = [], []
        for row in rows:
            try:
                level = domain.read_supply(row, stock=str(stock_id))
            except (UnreadableOrder, RecursionError) as error:
                unreadable.append(_unreadable(row, error))
            else:
                levels += [level] if level else []
        self._park(unreadable)
        return levels

    def _take_movements(self, stock_id: int, last_id: int) -> None:
        """Store what each variant had after its last movement.

        Every page begins after the same id, and the cursor moves after all of them: however the shop sorts them.
        """
        amounts: dict[str, domain.Movement] = {}
        newest_id, seen, total = last_id, 0, 0
        for page in self._pages(lambda number: self.client.movements_page(stock_id, last_id=last_id, page=number)):
            movements = self._read_movements(page.rows)
            for movement in movements:
                newest_id = max(newest_id, movement.id)
                if movement.id >= amounts.get(movement.code, movement).id:
                    amounts[movement.code] = movement
            total, seen = max(total, page.total_count), seen + len(page.rows)
            self._tell(len(page.rows), page.total_count)
        if seen < total:
            raise TemporaryShoptetError(_("The shop's list of stock kept changing while it was read."))
        self._store_movements(stock_id, list(amounts.values()))
        if newest_id != last_id:
            self._note_last_id(stock_id, newest_id)

    def _read_movements(self, rows: Iterable[object]) -> list[domain.Movement]:
        movements, unreadable = [], []
        for row in rows:
            try:
                movements.append(domain.read_movement(row))
            except (UnreadableOrder, RecursionError) as error:
                unreadable.append(_unreadable(row, error))
        self._park(unreadable)
        return movements

    def _store_movements(self, stock_id: int, movements: Sequence[domain.Movement]) -> None:
        counted = iter([movement for movement in movements if movement.amount is not None])
        while chunk := list(islice(counted, LEVELS_AT_ONCE)):
            amounts = {movement.code: movement.amount for movement in chunk if movement.amount is not None}
            with transaction.atomic():
                cursors.keep_cursor(self.run.hold)
                changed = inventory_services.set_amounts(
                    channel_id=self.run.shop.channel_id, stock=str(stock_id), amounts=amounts, now=clock.now()
                )
                executions.note_progress(self.run.execution, updated=changed)

    def _store(self, levels: Sequence[LevelFacts]) -> None:
        cursors.keep_cursor(self.run.hold)
        changed = inventory_services.import_levels(channel_id=self.run.shop.channel_id, levels=levels, now=clock.now())
        executions.note_progress(self.run.execution, updated=changed)

    def _drop_others(self, present: set[tuple[str, str]]) -> None:
        """Drop what is in no stock any more; what was set aside before and is not again was read, or is gone.

        Of the stocks that the shop ever told of: one that it has given up is empty.
        """
        names = cursors.names(shop=self.run.shop, beginning=_cursor_of(""))
        stocks = {name.removeprefix(_cursor_of("")) for name in names}
        with transaction.atomic():
            cursors.keep_cursor(self.run.hold)
            dropped = inventory_services.drop_levels(channel_id=self.run.shop.channel_id, stocks=stocks, kept=present)
            executions.note_progress(self.run.execution, deleted=dropped)
            parked = selectors.open_parked_records(shop_id=self.run.shop.pk, kind=PARKED)
            parked.filter(attempted_at__lt=self.run.execution.started_at).update(resolved_at=clock.now())

    def _note_last_id(self, stock_id: int, last_id: int) -> None:
        with transaction.atomic():
            cursors.keep_cursor(self.run.hold)
            cursors.note_last_id(shop=self.run.shop, name=_cursor_of(stock_id), last_id=last_id)

    def _park(self, unreadable: Sequence[executions.Unreadable]) -> None:
        if unreadable:
            executions.park_records(shop=self.run.shop, kind=PARKED, records=unreadable, at=clock.now())
            executions.note_progress(self.run.execution, parked=len(unreadable))

    def _tell(self, rows: int, total: int) -> None:
        cursors.keep_cursor(self.run.hold)
        self.done += rows
        executions.note_progress(self.run.execution, listed=rows)
        self.report(self.done, max(self.done, total), _("rows of stock read"))


def _cursor_of(stock_id: int | str) -> str:
    return f"{CURSOR}:{stock_id}"


def _unreadable(row: object, error: Exception) -> executions.Unreadable:
    raw = domain.raw_text(row)
    return executions.Unreadable(domain.nameless_code(raw.encode()), raw, str(error))

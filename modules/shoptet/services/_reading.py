"""What every incremental reading of a shop does, whatever it reads."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from django.utils.translation import gettext as _

from modules.kernel import clock
from modules.orders.domain import UnreadableOrder
from modules.shoptet import domain, selectors
from modules.shoptet.clients import ShoptetClient
from modules.shoptet.models import Shop, SnapshotExecution
from modules.shoptet.services import _cursors as cursors
from modules.shoptet.services import _executions as executions
from modules.shoptet.services._shops import describe_shop

DESCRIBE_EVERY = timedelta(days=1)

logger = logging.getLogger(__name__)


class Reading:
    """One reading of one shop's changes, under a hold on its cursor."""

    parked_kind: ClassVar[str]  # of what it sets aside

    shop: Shop
    hold: cursors.Hold
    execution: SnapshotExecution
    client: ShoptetClient
    hopeless: set[str]

    def run(self, *, fallback_lookback_hours: int | None) -> datetime:
        """Read everything that changed, and return up to when; raises ShoptetError, SyncPaused, CursorLost."""
        raise NotImplementedError

    def set_aside_before_the_pause(self) -> set[str]:
        """Return what could not be read since this entry began: asked again now, a run would never get past it."""
        since = self.execution.started_at
        return selectors.codes_set_aside_since(shop_id=self.shop.pk, kind=self.parked_kind, since=since)

    def describe(self) -> datetime | None:
        """Read the shop's settings daily, and when it is new; return the shop's time if it was asked."""
        due = clock.now() - DESCRIBE_EVERY
        if self.hold.position_at and self.shop.described_at and self.shop.described_at > due:
            return None
        facts, at = self.client.eshop()
        describe_shop(shop=self.shop, facts=facts, described_at=clock.now())
        return at

    def open_window(self, *, shop_time: datetime | None, fallback_lookback_hours: int | None) -> domain.Window:
        """Return which changes to ask for, and note it in the log entry."""
        window = domain.plan_window(
            position_at=self.hold.position_at,
            shop_time=shop_time or clock.now(),
            fallback_lookback_hours=fallback_lookback_hours,
        )
        self.execution.window_from, self.execution.window_to = window.changed_from, window.changed_to
        self.execution.save(update_fields=["window_from", "window_to"])
        return window

    def deletions_since(self, since: datetime) -> datetime:
        """Return from when on deletions can be asked for; warns when that is later than `since`."""
        oldest = clock.now() - timedelta(days=domain.CHANGE_LOG_DAYS - 1)
        if since >= oldest:
            return since
        warning = _("The shop remembers deletions for 30 days only; older ones may have been missed.")
        logger.warning("Shop %s: %s", self.shop.pk, warning)
        self.execution.warning = warning
        self.execution.save(update_fields=["warning"])
        return oldest

    def park(self, records: Sequence[executions.Unreadable]) -> None:
        """Set aside rows that could not even be read in the list."""
        if records:
            parked = executions.park_records(shop=self.shop, kind=self.parked_kind, records=records, at=clock.now())
            executions.note_progress(self.execution, parked=parked)


def read_rows(page: domain.Page, *, key: str = "code") -> tuple[list[domain.ListedOrder], list[executions.Unreadable]]:
    """Return the rows of a page, known by their `key`, and those that have none."""
    rows, unreadable = [], []
    for row in page.rows:
        try:
            rows.append(domain.read_listed(row, key=key))
        except (UnreadableOrder, RecursionError) as error:
            unreadable.append(executions.Unreadable("", domain.raw_text(row), str(error)))
    return rows, unreadable

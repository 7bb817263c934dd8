"""Everybody's week is dealt with once: mailed where there is something to tell, noted where there is not."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import translation
from django.utils.formats import date_format

from modules.notifications import selectors as notification_selectors
from modules.notifications import services as notification_services
from modules.notifications.services import Mail
from modules.reports import selectors
from modules.reports.domain import Summary, Turn
from modules.reports.models import SummaryReceipt, WeeklySummary
from modules.reports.selectors import Reader, Who

log = logging.getLogger(__name__)
Report = Callable[[int], None]
Outcome = WeeklySummary.Outcome
PRUNED_AT_ONCE = 1_000


class NoAddresses(Exception):
    """No mail can be written: it would lead nowhere. DIARY_URL or PUBLIC_URL is not set."""


@dataclass(frozen=True)
class Sent:
    """How many summaries a run mailed, its earlier starts included, and how many it did not and why."""

    mailed: int = 0
    empty: int = 0
    unreachable: int = 0


def send_summaries(*, run: UUID, cron: str, late_hours: int, limit: int, now: datetime, report: Report) -> Sent:
    """Mail members in scope their last week, if their clock has come to `cron` in the last `late_hours`.

    `limit` people in a transaction of mark, mail and receipt, until there are none: killed in between, the next run
    goes on with the others. Two at once take different people. Raises NoAddresses before anybody is marked.
    """
    _require_addresses()
    for turn, names in selectors.due_turns(cron=cron, late_hours=late_hours, now=now).items():
        while count := _send_batch(turn, names, run=run, limit=limit, now=now):
            report(count)
    SummaryReceipt.objects.filter(run=run).update(finished_at=now)
    receipt = SummaryReceipt.objects.filter(run=run).first()
    return Sent(receipt.mailed, receipt.empty, receipt.unreachable) if receipt else Sent()


def count_summaries(*, cron: str, late_hours: int, limit: int, now: datetime) -> int:
    """Return how many summaries `send_summaries` would mail; nothing changes. Raises NoAddresses."""
    _require_addresses()
    total = 0
    for turn, names in selectors.due_turns(cron=cron, late_hours=late_hours, now=now).items():
        last_id = 0
        while readers := selectors.due_readers(turn, zone_names=names, limit=limit, after=last_id):
            summaries = selectors.summaries_of(readers, turn, now=now)
            total += sum(bool(reader.email) and summaries[reader.who].has_news for reader in readers)
            last_id = readers[-1].number
    return total


def prune_summaries(*, before: datetime) -> int:
    """Forget at most 1,000 marks and as many receipts in scope from before that; return how many marks went."""
    old = WeeklySummary.objects.filter(created_at__lt=before).order_by("created_at").values("pk")[:PRUNED_AT_ONCE]
    gone = WeeklySummary.objects.filter(pk__in=old).delete()[0]
    receipts = SummaryReceipt.objects.filter(started_at__lt=before).order_by("pk").values("pk")[:PRUNED_AT_ONCE]
    SummaryReceipt.objects.filter(pk__in=receipts).delete()
    return gone


def _require_addresses() -> None:
    if not (settings.DRAFTS["APP_URL"] and settings.NOTIFICATIONS["PUBLIC_URL"]):
        raise NoAddresses("Set DIARY_URL and PUBLIC_URL: a summary names where to open the diary and how to stop it.")


@transaction.atomic
def _send_batch(turn: Turn, names: Sequence[str], *, run: UUID, limit: int, now: datetime) -> int:
    """Deal with the next people of a zone; return how many were looked at, 0 at the end."""
    readers = selectors.due_readers(turn, zone_names=names, limit=limit)
    taken = _take(readers, turn, run=run, now=now)
    mine = [reader for reader in readers if reader.who in taken]
    if mine:
        summaries = selectors.summaries_of(mine, turn, now=now)
        outcomes = _deal_with(mine, summaries, turn)
        _note(taken, outcomes, run=run, now=now)
    return len(readers)


def _take(readers: Sequence[Reader], turn: Turn, *, run: UUID, now: datetime) -> dict[Who, int]:
    """Mark the people, but not those whom another run has marked; return the marks that are ours by person."""
    marks = [
        WeeklySummary(
            tenant_id=reader.who.tenant_id,
            user_id=reader.who.user_id,
            week=turn.week,
            zone=turn.zone,
            due_at=turn.due_at,
            run=run,
            created_at=now,
        )
        for reader in readers
    ]
    WeeklySummary.objects.bulk_create(marks, ignore_conflicts=True)
    ours = WeeklySummary.objects.filter(run=run, outcome=Outcome.TAKEN)
    return {Who(tenant_id, user_id): pk for pk, tenant_id, user_id in ours.values_list("pk", "tenant_id", "user_id")}


def _note(taken: dict[Who, int], outcomes: dict[Who, Outcome], *, run: UUID, now: datetime) -> None:
    SummaryReceipt.objects.get_or_create(run=run, defaults={"started_at": now})
    found = {outcome: [taken[who] for who, was in outcomes.items() if was == outcome] for outcome in Outcome}
    for outcome in (Outcome.MAILED, Outcome.EMPTY, Outcome.UNREACHABLE):
        WeeklySummary.objects.filter(pk__in=found[outcome]).update(outcome=outcome)
    counts = {name: F(name) + len(found[Outcome(name)]) for name in ("mailed", "empty", "unreachable")}
    SummaryReceipt.objects.filter(run=run).update(**counts)


def _deal_with(readers: Sequence[Reader], summaries: Mapping[Who, Summary], turn: Turn) -> dict[Who, Outcome]:
    """Mail the weeks that have news; say what became of each."""
    mails: dict[int, dict[Who, Mail]] = {}
    outcomes: dict[Who, Outcome] = {}
    for reader in readers:
        outcomes[reader.who] = _outlook(reader, summaries[reader.who])
        if outcomes[reader.who] == Outcome.MAILED:
            mails.setdefault(reader.who.tenant_id, {})[reader.who] = _mail(reader, summaries[reader.who], turn)
    for tenant_id, theirs in mails.items():
        refused = notification_services.send_emails(tenant_id=tenant_id, mails=list(theirs.values()))
        for who in (who for who, mail in theirs.items() if mail.key in refused):
            log.warning("No weekly summary for user %s: %s", who.user_id, refused[theirs[who].key])
            outcomes[who] = Outcome.UNREACHABLE
    return outcomes


def _outlook(reader: Reader, summary: Summary) -> Outcome:
    if not summary.has_news:
        return Outcome.EMPTY
    return Outcome.MAILED if reader.email else Outcome.UNREACHABLE


def _mail(reader: Reader, summary: Summary, turn: Turn) -> Mail:
    locale = reader.locale or notification_selectors.locale_of(None)
    with translation.override(locale):
        start, end = (date_format(day, "SHORT_DATE_FORMAT") for day in (turn.first_day, turn.last_day))
    return Mail(
        key=f"weekly_summary:{reader.who.user_id}:{turn.week}",
        template="weekly_summary",
        to=[reader.email],
        values={
            **summary.values(),
            "name": " ".join(reader.name.split()),
            "start": start,
            "end": end,
            "open_url": f"{settings.DRAFTS['APP_URL']}/",
        },
        user_id=reader.who.user_id,
        locale=locale,
    )

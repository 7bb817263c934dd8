"""How segments, scores and months look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from modules.customers.domain import Segment
from modules.customers.models import CustomerMetrics
from modules.customers.selectors import SegmentTotal
from modules.kernel import clock
from modules.kernel.console import Bar, badge, muted, parted_bar, sparkline

MONTHS = 12


@dataclass(frozen=True)
class Look:
    """A segment's sign, color and what it means, for whoever never heard of RFM."""

    icon: str
    tone: str
    meaning: Any


LOOKS = {
    Segment.CHAMPIONS: Look("workspace_premium", "green", _("bought lately, often, and a lot")),
    Segment.LOYAL: Look("favorite", "blue", _("keep coming back")),
    Segment.PROMISING: Look("trending_up", "violet", _("bought lately, more than once")),
    Segment.NEW: Look("fiber_new", "blue", _("bought lately for the first time")),
    Segment.COOLING: Look("device_thermostat", "amber", _("have not come for a while")),
    Segment.AT_RISK: Look("warning", "red", _("came often, and not for long now")),
    Segment.CANT_LOSE: Look("priority_high", "darkred", _("were among the best, and stay away")),
    Segment.SLEEPING: Look("bedtime", "gray", _("bought little, long ago")),
    Segment.LOST: Look("logout", "gray", _("bought little, longest ago")),
}


def segment_badge(segment: str) -> SafeString:
    """Return a segment as icon, word and color; its meaning when it is pointed at."""
    if not segment:
        return muted("–")
    look = LOOKS[Segment(segment)]
    name = CustomerMetrics.SegmentName(segment).label
    return badge(name, icon=look.icon, tone=look.tone, title=str(look.meaning))


def dots(score: int | None) -> SafeString:
    """Return a score of 1 to 5 as dots that can be counted."""
    if score is None:
        return muted("–")
    return format_html('<span class="bk-nowrap" title="{} / 5">{}{}</span>', score, "●" * score, "○" * (5 - score))


def last_months(now: datetime, count: int) -> list[date]:
    """Return the first days of the last `count` months, this one last."""
    first = now.date().replace(day=1)
    months = [first]
    while len(months) < count:
        months.append((months[-1] - timedelta(days=1)).replace(day=1))
    return months[::-1]


def orders_sparkline(counts: Mapping[date, int]) -> SafeString:
    """Return the orders of the last twelve months as small columns."""
    values = [counts.get(month, 0) for month in last_months(clock.now(), MONTHS)]
    total = sum(values)
    text = ngettext("%(count)s order in 12 months", "%(count)s orders in 12 months", total) % {"count": total}
    return sparkline(values, label=text)


def month_name(month: date) -> str:
    """Return a month in a few letters; January with its year."""
    return date_format(month, "M y" if month.month == 1 else "M")


def segments_panel(totals: Sequence[SegmentTotal], *, currency: str, chosen: str, model: type[Model]) -> dict[str, Any]:
    """Return what the template shows of the segments: who there is, and who brings what."""
    place = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"  # noqa: SLF001 -- Django's public name
    rows = [_row(total, url=f"{reverse(place)}?segment={total.segment}") for total in totals]
    revenue = sum(max(total.revenue, Decimal(0)) for total in totals)
    people = [Bar(row["name"], row["customers"], row["icon"], row["tone"], row["url"]) for row in rows]
    money = [
        Bar(row["name"], int(max(total.revenue, Decimal(0))), row["icon"], row["tone"], row["url"])
        for row, total in zip(rows, totals, strict=True)
    ]
    for row, total in zip(rows, totals, strict=True):
        row["share"] = round(100 * max(total.revenue, Decimal(0)) / revenue) if revenue else 0
        row["is_chosen"] = row["segment"] == chosen
    return {
        "rows": rows,
        "people": parted_bar(people, label=str(_("Customers by segment"))),
        "money": parted_bar(money, label=str(_("Revenue by segment"))),
        "currency": currency,
    }


def _row(total: SegmentTotal, *, url: str) -> dict[str, Any]:
    look = LOOKS[Segment(total.segment)]
    return {
        "segment": total.segment,
        "name": CustomerMetrics.SegmentName(total.segment).label,
        "meaning": look.meaning,
        "icon": look.icon,
        "tone": look.tone,
        "url": url,
        "customers": total.customers,
        "count": number_format(total.customers, force_grouping=True),
    }

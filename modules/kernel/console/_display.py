"""How a state, a time, an amount and a piece of JSON look, the same on every screen. All of it is escaped."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.formats import date_format, number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timezone import get_current_timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from modules.kernel import clock
from modules.kernel.secrets import mask, mask_text

MAX_BLOCK = 20_000  # characters of one block of JSON or text; more than anybody reads


@dataclass(frozen=True)
class Fact:
    """A name and what belongs to it."""

    label: Any
    value: Any


@dataclass(frozen=True)
class Step:
    """A point of a timeline; `at` is None for one that is still to come."""

    label: Any
    icon: str
    tone: str
    at: datetime | None
    note: Any = ""

    @property
    def at_text(self) -> str:
        """Return the time in full, empty for a step to come."""
        return exact(self.at) if self.at else ""


def badge(word: Any, *, icon: str, tone: str, title: str = "") -> SafeString:
    """Return a state as icon, word and color: never color alone."""
    return format_html(
        '<span class="bk-badge bk-{}" title="{}"><span class="material-symbols-outlined" aria-hidden="true">{}</span>'
        "{}</span>",
        *(tone, title, icon, word),
    )


def moment(at: datetime | None, *, now: datetime | None = None) -> SafeString | str:
    """Return a time as its distance from now, with the exact time as its title."""
    if at is None:
        return muted("–")
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), exact(at), _distance(at, now=now))


def long_moment(at: datetime | None, *, timezone: str = "") -> SafeString | str:
    """Return a time in full, in `timezone` or the reader's, with its distance from now."""
    if at is None:
        return muted("–")
    return format_html(
        '<time class="bk-nowrap" datetime="{}">{}</time> <span class="bk-muted bk-nowrap">{}</span>',
        *(at.isoformat(), exact(at, timezone=timezone), _distance(at)),
    )


def exact(at: datetime, *, timezone: str = "") -> str:
    """Return day, second and zone of a time."""
    local = at.astimezone(ZoneInfo(timezone) if timezone else get_current_timezone())
    pattern = pgettext("date format", "D j N Y H:i:s")
    return f"{date_format(local, pattern)} {local:%Z}"


def minute(at: datetime, *, timezone: str) -> SafeString:
    """Return the weekday, day and minute of a time in `timezone`: what a schedule is exact to."""
    pattern = pgettext("date format", "D j N H:i")
    local = date_format(at.astimezone(ZoneInfo(timezone)), pattern)
    return format_html('<time class="bk-nowrap" datetime="{}">{}</time>', at.isoformat(), local)


def _distance(at: datetime, *, now: datetime | None = None) -> str:
    seconds = ((now or clock.now()) - at).total_seconds()
    if abs(seconds) < 1:
        return _("now")
    amount = _rough(abs(seconds))
    return _("%(time)s ago") % {"time": amount} if seconds > 0 else _("in %(time)s") % {"time": amount}


_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def _rough(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {_unit(unit)}"
    return f"0 {_unit('s')}"


def _unit(unit: str) -> str:
    return {
        "d": pgettext("days, short", "d"),
        "h": pgettext("hours, short", "h"),
        "min": pgettext("minutes, short", "min"),
        "s": pgettext("seconds, short", "s"),
    }[unit]


def duration(span: timedelta | None) -> str:
    """Return a duration in its two largest units: `0.42 s`, `1 min 12 s`, `2 d 4 h`."""
    if span is None:
        return "–"
    seconds = max(span.total_seconds(), 0)
    if seconds < 10:
        return f"{number_format(round(seconds, 2), decimal_pos=2)} {_unit('s')}"
    for (size, unit), (smaller, smaller_unit) in pairwise(_UNITS):
        if seconds >= size:
            rest = int(seconds % size // smaller)
            return f"{int(seconds // size)} {_unit(unit)}" + (f" {rest} {_unit(smaller_unit)}" if rest else "")
    return f"{int(seconds)} {_unit('s')}"


def money(amount: Decimal | None, currency: str = "") -> SafeString | str:
    """Return an amount to the cent with its currency; a dash where the source does not know."""
    if amount is None:
        return muted("–")
    text = number_format(amount, decimal_pos=2, force_grouping=True)
    return format_html('<span class="bk-number">{} {}</span>', text, currency)


def muted(text: Any) -> SafeString:
    """Return text that matters less."""
    return format_html('<span class="bk-muted">{}</span>', text)


def two_lines(first: Any, second: Any) -> SafeString:
    """Return what a cell says, and beneath it, smaller, what explains it."""
    return format_html('<span class="bk-two"><span>{}</span><span class="bk-muted">{}</span></span>', first, second)


def code(text: Any) -> SafeString:
    """Return text that is to be read letter by letter."""
    return format_html('<code class="bk-code">{}</code>', text)


def crumb(value: Any, *, length: int = 90) -> str:
    """Return a JSON value in one masked line: `shop_id=4, pages=[1, 2]`."""
    masked = mask(value)
    if isinstance(masked, dict):
        text = ", ".join(f"{name}={_as_json(inner)}" for name, inner in masked.items())
    else:
        text = _as_json(masked)
    return _cut(text, length)


def first_line(text: str, *, length: int = 140) -> str:
    """Return the first line of a text with its secrets hidden."""
    return _cut(mask_text(text.strip().split("\n", 1)[0]), length)


def json_block(value: Any) -> SafeString:
    """Return a JSON value, masked and indented; a number stays exact however long it is."""
    return text_block(_as_json(mask(value), indent=2))


def text_block(text: str) -> SafeString:
    """Return a text as it is, secrets hidden, cut after MAX_BLOCK characters."""
    return format_html('<pre class="bk-pre" tabindex="0">{}</pre>', _cut(mask_text(text), MAX_BLOCK))


def progress_bar(done: int | None, total: int | None, message: str = "") -> SafeString | str:
    """Return how far a job is: a bar where the end is known, a count where not, nothing where nobody tells."""
    if done is None and not message:
        return ""
    count = "" if done is None else number_format(done, force_grouping=True)
    if not total:
        return format_html('<span class="bk-number">{}</span> <span class="bk-muted">{}</span>', count, message)
    share = min(100, round(100 * (done or 0) / total))
    bar = format_html(
        '<svg class="bk-progress" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{} %">'
        '<rect class="bk-track" width="100" height="6"/><rect class="bk-fill" width="{}" height="6"/></svg>',
        *(share, share),
    )
    figures = f"{count} / {number_format(total, force_grouping=True)} ({share} %)"
    return format_html(
        '<span class="bk-two">{}<span class="bk-nowrap">{} <span class="bk-muted">{}</span></span></span>',
        *(bar, figures, message),
    )


def table(headers: Sequence[Any], rows: Iterable[Sequence[Any]]) -> SafeString:
    """Return a small table; a dash when it has no rows."""
    body = [format_html("<tr>{}</tr>", format_html_join("", "<td>{}</td>", ((cell,) for cell in row))) for row in rows]
    if not body:
        return muted("–")
    head = format_html_join("", '<th scope="col">{}</th>', ((header,) for header in headers))
    return format_html(
        '<div class="bk-scroll" tabindex="0"><table class="bk-table"><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>",
        *(head, format_html_join("", "{}", ((row,) for row in body))),
    )


def _as_json(value: Any, *, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=str)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"

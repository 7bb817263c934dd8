"""Charts as SVG, drawn here: nothing is asked of a browser but to show them, and nothing of anybody outside.

Each says in words what it shows (`label`), for those who do not see it; colors are the console's tones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from modules.kernel.console._figures import Bar

SPARK_STEP, SPARK_HEIGHT = 7, 26
CHART_WIDTH, CHART_HEIGHT, CHART_LEFT, CHART_FOOT = 720, 190, 8, 22
LABELS = 12  # words below a chart at most; more would run into each other


@dataclass(frozen=True)
class Column:
    """One column of a chart: the word below it, its height, and what it says when it is pointed at."""

    label: str
    value: float
    text: str
    bad: float = 0
    """How much of `value` went wrong; drawn red, at the foot."""


def sparkline(values: Sequence[float], *, label: str, tone: str = "blue") -> SafeString:
    """Return columns small enough for a table's cell; an empty one is a dot, so that time can be seen to pass."""
    highest = max([*values, 0]) or 1
    heights = [max(2.0, SPARK_HEIGHT * max(value, 0) / highest) for value in values]
    drawn = (
        (place * SPARK_STEP, round(SPARK_HEIGHT - height, 1), round(height, 1), "bk-bar" if value > 0 else "bk-track")
        for place, (value, height) in enumerate(zip(values, heights, strict=True))
    )
    columns = format_html_join("", '<rect x="{}" y="{}" width="5" height="{}" rx="1" class="{}"/>', drawn)
    width = max(len(values) * SPARK_STEP - 2, 1)
    return format_html(
        '<svg class="bk-spark bk-{}" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
        "<title>{}</title>{}</svg>",
        *(tone, width, SPARK_HEIGHT, width, SPARK_HEIGHT, label, label, columns),
    )


def column_chart(columns: Sequence[Column], *, label: str, tone: str = "blue", top: str = "") -> SafeString:
    """Return a chart as wide as its panel; `top` names the value of the highest line."""
    highest = max([*(column.value for column in columns), 0]) or 1
    floor = CHART_HEIGHT - CHART_FOOT
    step = (CHART_WIDTH - CHART_LEFT) / max(len(columns), 1)
    every = -(-len(columns) // LABELS) or 1
    drawn = [_column(column, place, step=step, highest=highest, floor=floor) for place, column in enumerate(columns)]
    words = (
        (round(CHART_LEFT + (place + 0.5) * step, 1), CHART_HEIGHT - 6, column.label)
        for place, column in enumerate(columns)
        if (len(columns) - 1 - place) % every == 0
    )
    lines = ((CHART_LEFT, y, CHART_WIDTH, y) for y in (18, (18 + floor) / 2, floor))
    return format_html(
        '<svg class="bk-chart bk-{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}'
        '<text x="{}" y="12">{}</text>{}{}</svg>',
        *(tone, CHART_WIDTH, CHART_HEIGHT, label),
        format_html_join("", '<line x1="{}" y1="{}" x2="{}" y2="{}"/>', lines),
        *(CHART_LEFT, top),
        format_html_join("", "{}", ((column,) for column in drawn)),
        format_html_join("", '<text x="{}" y="{}" text-anchor="middle">{}</text>', words),
    )


def _column(column: Column, place: int, *, step: float, highest: float, floor: float) -> SafeString:
    height, red = ((floor - 18) * max(value, 0) / highest for value in (column.value, column.bad))
    x, width = CHART_LEFT + place * step + step * 0.12, step * 0.76
    # The invisible one behind takes the pointer, or a small value would be hard to ask about.
    return format_html(
        '<g><title>{}</title><rect x="{}" y="18" width="{}" height="{}" fill="transparent"/>'
        '<rect class="bk-bar" x="{}" y="{}" width="{}" height="{}" rx="2"/>{}</g>',
        *(column.text, round(x, 1), round(width, 1), round(floor - 18, 1)),
        *(round(x, 1), round(floor - height, 1), round(width, 1), round(height, 1)),
        _red_foot(x, width, max(red, 2.0), floor) if column.bad else "",
    )


def _red_foot(x: float, width: float, height: float, floor: float) -> SafeString:
    return format_html(
        '<g class="bk-red"><rect class="bk-bar" x="{}" y="{}" width="{}" height="{}"/></g>',
        *(round(x, 1), round(floor - height, 1), round(width, 1), round(height, 1)),
    )


def parted_bar(parts: Sequence[Bar], *, label: str) -> SafeString:
    """Return one bar whose parts are as long as their values; the words belong into a legend beside it."""
    total = sum(part.value for part in parts) or 1
    drawn, x = [], 0.0
    for part in parts:
        width = 100 * part.value / total
        text = f"{part.label}: {number_format(part.value, force_grouping=True)} ({width:.0f} %)"
        if width:
            drawn.append((part.tone, text, round(x, 2), round(max(width - 0.3, 0.2), 2)))
        x += width
    rects = format_html_join(
        "", '<g class="bk-{}"><title>{}</title><rect class="bk-bar" x="{}" width="{}" height="16"/></g>', drawn
    )
    return format_html(
        '<svg class="bk-parted" viewBox="0 0 100 16" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="bk-track" width="100" height="16"/>{}</svg>',
        *(label, rects),
    )


def meter(value: float, *, most: float, text: Any, tone: str) -> SafeString:
    """Return a short bar with words beside it: how much of `most` there is."""
    share = round(min(max(100 * value / most, 0), 100), 1) if most else 0
    return format_html(
        '<span class="bk-meter bk-{}"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="bk-track" width="100" height="8"/><rect class="bk-bar" width="{}" height="8"/></svg>'
        '<span class="bk-number">{}</span></span>',
        *(tone, share, text),
    )

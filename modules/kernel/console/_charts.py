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
CHART_WIDTH, CHART_HEIGHT = 720, 150
LABELS = 12  # words below a chart at most; more would run into each other


@dataclass(frozen=True)
class Column:
    """One column of a chart: the word below it, its height, what it says when it is pointed at.

    `bad` is how much of the height went wrong: the red part on top.
    """

    label: str
    value: float
    text: str
    bad: float = 0


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


@dataclass(frozen=True)
class Mark:
    """One run in a strip: its color, its height (0 to 1), what it says when it is pointed at."""

    tone: str
    height: float
    text: str


def strip(marks: Sequence[Mark], *, label: str) -> SafeString:
    """Return columns of many colors for a table's cell, the oldest first; what went wrong is never a short one."""
    drawn = ((_mark(mark, place * SPARK_STEP),) for place, mark in enumerate(marks))
    width = max(len(marks) * SPARK_STEP - 2, 1)
    return format_html(
        '<svg class="bk-spark bk-strip" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}</svg>',
        *(width, SPARK_HEIGHT, width, SPARK_HEIGHT, label, format_html_join("", "{}", drawn)),
    )


def _mark(mark: Mark, x: int) -> SafeString:
    height = round(4 + (SPARK_HEIGHT - 4) * min(max(mark.height, 0), 1), 1)
    return format_html(
        '<g class="bk-{}"><title>{}</title><rect x="{}" width="{}" height="{}" fill="transparent"/>'
        '<rect x="{}" y="{}" width="5" height="{}" rx="1" class="bk-bar"/></g>',
        *(mark.tone, mark.text, x, SPARK_STEP, SPARK_HEIGHT, x, round(SPARK_HEIGHT - height, 1), height),
    )


def column_chart(
    columns: Sequence[Column], *, label: str, tone: str = "blue", top: str = "", labels: int = LABELS
) -> SafeString:
    """Return a chart as wide as its panel; `top` names the value of the highest line, `labels` words stand below.

    The drawing is stretched, so its words stand beside it: as large on a phone as on a screen.
    """
    highest = max([*(column.value for column in columns), 0]) or 1
    step = CHART_WIDTH / max(len(columns), 1)
    drawn = ((_column(column, place * step, step=step, highest=highest),) for place, column in enumerate(columns))
    lines = ((y, CHART_WIDTH, y) for y in (1, CHART_HEIGHT / 2, CHART_HEIGHT - 1))
    return format_html(
        '<div class="bk-chart bk-{}"><span class="bk-top" aria-hidden="true">{}</span>'
        '<svg viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">{}{}</svg>'
        '<div class="bk-axis" aria-hidden="true">{}</div></div>',
        *(tone, top, CHART_WIDTH, CHART_HEIGHT, label),
        format_html_join("", '<line x1="0" y1="{}" x2="{}" y2="{}"/>', lines),
        format_html_join("", "{}", drawn),
        format_html_join("", '<span style="left: {}%">{}</span>', _axis(columns, labels)),
    )


def _axis(columns: Sequence[Column], labels: int) -> list[tuple[float, str]]:
    """Return the words below a chart and where each has its middle, in hundredths of the width; the last is named."""
    every = -(-len(columns) // labels) or 1
    return [
        (round(100 * (place + 0.5) / len(columns), 2), column.label)
        for place, column in enumerate(columns)
        if (len(columns) - 1 - place) % every == 0
    ]


def _column(column: Column, left: float, *, step: float, highest: float) -> SafeString:
    height = CHART_HEIGHT * max(column.value, 0) / highest
    bad = CHART_HEIGHT * min(max(column.bad, 0), max(column.value, 0)) / highest
    x, width, top = round(left + step * 0.12, 1), round(step * 0.76, 1), CHART_HEIGHT - height
    # The invisible one behind takes the pointer, or a small value would be hard to ask about.
    return format_html(
        '<g><title>{}</title><rect x="{}" width="{}" height="{}" fill="transparent"/>'
        '<rect class="bk-bar" x="{}" y="{}" width="{}" height="{}"/>'
        '<rect class="bk-bad" x="{}" y="{}" width="{}" height="{}"/></g>',
        *(column.text, x, width, CHART_HEIGHT),
        *(x, round(top + bad, 1), width, round(height - bad, 1)),
        *(x, round(top, 1), width, round(bad, 1)),
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

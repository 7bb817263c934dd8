"""The numbers of the home page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.formats import number_format


@dataclass(frozen=True)
class Card:
    """One number that leads somewhere."""

    label: Any
    value: Any
    icon: str
    tone: str
    url: str
    note: Any = ""


@dataclass(frozen=True)
class Bar:
    """One row of a small chart; `share` is its length in percent of the longest."""

    label: Any
    value: int
    icon: str
    tone: str
    url: str
    note: Any = ""
    share: float = 0

    @property
    def text(self) -> str:
        """Return the value for people."""
        return number_format(self.value, force_grouping=True)


def bars(rows: Sequence[Bar]) -> list[Bar]:
    """Return the rows with their lengths; a value above 0 never vanishes beside a large one."""
    longest = max((row.value for row in rows), default=0)
    return [
        Bar(row.label, row.value, row.icon, row.tone, row.url, row.note, _share(row.value, longest)) for row in rows
    ]


def _share(value: int, longest: int) -> float:
    return max(1.5, round(100 * value / longest, 1)) if value else 0

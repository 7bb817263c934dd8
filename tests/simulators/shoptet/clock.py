"""The shop's own time, so that a test can stand still in it or move it on."""

import math
import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from zoneinfo import ZoneInfo

TIME_ZONE = ZoneInfo("Europe/Prague")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:?\d\d")


class ShopClock:
    """Tells the shop's time: the real one, or from `frozen_at` (aware) on only what `advance` adds."""

    def __init__(self, frozen_at: datetime | None = None) -> None:
        self._frozen_at = frozen_at
        self._advanced_seconds = 0.0

    def present(self) -> datetime:
        return (self._frozen_at or datetime.now(UTC)) + timedelta(seconds=self._advanced_seconds)

    def now(self) -> datetime:
        """Return the present in whole seconds, as the shop stamps its records."""
        return self.present().replace(microsecond=0)

    def elapsed(self) -> float:
        """Return seconds that pass even when the date is frozen: buckets must not stay full for ever."""
        return time.monotonic() + self._advanced_seconds

    def advance(self, seconds: float) -> None:
        self._advanced_seconds += seconds

    def reset(self) -> None:
        """Take back every `advance`."""
        self._advanced_seconds = 0.0


def write_instant(instant: datetime) -> str:
    """Return shop-local time as the vendor writes it: 2018-05-29T09:02:27+0200."""
    return instant.astimezone(TIME_ZONE).strftime("%Y-%m-%dT%H:%M:%S%z")


def read_instant(text: str) -> datetime:
    """Return an aware instant. Raises ValueError unless `text` has seconds and an offset.

    A raw `+` arrives as a space and is refused, as the vendor does.
    """
    if not _INSTANT.fullmatch(text):
        raise ValueError(text)
    return datetime.fromisoformat(text)


def write_http_date(instant: datetime) -> str:
    """Return `instant` as an HTTP date, rounded up so that waiting until then is always long enough."""
    return format_datetime(datetime.fromtimestamp(math.ceil(instant.timestamp()), UTC), usegmt=True)

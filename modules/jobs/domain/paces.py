"""How fast something goes, and how long the rest of it takes at that pace."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Pace:
    """So many a second, and the time that what is left takes so; None where nothing is left."""

    per_second: float
    left: timedelta | None


def pace_of(done: int, *, within: timedelta, left: int) -> Pace | None:
    """Return the pace at which `done` were done; None while nothing is, or no time has passed."""
    seconds = within.total_seconds()
    if done <= 0 or seconds <= 0:
        return None
    per_second = done / seconds
    return Pace(per_second, timedelta(seconds=left / per_second) if left > 0 else None)

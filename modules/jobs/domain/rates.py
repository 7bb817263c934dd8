"""What a rate limit remembers, so that no window of its seconds sees more starts than it says."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

PARTS = 100  # of a window: a start counts until that of its part's end has passed, so memory stays small

BellName = tuple[str, int]
"""A start that may come: the job's id and its number of starts until then."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass
class Window:
    """The starts of the last seconds behind a rate limit, and the bells that rang for starts that may yet come."""

    most: int
    seconds: int
    starts: Counter[int] = field(default_factory=Counter)
    """How many started, by when their part of the window ends, in microseconds since 1970."""
    bells: set[BellName] = field(default_factory=set)

    @property
    def room(self) -> int:
        """Return for how many more starts bells may ring now; 0 or less when the limit is used up."""
        return self.most - len(self.bells) - self.starts.total()

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing to remember."""
        return not (self.bells or self.starts)

    def ring(self, bell: BellName) -> None:
        """Keep room for the start that the bell may lead to, whenever it is heard."""
        self.bells.add(bell)

    def note_start(self, bell: BellName, *, started_at: datetime) -> None:
        """Count the start that a bell led to, from when it was."""
        self.bells.discard(bell)
        part = self.seconds * 1_000_000 // PARTS
        self.starts[((started_at - _EPOCH) // _MICROSECOND // part + 1) * part] += 1

    def drop(self, bell: BellName) -> None:
        """Forget a bell that leads to nothing any more."""
        self.bells.discard(bell)

    def forget(self, *, now: datetime) -> None:
        """Let go of the starts that no window which ends now or later has in it."""
        begins = (now - _EPOCH) // _MICROSECOND - self.seconds * 1_000_000
        self.starts = Counter({end: count for end, count in self.starts.items() if end > begins})

    def opens_at(self, *, now: datetime) -> datetime:
        """Return the earliest time of a further start, as far as starts alone decide; `now` when that is now."""
        missing = 1 - (self.most - self.starts.total())
        for end, count in sorted(self.starts.items()):
            if missing <= 0:
                break
            missing -= count
            now = max(now, _EPOCH + end * _MICROSECOND + timedelta(seconds=self.seconds))
        return now

"""A bar on a terminal; elsewhere a line now and then."""

import sys
import time

from deploy.local.log import Log

BAR_WIDTH = 30
LINE_SECONDS = 5.0


class Progress:
    """Shows how far a set of jobs is; the set may grow while it is worked off."""

    def __init__(self, out: Log, *, title: str, finished_before: int = 0) -> None:
        self._out, self._title, self._before = out, title, finished_before
        self._is_bar = sys.stdout.isatty()
        self._began_at = self._shown_at = time.monotonic()
        self._text = f"{title} ..."
        if not self._is_bar:
            out.say(self._text)

    def show(self, *, finished: int, waiting: int) -> None:
        """Show that `finished` jobs ended, those before this set included, and `waiting` have not."""
        done, now = finished - self._before, time.monotonic()
        total = done + waiting
        self._text = f"{self._title}: {done:,} of {total:,} jobs, {now - self._began_at:.0f} s"
        if self._is_bar:
            filled = BAR_WIDTH * done // max(total, 1)
            sys.stdout.write(f"\r\033[K[{'#' * filled:.<{BAR_WIDTH}}] {self._text}")
            sys.stdout.flush()
        elif now - self._shown_at >= LINE_SECONDS:
            self._shown_at = now
            self._out.say(self._text)

    def end(self) -> None:
        """Leave the last state on a line of its own."""
        self._out.say("" if self._is_bar else self._text)

"""A worker's share of watching: its dispatcher looks up now and then."""

import time

from modules.jobs import services
from modules.kernel import clock

LOOK_EVERY_SECONDS = 5.0


class Watch:
    """Calls the ledger's watch every few seconds, however often it is asked."""

    def __init__(self) -> None:
        self._next = 0.0

    def look(self) -> None:
        """Count runs, evaluate alerts, go on with replays, if it is time to; raises what the database raises."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LOOK_EVERY_SECONDS
            services.keep_watch(now=clock.now())

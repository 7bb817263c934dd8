"""One stream for the logs of many programs: each line says whose it is."""

import os
from typing import TextIO

_COLORS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
NAME_WIDTH = 10


class Log:
    """Writes lines to `stream`; colored where that is a terminal that wants colors (no-color.org).

    A stream that can no longer be written to sets `is_lost` and never raises: programs must still be
    stopped in order when the terminal is gone.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._colors: dict[str, int] = {}
        self._is_colored = stream.isatty() and "NO_COLOR" not in os.environ
        self.is_lost = False

    def line(self, name: str, text: str) -> None:
        """Write one line of the program called `name`."""
        self.say(f"{self._prefix(name)} | {text}")

    def say(self, text: str) -> None:
        """Write `text` as it is, with a line's end."""
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except OSError:
            self.is_lost = True

    def _prefix(self, name: str) -> str:
        padded = name.ljust(NAME_WIDTH)
        if not self._is_colored:
            return padded
        color = self._colors.setdefault(name, _COLORS[len(self._colors) % len(_COLORS)])
        return f"\033[{color}m{padded}\033[0m"

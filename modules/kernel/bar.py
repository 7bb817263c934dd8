"""The progress bar of a command; a terminal shows it, a log does not."""

from typing import Any

WIDTH = 30


class ProgressBar:
    """Draws how far a command is into its own line. `stream` is the command's `stdout`."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._is_shown = stream.isatty()

    def draw(self, done: int, total: int, message: str = "") -> None:
        """Show `done` of `total`."""
        if self._is_shown:
            filled = WIDTH * min(done, total) // max(total, 1)
            bar = "█" * filled + "░" * (WIDTH - filled)
            self._stream.write(f"\r{bar} {done:,} / {total:,} {message}", ending="")
            self._stream.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._is_shown:
            self._stream.write("")

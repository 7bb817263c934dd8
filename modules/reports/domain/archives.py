"""A ZIP that comes out piece by piece while it is written: never whole in memory, never on a disk of ours."""

import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, cast


class TooBig(Exception):
    """The archive is over its limit; `size` is how many bytes there are so far, or would be."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"{size} bytes are too many.")


@dataclass(frozen=True)
class Entry:
    """What was written into an archive."""

    path: str
    size: int
    sha256: str


class _Outlet:
    """Keeps what the archive writes until somebody takes it; it cannot be rewound, so the archive never tries."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep a copy of it."""
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: all is here already."""

    def take(self) -> bytes:
        """Return what came since the last time."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


class Archive:
    """Writes entries one after another; each method yields the bytes of the archive as they come."""

    def __init__(self, *, max_bytes: int, at: datetime) -> None:
        self.entries: list[Entry] = []
        self.size = 0
        self._max_bytes = max_bytes
        self._at = at.timetuple()[:6]
        self._outlet = _Outlet()
        self._zip = zipfile.ZipFile(cast("IO[bytes]", self._outlet), "w")

    def add(self, path: str, pieces: Iterable[bytes], *, is_compressed: bool) -> Iterator[bytes]:
        """Yield an entry of these pieces; raises TooBig as soon as it is."""
        info = zipfile.ZipInfo(path, self._at)
        info.compress_type = zipfile.ZIP_DEFLATED if is_compressed else zipfile.ZIP_STORED
        info.external_attr = 0o644 << 16
        size, digest = 0, hashlib.sha256()
        with self._zip.open(info, "w") as file:
            for piece in pieces:
                file.write(piece)
                digest.update(piece)
                size += len(piece)
                yield from self._taken()
        yield from self._taken()
        self.entries.append(Entry(path, size, digest.hexdigest()))

    def close(self) -> Iterator[bytes]:
        """Yield the table of contents, which ends the archive."""
        self._zip.close()
        yield from self._taken()

    def _taken(self) -> Iterator[bytes]:
        taken = self._outlet.take()
        self.size += len(taken)
        if self.size > self._max_bytes:
            raise TooBig(self.size)
        if taken:
            yield taken

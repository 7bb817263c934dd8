"""A snapshot's file in the product's storage: kept as sent, read line by line whatever it is packed in."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from django.core.files.storage import default_storage
from django.utils.translation import gettext as _

from modules.shoptet.clients import TemporaryShoptetError

GZIP_MAGIC = b"\x1f\x8b"
MAX_PACKINGS = 2  # a packed file that travels packed once more
MAX_LINE_BYTES = 16 * 1024 * 1024  # as of an answer; the longest orders of live shops have some 100 kB


class DamagedSnapshot(TemporaryShoptetError):
    """The file is cut off or spoiled: none of it is used, and it is fetched again."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it came: its name in the storage, bytes, SHA-256 (hex) and how many records it holds."""

    name: str
    size: int
    sha256: str
    lines: int


class _Incoming:
    """What the storage takes for a file: chunks that are counted and hashed as they pass."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.hash = hashlib.sha256()
        self.size = 0

    def chunks(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.hash.update(chunk)
            self.size += len(chunk)
            yield chunk


def keep_file(name: str, chunks: Iterator[bytes]) -> StoredFile:
    """Store what `chunks` yields under `name` and look whether it is whole; else nothing stays.

    Raises DamagedSnapshot and whatever `chunks` raises. Memory: one chunk.
    """
    remove_file(name)  # what a killed worker left
    incoming = _Incoming(chunks)
    try:
        stored = default_storage.save(name, incoming)  # type: ignore[arg-type] # it needs `chunks` and no more
        return StoredFile(stored, incoming.size, incoming.hash.hexdigest(), count_records(stored))
    except BaseException:
        remove_file(name)
        raise


def remove_file(name: str) -> None:
    """Delete a file. Safe to repeat."""
    if name:
        default_storage.delete(name)


def has_file(name: str) -> bool:
    """Return whether the file is there."""
    return bool(name) and default_storage.exists(name)


def count_records(name: str) -> int:
    """Read the whole file and return how many records it has; raises DamagedSnapshot unless it is whole.

    Packed files carry a checksum of their own. A plain one that was cut off ends inside a record.
    """
    count, last = 0, b"{}"
    with open_records(name) as records:
        for count, last in enumerate(records, start=1):  # noqa: B007 -- the last ones are wanted after the loop
            pass
    with suppress(ValueError, RecursionError):
        json.loads(last)
        return count
    raise DamagedSnapshot(_("The snapshot's file is cut off or damaged."))


@contextmanager
def open_records(name: str) -> Iterator[Iterator[bytes]]:
    """Yield an iterator over the lines that are not blank, without their ends; raises DamagedSnapshot.

    Only a line feed ends a line: U+2028 and U+0085 may stand inside of a record's texts.
    """
    with default_storage.open(name) as file:
        yield _records(_unpacked(file))


def _records(file: Any) -> Iterator[bytes]:
    try:
        while line := file.readline(MAX_LINE_BYTES):
            if len(line) == MAX_LINE_BYTES:
                raise DamagedSnapshot(_("The snapshot has a line that is too long."))
            if stripped := line.strip():
                yield stripped
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DamagedSnapshot(_("The snapshot's file is cut off or damaged.")) from None


def _unpacked(file: Any) -> Any:
    """Return a reader of what is inside: gzip of one member or several, or plain, told by the first two bytes."""
    for _packing in range(MAX_PACKINGS):
        start = _start(file)
        if start != GZIP_MAGIC:
            break
        file = gzip.GzipFile(fileobj=file, mode="rb")
    return file


def _start(file: Any) -> bytes:
    try:
        start: bytes = file.read(2)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise DamagedSnapshot(_("The snapshot's file is cut off or damaged.")) from None
    file.seek(0)
    return start

"""The storage of exports and of what goes into them: Django's default one, whether that is a directory or S3."""

import io
from collections.abc import Iterator
from typing import Any

from django.core.files.base import File
from django.core.files.storage import default_storage

CHUNK = 256 * 1024


class StorageFailed(Exception):
    """The storage did not do what it was asked to; it may be tried again."""


class ObjectGone(LookupError):
    """There is nothing under this key."""


def read_object(key: str) -> Iterator[bytes]:
    """Return the content in pieces; opened at once, read as they are asked for. Raises ObjectGone, StorageFailed."""
    try:
        file = default_storage.open(key)
    except FileNotFoundError:
        raise ObjectGone(key) from None
    except Exception as error:  # each storage has errors of its own
        raise StorageFailed(f"{type(error).__name__}: {error}") from error
    return _pieces(file)


def save_stream(key: str, pieces: Iterator[bytes]) -> None:
    """Store under exactly this key what comes, as it comes; nothing is kept of a stream that fails.

    What the stream raises is raised as it is; what the storage does, as StorageFailed.
    """
    stream = _Stream(pieces)
    try:
        stored = default_storage.save(key, File(io.BufferedReader(stream, CHUNK), name=key))
    except BaseException as error:
        delete_object(key)
        if stream.failed_with is not None:
            raise stream.failed_with from None
        if not isinstance(error, Exception):
            raise
        raise StorageFailed(f"{type(error).__name__}: {error}") from error
    if stored != key:
        delete_object(stored)
        raise StorageFailed(f"{key} is taken.")


def delete_object(key: str) -> None:
    """Delete what is stored under `key`; nothing there is fine. Raises StorageFailed."""
    try:
        default_storage.delete(key)
    except FileNotFoundError:
        return
    except Exception as error:
        raise StorageFailed(f"{type(error).__name__}: {error}") from error


def _pieces(file: Any) -> Iterator[bytes]:
    with file:
        while piece := _read(file):
            yield piece


def _read(file: Any) -> bytes:
    try:
        return bytes(file.read(CHUNK))
    except Exception as error:
        raise StorageFailed(f"{type(error).__name__}: {error}") from error


class _Stream(io.RawIOBase):
    """Pieces as a file that a storage reads once, from its beginning to its end."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self.failed_with: BaseException | None = None
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(self._next())
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _next(self) -> bytes:
        try:
            return next(self._pieces, b"")
        except BaseException as error:
            self.failed_with = error  # a storage may wrap it, and whoever waits has to know what it was
            raise

"""The storage of documents: Django's default one, whether that is a directory or S3."""

from collections.abc import Iterator
from typing import IO, cast

from django.core.files.base import File
from django.core.files.storage import default_storage

CHUNK = 256 * 1024


class StorageFailed(Exception):
    """The storage did not do what it was asked to; what it was asked for may be tried again."""


def delete_object(key: str) -> None:
    """Delete what is stored under `key`; nothing there is fine. Raises StorageFailed."""
    try:
        default_storage.delete(key)
    except FileNotFoundError:
        return
    except Exception as error:  # each storage has errors of its own
        raise StorageFailed(f"{type(error).__name__}: {error}") from error


def save_object(key: str, content: IO[bytes]) -> None:
    """Store the content under exactly this key. Raises StorageFailed, and then nothing is left behind."""
    try:
        stored = default_storage.save(key, File(content))
    except Exception as error:
        raise StorageFailed(f"{type(error).__name__}: {error}") from error
    if stored != key:
        delete_object(stored)
        raise StorageFailed(f"{key} is taken.")


def open_object(key: str) -> IO[bytes]:
    """Return what is stored under `key`, to be closed by its reader. Raises FileNotFoundError and StorageFailed."""
    try:
        return cast("IO[bytes]", default_storage.open(key))
    except FileNotFoundError:
        raise
    except Exception as error:
        raise StorageFailed(f"{type(error).__name__}: {error}") from error


def chunks(content: IO[bytes]) -> Iterator[bytes]:
    """Return the content piece by piece, from its beginning."""
    content.seek(0)
    while piece := content.read(CHUNK):
        yield piece

"""The data folder: one run at a time, nothing in it open to other users."""

import fcntl
import json
import os
import secrets
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from config import env
from deploy.local.processes import UnableToStart


def make(data: Path) -> None:
    """Make `data` unless it is there; raises UnableToStart when that cannot be."""
    try:
        # Everything inside has narrower permissions; others pass through it, one of them PostgreSQL.
        data.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise _no_access(data, error) from error


def _no_access(data: Path, error: OSError) -> UnableToStart:
    return UnableToStart(f"Cannot write to {data}: {error.strerror}. Set BACKROOM_DATA to another folder.")


@contextmanager
def hold(data: Path) -> Iterator[None]:
    """Make `data` ours until the end of the block; raises UnableToStart when another run has it."""
    make(data)
    try:
        lock = (data / "lock").open("a+", encoding="ascii")
    except OSError as error:
        raise UnableToStart(
            f"Cannot write to {data}: {error.strerror}. Set BACKROOM_DATA to another folder."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            raise UnableToStart(f"{data}: already running, pid {pid}; stop it or set BACKROOM_DATA.") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def temporary(*, keep_after: type[Exception] | tuple[()] = ()) -> Iterator[Path]:
    """Make a data folder that is gone at the end of the block, unless that ends with `keep_after`."""
    data = Path(tempfile.mkdtemp(prefix="backroom-")).resolve()
    data.chmod(0o711)
    try:
        yield data
    except keep_after:
        raise
    except BaseException:
        shutil.rmtree(data, ignore_errors=True)
        raise
    else:
        shutil.rmtree(data, ignore_errors=True)


@contextmanager
def sockets(data: Path, *, owner_id: int) -> Iterator[Path]:
    """Make an empty folder that only `owner_id` and root can enter; it is gone at the end of the block.

    Raises UnableToStart when somebody else made it first: what he put there is not to be trusted.
    """
    folder = env.socket_dir(data)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), owner_id}:
        raise UnableToStart(f"{folder} belongs to another user; remove it or set BACKROOM_DATA.")
    folder.chmod(0o700)
    for stale in folder.iterdir():
        stale.unlink()
    os.chown(folder, owner_id, -1)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def kept_secret(file: Path) -> str:
    """Return the secret in `file`, made on the first call; nobody else can read it."""
    if not file.exists():
        replace(file, secrets.token_urlsafe(18))
    return file.read_text(encoding="utf-8").strip()


def kept_port(file: Path) -> int:
    """Return the port in `file` if it is free, else a free one that is written there for the next run."""
    with suppress(FileNotFoundError, ValueError):
        if is_free(port := int(file.read_text(encoding="ascii"))):
            return port
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    replace(file, str(port))
    return port


def free_port(first: int) -> int:
    """Return `first` or the next port that nothing listens on; raises UnableToStart after 100."""
    for port in range(first, first + 100):
        if is_free(port):
            return port
    raise UnableToStart(f"No free port from {first} to {first + 99}; set PORT.")


def is_free(port: int) -> bool:
    """Return whether nothing listens on `port` of the loopback address."""
    with suppress(OSError, OverflowError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def write_json(file: Path, content: Mapping[str, int]) -> None:
    """Write `content` so that a reader sees the former file or the whole new one."""
    replace(file, json.dumps(content, indent=1))


def replace(file: Path, text: str) -> None:
    """Write `text`, readable by the owner alone, so that no crash leaves half of it."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    fresh.replace(file)

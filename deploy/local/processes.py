"""Starts a process that cannot outlive its parent, and ends what a killed parent left behind."""

import ctypes
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

SERVER_NAMES = ("postgres", "redis-server")
OWNER = "BACKROOM_OWNER"  # in the environment of all we start; its value is the data folder
_PR_SET_PDEATHSIG, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2  # linux/prctl.h
_SECBIT_NO_SETUID_FIXUP = 4  # linux/securebits.h
_CAP_DAC_OVERRIDE, _CAPABILITY_VERSION_3 = 1, 0x20080522  # linux/capability.h
_libc = ctypes.CDLL(None, use_errno=True)  # loaded here, because little is safe between fork and exec


class UnableToStart(Exception):
    """Something that the product needs did not come up; the text says what and the way out."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run and how to treat it.

    `environment` is whole, not added to ours. A lower `stage` starts earlier and stops later.
    `account` is the plain user to run as; only root can ask for one.
    """

    name: str
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stage: int = 1
    account: pwd.struct_passwd | None = None
    is_ready: Callable[[], bool] | None = None
    ready_seconds: float = 60
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10


class _CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapabilitySets(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def spawn(program: Program, *, owner: Path, output: int | None = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """Start `program` in a process group of its own; the kernel ends it when the calling thread ends.

    `output` takes both streams. Call from the main thread. Raises UnableToStart for a missing command.
    """
    parent = os.getpid()
    try:
        return subprocess.Popen(  # noqa: S603 -- the command is the project's own
            program.command,
            cwd=program.folder,
            env={**program.environment, OWNER: str(owner)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=lambda: _before_exec(program, parent=parent),  # noqa: PLW1509 -- one thread
        )
    except OSError as error:
        raise UnableToStart(f"{program.name}: cannot run {program.command[0]}: {error.strerror}.") from error


def end_with_parent(stop_signal: signal.Signals, *, parent: int) -> None:
    """Have the kernel send `stop_signal` to this process when the thread that forked it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


def _before_exec(program: Program, *, parent: int) -> None:
    if program.account:
        _become(program.account)
    end_with_parent(program.stop_signal, parent=parent)  # last: a change of user clears it


def _become(account: pwd.struct_passwd) -> None:
    """Turn root into `account` with one power left: to pass through folders that are root's alone.

    PostgreSQL refuses to run as root, yet a clone in /root or an environment that was installed with
    umask 077 is closed to everybody else. The ways round it were to loosen permissions that are not ours,
    to copy 40 MB of binaries at every start, or a mount namespace, which containers forbid. The power
    gives away nothing: only the user who started the server can talk to it (see `postgres.py`). Where the
    kernel refuses it, everything still works in folders that the account can reach by itself.
    """
    # Keeps the power through the change of user, and lets access(2), which initdb asks, count it.
    _libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
    bit = 1 << _CAP_DAC_OVERRIDE
    sets = (_CapabilitySets * 2)(_CapabilitySets(bit, bit, bit), _CapabilitySets(0, 0, 0))
    _libc.capset(ctypes.byref(_CapabilityHeader(_CAPABILITY_VERSION_3, 0)), sets)
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


def server_account() -> pwd.struct_passwd | None:
    """Return the account that PostgreSQL runs as: None for a plain user, who runs it as himself."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise UnableToStart("PostgreSQL does not run as root, and there is neither an account postgres nor nobody.")


def signal_group(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    """Signal a process that `spawn` started and all its descendants that kept its group; safe to repeat."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, stop_signal)


def owned_by(data: Path) -> list[psutil.Process]:
    """Return the processes that work for the data folder `data`, in no order.

    They are known by the mark in their environment, which descendants inherit and which, unlike a pid that
    was written down, cannot be somebody else's. The servers write their titles over it; they are known by
    the folder they work in.
    """
    return [process for process in psutil.process_iter() if _is_owned(process, data=data)]


def end_leftovers(data: Path, *, patience_seconds: float = 10) -> int:
    """End what an earlier, killed run started for `data`; return how many processes there were.

    Only for the holder of the folder's lock.
    """
    left = owned_by(data)
    _signal_all(left, psutil.Process.terminate)
    if not _are_gone(data, seconds=patience_seconds):
        _signal_all(owned_by(data), psutil.Process.kill)
        _are_gone(data, seconds=5)
    return len(left)


def _signal_all(processes: Iterable[psutil.Process], send: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            send(process)


def _are_gone(data: Path, *, seconds: float) -> bool:
    """Wait so long; asked by what works for `data`, because a zombie that init has not buried yet is gone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not owned_by(data):
            return True
        time.sleep(0.1)
    return False


def _is_owned(process: psutil.Process, *, data: Path) -> bool:
    try:
        if process.name() in SERVER_NAMES:
            return process.cwd() in {str(data / "postgres"), str(data / "redis")}
        return str(process.environ().get(OWNER)) == str(data)
    except (psutil.Error, OSError):
        return False  # gone meanwhile, or another user's

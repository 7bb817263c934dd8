"""The inside of a child process that runs one function: JSON in by stdin, lines of JSON out by a pipe.

Loads nothing but the function's own module, so that a start costs a fraction of a second; a function of such a module
speaks to its job by `tell_progress` and `tell_log`. Started by `modules.jobs.engine.isolation`, never by hand.
"""

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

OUT_OF_MEMORY = (
    b'{"error": {"type": "MemoryError", "message": "", "traceback": "", "kinds": ["builtins.MemoryError"]}}\n'
)
TELL_EVERY_SECONDS = 0.1
PR_SET_PDEATHSIG = 1
NICENESS = 10  # the worker's heartbeat goes first where processors are few

_pipe: int | None = None
_told_at = 0.0


def is_child() -> bool:
    """Return whether this process is such a child."""
    return _pipe is not None


def tell_progress(done: int, total: int | None = None, message: str = "") -> None:
    """Pass progress on to the job, at most ten times a second and at the end; does nothing outside of a child."""
    global _told_at  # noqa: PLW0603 -- one function runs in this process, ever
    if done == total or time.monotonic() - _told_at >= TELL_EVERY_SECONDS:
        _told_at = time.monotonic()
        _tell({"progress": [done, total, message[:500]]})


def tell_log(message: str) -> None:
    """Pass a line on to the job's log; does nothing outside of a child."""
    _tell({"log": message[:2_000]})


def main() -> None:
    """Run the function that stdin names and tell its result or its error."""
    global _pipe  # noqa: PLW0603 -- one function runs in this process, ever
    order = json.load(sys.stdin)
    _pipe = order["pipe"]
    os.set_inheritable(_pipe, False)
    _die_with(order["parent"])
    try:
        _tell({"result": _run(order)})
    except MemoryError:
        os.write(_pipe, OUT_OF_MEMORY)  # made before: there is no memory to make anything
    except BaseException as error:  # noqa: BLE001 -- whatever it raises is for the job to judge
        _tell({"error": _described(error)})


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(1)


def _run(order: dict[str, Any]) -> Any:
    if order["with_django"]:
        importlib.import_module("django").setup()
    module, _, name = order["function"].partition(":")
    function = getattr(importlib.import_module(module), name)
    _limit(memory_mb=order["memory_mb"], cpu_seconds=order["cpu_seconds"])
    return function(*order["args"], **order["kwargs"])


def _limit(*, memory_mb: int, cpu_seconds: int) -> None:
    """Limit what the function takes beyond what its imports have taken."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    memory = mapped + memory_mb * 2**20
    used = int(time.process_time()) + 1
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (used + cpu_seconds, used + cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICENESS)


def _described(error: BaseException) -> dict[str, Any]:
    return {
        "type": type(error).__qualname__,
        "message": str(error)[:2_000],
        "traceback": "".join(traceback.format_exception(error))[-18_000:],
        "kinds": [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__],
    }


def _tell(message: dict[str, Any]) -> None:
    if _pipe is None:
        return
    left = json.dumps(message).encode() + b"\n"
    while left:
        left = left[os.write(_pipe, left) :]


if __name__ == "__main__":
    # Once more by its name: what the function imports must be this module and not another copy of it.
    importlib.import_module("modules.kernel.child").main()

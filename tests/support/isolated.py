"""What a child process may do and suffer, for the tests of isolation."""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

from modules.jobs.domain import PermanentError
from modules.kernel import child

HOLD_GIL = ctypes.PyDLL(None)  # unlike CDLL, keeps the GIL during its calls


def double(number, *, note=""):
    print("doubling", note)  # noqa: T201 -- output is what is tested
    return {"number": number * 2, "pid": os.getpid()}


def speak():
    child.tell_log("half-way")
    child.tell_progress(5, 5, "done")


def speak_with_django():
    from modules.jobs.engine import context  # the other functions run without Django

    context.log("from Django")
    context.progress(7, 7, "all done")


def refuse():
    raise PermanentError("no such shape")


def fall():
    raise KeyError("corner")


def crash():
    ctypes.string_at(0)


def leave():
    os._exit(3)


def eat():
    eaten = []
    while True:
        eaten.append(bytearray(16 * 2**20))


def spin():
    while True:
        pass


def hold():
    HOLD_GIL.sleep(600)


def flood():
    while True:
        os.write(1, b"x" * 65_536)


def grow():
    return "x" * (2 * 2**20)


def bear(path):
    """Start a grandchild, note its id and wait for it."""
    born = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(path).write_text(f"{os.getpid()} {born.pid}")
    time.sleep(600)

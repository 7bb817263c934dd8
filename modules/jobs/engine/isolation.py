"""`run_isolated`: one call of native or CPU-heavy code in a process of its own, with limits.

A crash, a held GIL or eaten memory stays there; the worker, its heartbeat and its other jobs go on.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from modules.jobs.domain import PermanentError
from modules.jobs.engine import context

MAX_JSON = 2**20  # bytes, each way; what is larger goes through a file
MAX_OUTPUT = 16 * 2**20  # bytes of stdout and stderr together; then the child is killed
TAIL = 4_000  # bytes of output that the job's log keeps
LOOK_EVERY_SECONDS = 0.2
CHUNK = 65_536


class ChildError(Exception):
    """The child did not return; the job is tried again as after any error."""


class ChildFailed(ChildError):
    """The function raised; the message begins with its error's type, the traceback is in a note."""


class ChildRefused(PermanentError):
    """The function raised a PermanentError, or cannot be called so at all: trying again cannot help."""


class ChildCrashed(ChildError):
    """The child died without an answer; `signal` is what killed it, None when it left by itself."""

    def __init__(self, returncode: int) -> None:
        self.signal = signal.Signals(-returncode) if returncode < 0 else None
        how = f"was killed by {self.signal.name}" if self.signal else f"left with exit code {returncode}"
        super().__init__(f"The child {how}.")


class ChildOutOfMemory(ChildError):
    """The function asked for more than `memory_mb`."""


class ChildTimedOut(ChildError):
    """The function took more than `seconds` by the clock, or more than `cpu_seconds` of a processor."""


class ChildOutputTooBig(ChildError):
    """The function printed more than 16 MiB, or its result is over 1 MiB as JSON."""


def run_isolated(
    function: Callable[..., Any],
    *args: Any,
    memory_mb: int = 512,
    seconds: float = 60.0,
    cpu_seconds: int = 60,
    with_django: bool = False,
    **kwargs: Any,
) -> Any:
    """Return what `function` returns in a child process of its own; call it from within an actor.

    function: of a module's top level, found there by its name. Arguments and result are JSON of at most 1 MiB
    (a tuple comes back as a list). memory_mb: beyond what Python and its imports take. seconds: by the clock,
    start included. cpu_seconds: of processors, all threads together. with_django: set Django up first, for a
    module that imports models or `context` (seconds of a processor); other modules tell progress and log lines by
    `modules.kernel.child`. Cancelling the job, and the worker's death, kill the child. The end of what it prints is
    in the job's log. Raises ChildFailed, ChildRefused, ChildCrashed, ChildOutOfMemory, ChildTimedOut,
    ChildOutputTooBig, JobCancelled.
    """
    order = {
        "function": _path(function),
        "args": args,
        "kwargs": kwargs,
        "memory_mb": memory_mb,
        "cpu_seconds": cpu_seconds,
        "with_django": with_django,
    }
    with _started(order) as child:
        try:
            return child.answer(until=time.monotonic() + seconds)
        finally:
            child.end()
            child.keep_output()


def _path(function: Callable[..., Any]) -> str:
    module, name = function.__module__, function.__qualname__
    if module == "__main__" or getattr(sys.modules.get(module), name, None) is not function:
        raise ChildRefused(f"{module}.{name} cannot be found by its name; a child can run only a module's function.")
    return f"{module}:{name}"


@contextmanager
def _started(order: dict[str, Any]) -> Iterator["_Child"]:
    answers, answer_end = os.pipe()
    output, output_end = os.pipe()
    try:
        with tempfile.TemporaryFile() as stdin:
            stdin.write(_as_json({**order, "pipe": answer_end, "parent": os.getpid()}))
            stdin.seek(0)
            process = subprocess.Popen(
                [sys.executable, "-m", "modules.kernel.child"],
                stdin=stdin,
                stdout=output_end,
                stderr=output_end,
                pass_fds=[answer_end],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,
            )
    except BaseException:
        _close(answers, output)
        raise
    finally:
        _close(answer_end, output_end)
    try:
        yield _Child(process, answers, output)
    finally:
        _close(answers, output)


def _as_json(order: dict[str, Any]) -> bytes:
    try:
        written = json.dumps(order).encode()
    except (TypeError, ValueError) as error:
        raise ChildRefused(f"A child takes only arguments that are JSON: {error}.") from None
    if len(written) > MAX_JSON:
        raise ChildRefused(f"A child takes at most {MAX_JSON:,} bytes of arguments; these are {len(written):,}.")
    return written


def _close(*ends: int) -> None:
    for end in ends:
        os.close(end)


class _Child:
    """A running child: its process, what it answers and what it prints."""

    def __init__(self, process: "subprocess.Popen[bytes]", answers: int, output: int) -> None:
        self._process = process
        self._answers = answers
        self._output = output
        self._open = {answers, output}
        self._line = b""
        self._tail = b""
        self._printed = 0

    def answer(self, *, until: float) -> Any:
        """Return the function's result, or raise what became of it; stops in between when the job is cancelled."""
        while time.monotonic() < until:
            context.checkpoint()
            if (found := self._take()) is not None:
                return found["result"]
            if self._answers not in self._open or self._process.poll() is not None:
                return self._last_answer()
        raise ChildTimedOut("The child took more than its seconds by the clock.")

    def _take(self) -> dict[str, Any] | None:
        """Pass on what has come; return the message with the result, if it is among it."""
        for message in self._read():
            if "result" in message:
                return message
            _pass_on(message)
        return None

    def _last_answer(self) -> Any:
        """Return what a child said that has just ended, or raise why it ended without a word."""
        while self._answers in self._open and select.select([self._answers], [], [], 0)[0]:
            if (found := self._take()) is not None:
                return found["result"]
        raise self._death()

    def _read(self) -> list[dict[str, Any]]:
        """Take what has come within a moment; return the whole lines of the answer."""
        ready, _, _ = select.select(list(self._open), [], [], LOOK_EVERY_SECONDS) if self._open else ([], [], [])
        for end in ready:
            chunk = os.read(end, CHUNK)
            if not chunk:
                self._open.discard(end)
            elif end == self._output:
                self._note_output(chunk)
            else:
                self._line += chunk
        *lines, self._line = self._line.split(b"\n")
        if len(self._line) > MAX_JSON:
            raise ChildOutputTooBig(f"The child's result is over {MAX_JSON:,} bytes.")
        return [json.loads(line) for line in lines]

    def _note_output(self, chunk: bytes) -> None:
        self._printed += len(chunk)
        self._tail = (self._tail + chunk)[-TAIL:]
        if self._printed > MAX_OUTPUT:
            raise ChildOutputTooBig(f"The child printed over {MAX_OUTPUT:,} bytes.")

    def _death(self) -> ChildError:
        """Return what the child died of."""
        self.end()
        self._drain_output()
        returncode = self._process.returncode
        if returncode == -signal.SIGXCPU:
            return ChildTimedOut("The child used up its processor time.")
        if b"std::bad_alloc" in self._tail:
            return ChildOutOfMemory("The child asked for more memory than it may have.")
        return ChildCrashed(returncode)

    def end(self) -> None:
        """Kill whatever the child has left running; safe to repeat."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _drain_output(self) -> None:
        while self._output in self._open and select.select([self._output], [], [], 0)[0]:
            chunk = os.read(self._output, CHUNK)
            self._tail = (self._tail + chunk)[-TAIL:]
            if not chunk:
                self._open.discard(self._output)

    def keep_output(self) -> None:
        """Put the end of what the child printed into the job's log."""
        self._drain_output()
        for line in self._tail.decode(errors="replace").replace("\0", "").splitlines():
            context.log(f"child: {line}")


def _pass_on(message: dict[str, Any]) -> None:
    """Do with a message what the function would have done in the worker."""
    if "progress" in message:
        context.progress(*message["progress"])
    elif "log" in message:
        context.log(message["log"])
    else:
        raise _as_error(**message["error"])


_PERMANENT = f"{PermanentError.__module__}.{PermanentError.__qualname__}"


def _as_error(*, type: str, message: str, traceback: str, kinds: list[str]) -> Exception:  # noqa: A002 -- its JSON name
    if "builtins.MemoryError" in kinds:
        return ChildOutOfMemory("The child asked for more memory than it may have.")
    error = (ChildRefused if _PERMANENT in kinds else ChildFailed)(f"{type}: {message}")
    error.add_note(f"In the child:\n{traceback}")
    return error

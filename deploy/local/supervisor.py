"""Keeps programs running, shows their logs with their names, and stops them in order."""

import os
import selectors
import signal
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

from deploy.local import folder
from deploy.local.log import Log
from deploy.local.processes import Program, UnableToStart, signal_group, spawn

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 5.0
SETTLED_SECONDS = 10.0  # whoever lived this long is restarted at once again
_LONGEST_LINE = 65_536  # bytes
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """Somebody asked for the end: Ctrl-C, a signal, or a terminal that went away."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@dataclass(eq=False)
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    started_at: float = field(default_factory=time.monotonic)
    pause_seconds: float = FIRST_PAUSE_SECONDS
    restart_at: float | None = None  # on the clock of time.monotonic


class Supervisor:
    """Runs programs until the block ends, whatever the reason; use it once, in the main thread.

    `data` is the folder they work for; the process ids are kept in its pids.json (name to pid).
    Who ends again and again rests twice as long each time, `longest_pause_seconds` at most.
    Raises Stopped inside the block when the end is asked for.
    """

    def __init__(self, *, data: Path, log: Log, longest_pause_seconds: float = LONGEST_PAUSE_SECONDS) -> None:
        self._data, self._log, self._longest_pause_seconds = data, log, longest_pause_seconds
        self._children: list[_Child] = []
        self._selector = selectors.DefaultSelector()
        self._bell, self._bell_rope = socket.socketpair()
        self._requests: deque[int] = deque()  # signals that asked for the end and wait for an answer
        self._is_stopping = False
        self._tails: dict[str, deque[str]] = {}

    def __enter__(self) -> Self:
        for end in (self._bell, self._bell_rope):
            end.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ, lambda: self._bell.recv(4096))
        self._former_rope = signal.set_wakeup_fd(self._bell_rope.fileno(), warn_on_full_buffer=False)
        self._former_handlers = {number: signal.signal(number, self._request_stop) for number in _STOPS}
        self._former_handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._is_stopping = True
        self._requests.clear()
        try:
            for stage in sorted({child.program.stage for child in self._children}, reverse=True):
                self._stop([child for child in self._children if child.program.stage == stage])
            self._drain()
        finally:
            signal.set_wakeup_fd(self._former_rope)
            for number, handler in self._former_handlers.items():
                signal.signal(number, handler)
            self._selector.close()
            self._bell.close()
            self._bell_rope.close()

    def start(self, *programs: Program) -> None:
        """Start programs and return when all are ready; they are restarted from now on.

        Raises UnableToStart with the last lines of one that ended before, or is not ready in time.
        """
        fresh = [_Child(program, self._spawn(program)) for program in programs]
        self._children += fresh
        self._record()
        for child in fresh:
            self._await(child)

    def run(self, program: Program) -> None:
        """Run `program`, a step of the setup, to its end; raises UnableToStart with its last lines when it fails."""
        process = self._spawn(program, shown_as="setup")
        try:
            self.watch(lambda: process.poll() is not None)
        finally:
            self._end_group(process)
        if process.returncode:
            raise self._failure(program, f"ended with code {process.returncode}")

    def watch(self, is_over: Callable[[], bool], *, seconds: float = 1.0) -> None:
        """Keep everything running until `is_over()`, asked at least every `seconds` and after each event."""
        while not is_over():
            self._turn(seconds)

    def wait(self, seconds: float) -> None:
        """Keep everything running for so long."""
        end = time.monotonic() + seconds
        self.watch(lambda: time.monotonic() >= end, seconds=seconds)

    def _request_stop(self, number: int, _frame: FrameType | None) -> None:
        self._requests.append(number)

    def _turn(self, seconds: float) -> None:
        due = [child.restart_at - time.monotonic() for child in self._children if child.restart_at]
        for key, _ in self._selector.select(max(0.0, min([seconds, *due]))):
            key.data()
        if self._is_stopping:
            return
        for child in self._children:
            self._look_after(child)
        if self._log.is_lost:
            raise Stopped(signal.SIGPIPE)
        if self._requests:
            raise Stopped(self._requests.popleft())

    def _spawn(self, program: Program, *, shown_as: str | None = None) -> subprocess.Popen[bytes]:
        process = spawn(program, owner=self._data)
        assert process.stdout is not None  # noqa: S101 -- spawn pipes it
        tail = self._tails.setdefault(program.name, deque(maxlen=30))
        self._follow(process.stdout, name=shown_as or program.name, tail=tail)
        return process

    def _follow(self, pipe: IO[bytes], *, name: str, tail: deque[str]) -> None:
        os.set_blocking(pipe.fileno(), False)
        rest = b""

        def read() -> None:
            nonlocal rest
            chunk = os.read(pipe.fileno(), _LONGEST_LINE)
            *lines, rest = (rest + chunk).split(b"\n")
            if rest and (not chunk or len(rest) >= _LONGEST_LINE):
                lines, rest = [*lines, rest], b""
            for line in lines:
                tail.append(text := line.decode(errors="replace").rstrip())
                self._log.line(name, text)
            if not chunk:
                self._selector.unregister(pipe)
                pipe.close()

        self._selector.register(pipe, selectors.EVENT_READ, read)

    def _await(self, child: _Child) -> None:
        program, deadline = child.program, child.started_at + child.program.ready_seconds
        while program.is_ready and not program.is_ready():
            if child.process.poll() is not None:
                raise self._failure(program, f"ended with code {child.process.returncode} before it was ready")
            if time.monotonic() > deadline:
                raise self._failure(program, f"was not ready in {program.ready_seconds:.0f} s")
            self._turn(0.05)

    def _failure(self, program: Program, what: str) -> UnableToStart:
        self._drain()
        return UnableToStart("\n  ".join([f"{program.name} {what}. Its last lines:", *self._tails[program.name]]))

    def _drain(self) -> None:
        """Show what ended programs still have in their pipes."""
        deadline = time.monotonic() + 1
        while (ready := self._selector.select(0.05)) and time.monotonic() < deadline:
            for key, _ in ready:
                key.data()

    def _look_after(self, child: _Child) -> None:
        now = time.monotonic()
        if child.restart_at is None:
            if child.process.poll() is not None:
                self._plan_restart(child, now=now)
        elif now >= child.restart_at:
            child.process = self._spawn(child.program)
            child.started_at, child.restart_at = now, None
            self._record()

    def _plan_restart(self, child: _Child, *, now: float) -> None:
        self._end_group(child.process)  # its descendants serve nobody any more
        if now - child.started_at >= SETTLED_SECONDS:
            child.pause_seconds = FIRST_PAUSE_SECONDS
        child.restart_at = now + child.pause_seconds
        reason = f"ended with code {child.process.returncode}"
        self._log.line(child.program.name, f"{reason}; starts again in {child.pause_seconds:g} s")
        child.pause_seconds = min(child.pause_seconds * 2, self._longest_pause_seconds)

    def _stop(self, children: list[_Child]) -> None:
        """Ask these to end, wait as long as each may take, kill what is left; a second Ctrl-C shortens it."""
        running = [child for child in children if child.process.poll() is None]
        for child in reversed(running):
            child.process.send_signal(child.program.stop_signal)
        asked_at = time.monotonic()
        while left := [child for child in running if child.process.poll() is None]:
            for child in left:
                if signal.SIGINT in self._requests or time.monotonic() - asked_at > child.program.stop_seconds:
                    self._end_group(child.process)
            self._turn(0.2)
        for child in running:
            self._end_group(child.process)

    def _end_group(self, process: subprocess.Popen[bytes]) -> None:
        signal_group(process, signal.SIGKILL)
        process.wait()

    def _record(self) -> None:
        pids = {child.program.name: child.process.pid for child in self._children}
        folder.write_json(self._data / "pids.json", pids)

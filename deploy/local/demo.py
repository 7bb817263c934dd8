"""`make demo`: imports a shop's orders on durable servers, twice, and checks every figure against the source."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import django
from django.core.management import CommandError, call_command
from django.db import Error, connection

from config import env
from deploy.local import folder, product, servers
from deploy.local.log import Log
from deploy.local.processes import UnableToStart
from deploy.local.progress import Progress
from deploy.local.supervisor import Stopped, Supervisor

LIMIT_SECONDS = 600
LOOK_SECONDS = 1.0  # between two questions to the ledger, which are one query each
UNFINISHED = ("scheduled", "queued", "running", "retrying")
LOST = ("failed", "quarantined")


@dataclass(frozen=True)
class Figures:
    """What a shop's purchases come to."""

    orders: int
    customers: int
    revenue: Decimal
    linked: int
    unlinked: int


@dataclass(frozen=True)
class Import:
    """One import: what it left, how many jobs it took, and the seconds until nothing waited or ran."""

    figures: Figures
    states: Mapping[str, int]
    jobs: int
    seconds: float


def demo() -> int:
    """Show the product at work without a terminal or a browser; return 0 only if every figure agrees.

    BACKROOM_DATA may name an empty or absent folder, which is kept. Raises UnableToStart.
    """
    out = Log(sys.stdout)
    try:
        with _data_folder(out) as data, ExitStack() as stack:
            log = Log(stack.enter_context((data / "demo.log").open("w", encoding="utf-8")))
            supervisor = stack.enter_context(servers.running(data=data, log=log))
            first, second = _Demonstration(supervisor, data=data, out=out).run()
            expected = read_purchases(product.PURCHASES)
            out.say(table(expected, first=first, second=second))
            if agrees(expected, first=first, second=second):
                return 0
            raise UnableToStart("The figures do not agree.")
    except Stopped as stop:
        return 128 + stop.number


def read_purchases(file: Path) -> Figures:
    """Return the figures of a CDNOW file, read without any code of the product.

    Columns: id in the full file, id in the sample, date, number of CDs, US dollars.
    """
    rows = [line.split() for line in file.read_text(encoding="ascii").splitlines() if line.strip()]
    revenue = sum((Decimal(row[4]) for row in rows), Decimal())
    return Figures(len(rows), len({row[0] for row in rows}), revenue, linked=len(rows), unlinked=0)


def agrees(expected: Figures, *, first: Import, second: Import) -> bool:
    """Return whether both imports left exactly `expected` and lost no job."""
    lost = sum(second.states.get(state, 0) for state in LOST)
    return first.figures == expected == second.figures and lost == 0


def table(expected: Figures, *, first: Import, second: Import) -> str:
    """Return the figures side by side, and what the imports took."""
    names = {"orders": "Orders", "customers": "Customers", "revenue": "Revenue, USD"}
    names |= {"linked": "Orders with a customer", "unlinked": "Orders without one"}
    rows = [f"{'':<24}{'expected':>14}{'first import':>14}{'second import':>15}"]
    for field, name in names.items():
        wanted, once, twice = (getattr(figures, field) for figures in (expected, first.figures, second.figures))
        rows.append(f"{name:<24}{wanted:>14,}{once:>14,}{twice:>15,}")
    rows += ["", *(f"Jobs {state:<19}{count:>14,}" for state, count in second.states.items() if count or state in LOST)]
    rows += [
        f"{'Jobs per second':<24}{'':>14}{first.jobs / first.seconds:>14,.1f}{second.jobs / second.seconds:>15,.1f}"
    ]
    rows += [f"{'Seconds':<24}{'':>14}{first.seconds:>14,.1f}{second.seconds:>15,.1f}"]
    return "\n".join(["", *rows, ""])


@contextmanager
def _data_folder(out: Log) -> Iterator[Path]:
    """Make a folder for this demonstration; a failed one's logs stay."""
    if not os.environ.get("BACKROOM_DATA"):
        with folder.temporary(keep_after=UnableToStart) as data:
            try:
                yield data
            except UnableToStart:
                out.say(f"The logs are in {data}/demo.log.")
                raise
        return
    data = env.data_dir()
    folder.make(data)
    if any(data.iterdir()):
        raise UnableToStart(f"{data} is not empty; the demonstration wants a fresh folder.")
    yield data


class _Demonstration:
    """The product without its web process, told what to do through its own commands."""

    def __init__(self, supervisor: Supervisor, *, data: Path, out: Log) -> None:
        self._supervisor, self._data, self._out = supervisor, data, out
        self._deadline = time.monotonic() + LIMIT_SECONDS

    def run(self) -> tuple[Import, Import]:
        """Start everything and import twice. Raises UnableToStart when it takes too long."""
        surroundings = product.environment(self._data)
        self._out.say("Starting PostgreSQL, Redis, a simulated shop, the workers and the scheduler ...")
        shop = product.start_shop(self._supervisor, data=self._data, surroundings=surroundings)
        # This process prepares and asks by itself: each start of Django takes two seconds of a small machine.
        os.environ.update({**surroundings, **shop.surroundings})
        django.setup()
        self._prepare(*product.PREPARATION, shop.connect)
        self._supervisor.start(*product.workers(surroundings))
        return self._import("First import"), self._import("Second import, of the same orders")

    def _prepare(self, *commands: product.Command) -> None:
        for name, *arguments in commands:
            try:
                call_command(name, *arguments, stdout=StringIO())
            except (Error, CommandError) as error:
                raise UnableToStart(f"{name}: {error}") from error
            finally:
                connection.close()

    def _import(self, title: str) -> Import:
        before = self._states()
        self._ask("shoptet_sync", "orders", "--shop", "all")
        began_at = time.monotonic()
        ended_at = self._wait_until_quiet(Progress(self._out, title=title, finished_before=_finished(before)))
        states = self._states()
        jobs = _finished(states) - _finished(before)
        return Import(self._figures(), states, jobs, ended_at - began_at)

    def _wait_until_quiet(self, progress: Progress) -> float:
        """Return the moment of the first of two looks in a row at which no job waits or runs."""
        quiet_at: float | None = None
        while True:
            states, now = self._states(), time.monotonic()
            waiting = sum(states.get(state, 0) for state in UNFINISHED)
            progress.show(finished=_finished(states), waiting=waiting)
            if waiting == 0 and quiet_at is not None:
                progress.end()
                return quiet_at
            quiet_at = now if waiting == 0 else None
            self._wait()

    def _wait(self) -> None:
        if time.monotonic() > self._deadline:
            found = json.dumps(self._look("queue_stats", "--json"), indent=1)
            raise UnableToStart(f"Not finished after {LIMIT_SECONDS} s. What is left:\n{found}")
        self._supervisor.wait(LOOK_SECONDS)

    def _states(self) -> dict[str, int]:
        states: dict[str, int] = self._look("queue_stats", "--json")["states"]
        return states

    def _figures(self) -> Figures:
        found = self._look("customers_totals", "--json")
        return Figures(**{**found, "revenue": Decimal(found["revenue"])})

    def _look(self, *command: str) -> Any:
        return json.loads(self._ask(*command))

    def _ask(self, *command: str) -> str:
        """Return what a command of the product prints; a server that restarts meanwhile is waited for."""
        while True:
            try:
                return _output(lambda stream: call_command(*command, stdout=stream))
            except Error as error:
                if time.monotonic() > self._deadline:
                    raise UnableToStart(f"{command[0]}: {error}") from error
            finally:
                connection.close()
            self._supervisor.wait(LOOK_SECONDS)


def _output(write: Callable[[StringIO], object]) -> str:
    stream = StringIO()
    write(stream)
    return stream.getvalue()


def _finished(states: Mapping[str, int]) -> int:
    return sum(count for state, count in states.items() if state not in UNFINISHED)

"""Does to the running system what life does, at the planned times, and writes down each blow."""

import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psutil
from redis import RedisError

from deploy.chaos.plan import Fault, PlannedFault
from deploy.chaos.rig import SCHEDULERS, WORKERS, Rig

VICTIM_SECONDS = 3  # how long a blow waits for somebody to hit
PROCESSES = 3  # of a worker at work: the master, the one that runs jobs, and the pulse


@dataclass(frozen=True)
class _Step:
    """Something to be done so many seconds after the start."""

    at: float
    do: Callable[[], str]


class Saboteur:
    """Carries out a plan of faults while everything else goes on; which process is hit is drawn from the seed."""

    def __init__(self, rig: Rig, *, seed: int, log_file: Path, workers: Sequence[str] = WORKERS) -> None:
        self._rig, self._log_file, self._workers = rig, log_file, workers
        self._rng = random.Random(seed + 2)  # noqa: S311 -- a repeatable plan is the purpose
        self._frozen: dict[str, tuple[PlannedFault, list[psutil.Process]]] = {}

    def play(self, plan: Sequence[PlannedFault], *, started_at: float) -> None:
        """Strike every blow of the plan at its time (`started_at` is on time.monotonic's clock) and undo what lasts."""
        steps = [_Step(fault.at, partial(self._strike, fault)) for fault in plan]
        steps += [_Step(fault.at + fault.seconds, partial(self._undo, fault)) for fault in plan if fault.seconds]
        for step in sorted(steps, key=lambda step: step.at):
            self._rig.wait(max(0.0, started_at + step.at - time.monotonic()))
            self._write(f"{step.at:7.1f} s  {step.do()}")

    def _write(self, text: str) -> None:
        with self._log_file.open("a", encoding="utf-8") as lines:
            lines.write(f"{datetime.now(UTC):%H:%M:%S.%f} {text}\n")

    def _strike(self, fault: PlannedFault) -> str:
        blows: dict[Fault, Callable[[PlannedFault], str]] = {
            Fault.CHILD: self._kill_child,
            Fault.TREE: self._kill_tree,
            Fault.SCHEDULER: self._kill_scheduler,
            Fault.REDIS: self._kill_redis,
            Fault.FLUSH: self._flush,
            Fault.BACKEND: self._kill_backend,
            Fault.IMMEDIATE: self._stop_immediately,
            Fault.FREEZE: self._freeze,
        }
        return f"{fault.kind}: {blows[fault.kind](fault)}"

    def _undo(self, fault: PlannedFault) -> str:
        match fault.kind:
            case Fault.REDIS:
                self._rig.hold_redis_down(is_down=False)
                return f"Redis may come back after {fault.seconds} s"
            case _:
                return f"goes on: {_signal(self._thaw(fault), signal.SIGCONT)}"

    def _kill_child(self, _: PlannedFault) -> str:
        self._rig.wait_until(lambda: bool(self._children()), seconds=VICTIM_SECONDS)
        children = self._children()
        return _signal([self._rng.choice(children)] if children else [], signal.SIGKILL)

    def _children(self) -> list[psutil.Process]:
        return [child for name in self._awake() for child in self._rig.worker_children(name)]

    def _awake(self) -> list[str]:
        """Return the workers that are not frozen: those must live to see that they were given up."""
        return [name for name in self._workers if name not in self._frozen]

    def _kill_tree(self, _: PlannedFault) -> str:
        return _signal(self._rig.tree(self._rng.choice(self._awake() or [*self._workers])), signal.SIGKILL)

    def _kill_scheduler(self, _: PlannedFault) -> str:
        return _signal(self._rig.tree(self._rng.choice(SCHEDULERS)), signal.SIGKILL)

    def _kill_redis(self, _: PlannedFault) -> str:
        self._rig.hold_redis_down(is_down=True)
        return _signal(self._rig.tree("redis")[:1], signal.SIGKILL)

    def _flush(self, _: PlannedFault) -> str:
        try:
            with self._rig.redis() as client:
                return f"{client.flushall()}"
        except RedisError as error:
            return f"not reached, {error}"

    def _kill_backend(self, _: PlannedFault) -> str:
        backends = [process for process in self._rig.tree("postgres")[1:] if _serves_a_client(process)]
        return _signal([self._rng.choice(backends)] if backends else [], signal.SIGKILL)

    def _stop_immediately(self, _: PlannedFault) -> str:
        return _signal(self._rig.tree("postgres")[:1], signal.SIGQUIT)  # what pg_ctl sends

    def _freeze(self, fault: PlannedFault) -> str:
        self._rig.wait_until(lambda: bool(self._at_work()), seconds=VICTIM_SECONDS)
        name = self._rng.choice(self._at_work() or [*self._workers])
        self._frozen[name] = (fault, self._rig.tree(name))
        return _signal(self._frozen[name][1], signal.SIGSTOP)

    def _at_work(self) -> list[str]:
        return [name for name in self._awake() if len(self._rig.tree(name)) >= PROCESSES]

    def _thaw(self, fault: PlannedFault) -> list[psutil.Process]:
        """Return the processes that this fault froze, which are free again."""
        names = [name for name, (cause, _) in self._frozen.items() if cause is fault]
        return [process for name in names for process in self._frozen.pop(name)[1]]


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> str:
    """Send the signal to each; return the ids of those that got it."""
    hit = []
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)
            hit.append(str(process.pid))
    return f"{number.name} to {' '.join(hit) or 'nobody: it is dead at the moment'}"


def _serves_a_client(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "[local]" in " ".join(process.cmdline())
    return False

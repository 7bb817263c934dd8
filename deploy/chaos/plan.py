"""What a run sends and what befalls it, all of it drawn from one seed: the same seed plans the same run."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

BATCH_JOBS = 200  # jobs of one of the producer's transactions
MAX_ATTEMPTS = 3  # of a job that always fails
MAX_CRASHES = 3  # starts of a job that kills its worker


class Kind(StrEnum):
    """What a job does."""

    EFFECT = "effect"
    """One row, committed together with the job's end."""
    EXTERNAL = "external"
    """A line in a file, which stands for a call to somebody else's system."""
    FAIL_ONCE = "fail_once"
    SCHEDULED = "scheduled"
    SLOW = "slow"
    ALWAYS_FAIL = "always_fail"
    POISON = "poison"
    """Kills its worker, each time."""


GUILTY = (Kind.ALWAYS_FAIL, Kind.POISON)


class Fault(StrEnum):
    """What is done to the running system."""

    CHILD = "kill -9 of a worker child"
    TREE = "kill -9 of a worker with all its processes"
    SCHEDULER = "kill -9 of a scheduler"
    REDIS = "kill -9 of Redis"
    FLUSH = "FLUSHALL"
    BACKEND = "kill -9 of a PostgreSQL backend"
    IMMEDIATE = "pg_ctl stop -m immediate"
    FREEZE = "SIGSTOP of a worker with all its processes"


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is sent, how much is broken, and how long the parts without faults are."""

    name: str
    jobs: int
    load_seconds: float
    faults: dict[Fault, int]
    first_fault_at: float
    last_fault_at: float
    poison: int
    longest_delay: float
    """Seconds that a scheduled job waits at most."""
    drain_seconds: float
    """After the start of the load, at most."""
    bell_seconds: int
    """After which a bell that nobody answered is rung again."""
    rate: int
    """Jobs a second at least, undisturbed and on two cores of one's own; a smoke run only looks for disasters."""
    send_ms: int
    """What 99 of 100 sends take at most while Redis is away; the slowest of a smoke run is the machine's fault."""
    control_jobs: int
    flushed_jobs: int
    outage_seconds: float
    terms: int
    kills: int


SMOKE = Size(
    name="smoke",
    jobs=10_000,
    load_seconds=20,
    faults={
        Fault.CHILD: 4,
        Fault.TREE: 1,
        Fault.SCHEDULER: 1,
        Fault.REDIS: 2,
        Fault.FLUSH: 1,
        Fault.BACKEND: 1,
        Fault.IMMEDIATE: 1,
        Fault.FREEZE: 1,
    },
    first_fault_at=3,
    last_fault_at=22,
    poison=1,
    longest_delay=12,
    drain_seconds=180,
    bell_seconds=2,
    rate=150,
    send_ms=150,
    control_jobs=2_000,
    flushed_jobs=1_000,
    outage_seconds=3,
    terms=2,
    kills=1,
)
FULL = Size(
    name="full",
    jobs=100_000,
    load_seconds=90,
    faults={
        Fault.CHILD: 20,
        Fault.TREE: 6,
        Fault.SCHEDULER: 6,
        Fault.REDIS: 5,
        Fault.FLUSH: 1,
        Fault.BACKEND: 3,
        Fault.IMMEDIATE: 2,
        Fault.FREEZE: 3,
    },
    first_fault_at=4,
    last_fault_at=105,
    poison=10,
    longest_delay=60,
    drain_seconds=420,
    bell_seconds=5,
    rate=500,
    send_ms=50,
    control_jobs=10_000,
    flushed_jobs=10_000,
    outage_seconds=60,
    terms=20,
    kills=3,
)
SIZES = {size.name: size for size in (SMOKE, FULL)}


@dataclass(frozen=True)
class PlannedJob:
    """One job: its number, what it does, and the seconds that it sleeps (slow) or waits (scheduled)."""

    number: int
    kind: Kind
    seconds: float = 0


@dataclass(frozen=True)
class Batch:
    """One transaction of the producer, due so many seconds after the start."""

    number: int
    at: float
    jobs: Sequence[PlannedJob]
    is_rolled_back: bool = False
    repeats: Sequence[PlannedJob] = field(default=())
    """Jobs of this batch that are sent a second time, under the key that the first one holds."""


@dataclass(frozen=True)
class PlannedFault:
    """One fault, due so many seconds after the start; `seconds` is how long it lasts."""

    at: float
    kind: Fault
    seconds: float = 0


def plan_batches(size: Size, *, seed: int) -> list[Batch]:
    """Return the producer's transactions by time; one in twenty is there to be rolled back."""
    rng = random.Random(seed)  # noqa: S311 -- a repeatable plan is the purpose
    kept = size.jobs // BATCH_JOBS
    doomed = max(1, kept // 20)
    kinds = _kinds(size, rng)
    kinds += [Kind.EFFECT] * (doomed * BATCH_JOBS)
    chunks = [kinds[start : start + BATCH_JOBS] for start in range(0, len(kinds), BATCH_JOBS)]
    order = list(range(len(chunks)))
    rng.shuffle(order)
    step = size.load_seconds / len(chunks)
    return [
        _batch(number, at=place * step, kinds=chunks[number], is_rolled_back=number >= kept, size=size, rng=rng)
        for place, number in enumerate(order)
    ]


def _kinds(size: Size, rng: random.Random) -> list[Kind]:
    counts = {
        Kind.EXTERNAL: size.jobs * 8 // 100,
        Kind.FAIL_ONCE: size.jobs * 5 // 100,
        Kind.SCHEDULED: size.jobs * 5 // 100,
        Kind.SLOW: size.jobs * 2 // 100,
        Kind.ALWAYS_FAIL: size.jobs // 1_000,
        Kind.POISON: size.poison,
    }
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    kinds += [Kind.EFFECT] * (size.jobs - len(kinds))
    rng.shuffle(kinds)
    return kinds


def _batch(
    number: int, *, at: float, kinds: Sequence[Kind], is_rolled_back: bool, size: Size, rng: random.Random
) -> Batch:
    first = number * BATCH_JOBS
    jobs = [PlannedJob(first + place, kind, _seconds(kind, size, rng)) for place, kind in enumerate(kinds)]
    return Batch(number, at, jobs, is_rolled_back, repeats=rng.sample(jobs, BATCH_JOBS // 100))


def _seconds(kind: Kind, size: Size, rng: random.Random) -> float:
    if kind is Kind.SCHEDULED:
        return round(rng.uniform(5, size.longest_delay), 1)
    # From 0.2 to 3 s, most of them short: 0.7 s on average.
    return round(float(0.2 * 15 ** (rng.random() ** 2)), 2) if kind is Kind.SLOW else 0


def plan_faults(size: Size, *, seed: int) -> list[PlannedFault]:
    """Return the faults by time."""
    rng = random.Random(seed + 1)  # noqa: S311 -- a repeatable plan is the purpose
    kinds = [kind for kind, count in size.faults.items() for _ in range(count)]
    rng.shuffle(kinds)
    times = sorted(round(rng.uniform(size.first_fault_at, size.last_fault_at), 1) for _ in kinds)
    return [PlannedFault(at, kind, _length(kind, rng)) for at, kind in zip(times, kinds, strict=True)]


def _length(kind: Fault, rng: random.Random) -> float:
    if kind is Fault.FREEZE:
        return 10
    return round(rng.uniform(0.3, 6), 1) if kind is Fault.REDIS else 0

"""Limits beside a simple model of them: whatever is sent, heard, lost, paused or dies, none is ever passed."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import transaction
from django.test import TestCase
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from modules.jobs import services
from modules.jobs.clients import Bell
from modules.jobs.domain import Failure, Outcome
from modules.jobs.models import Job, Worker
from modules.jobs.services import _gates
from modules.kernel.ids import uuid7
from tests.support import actors, lanes  # noqa: F401 -- registers the actors
from tests.support.database_clock import DatabaseClock

pytestmark = pytest.mark.slow

QUEUES = ("default", "low")
LANES = (*QUEUES, "quarantine")
HOURS = 2 * 3600
ANY = st.integers(0, 40)
"""Which one of those that there are, counted around."""

GATES = [
    *[("queue", "default"), ("queue", "*"), ("actor", "tests.note"), ("actor", "*"), ("tenant", "1"), ("tenant", "*")],
    *[("resource", "shop:1"), ("resource", "*")],
]
RATES = st.tuples(st.integers(1, 4), st.sampled_from([1, 5, 60]))
LIMITS = st.dictionaries(
    st.sampled_from(GATES),
    st.tuples(st.integers(1, 3), st.none()) | st.tuples(st.none(), RATES) | st.tuples(st.integers(1, 3), RATES),
    min_size=1,
    max_size=3,
)
KINDS = st.tuples(
    st.sampled_from(["tests.note", "tests.refresh"]),
    st.sampled_from(QUEUES),
    st.sampled_from([None, 1, 2]),
    st.sampled_from(["", "shop:1", "shop:2"]),
)
PAUSES = st.sampled_from([("queue", "low"), ("actor", "tests.note"), ("tenant", "1"), ("resource", "shop:2")])
HOW = st.sampled_from(["succeed", "retry", "release"])


@dataclass
class Sent:
    """A job as its sender knows it, and where its start is."""

    keys: list[tuple[str, str]]
    start: object = None
    worker: UUID | None = None
    is_over: bool = False


@dataclass
class Limited:
    """What a limit says, and what the model saw behind it, for each key by itself."""

    max_running: int | None
    rate: tuple[int, int] | None
    started: dict[str, list] = field(default_factory=lambda: defaultdict(list))


class Limits(RuleBasedStateMachine):
    """Two workers and few gates, so that jobs meet; PostgreSQL's clock is not this host's."""

    @initialize(limits=LIMITS, ahead=st.sampled_from([-3600, 0, 3600]), kinds=st.lists(KINDS, min_size=3, max_size=6))
    def begin(self, limits, ahead, kinds):
        self.block = transaction.atomic()
        self.block.__enter__()
        lanes.empty()
        self.clock = DatabaseClock(ahead_seconds=ahead)
        self.jobs: dict[UUID, Sent] = {}
        self.limits: dict[tuple[str, str], Limited] = {}
        self.heard: list[tuple[UUID, int]] = []
        self.pauses = set()
        self.workers = [self.register(), self.register()]
        for (kind, value), (most, rate) in limits.items():
            count, seconds = rate or (None, None)
            services.set_limit(kind=kind, value=value, max_running=most, rate_count=count, rate_seconds=seconds)
            self.limits[kind, value] = Limited(most, rate)
        self.send(kinds)

    def teardown(self):
        if not hasattr(self, "block"):
            return
        try:
            self.get_everything_done()
        finally:
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    def register(self):
        worker_id = uuid7()
        services.register_worker(worker_id=worker_id, hostname="box", pid=1, queues=list(LANES), threads=2)
        Worker.objects.filter(id=worker_id).update(lease_until=self.clock.now + timedelta(days=99))
        return worker_id

    @rule(kinds=st.lists(KINDS, min_size=1, max_size=4))
    def send(self, kinds):
        _gates._snapshot.read_at = float("-inf")
        for actor, queue, tenant, resource in kinds:
            keys = [("queue", queue), ("actor", actor), ("tenant", str(tenant)), ("resource", resource)]
            with committed():
                job_id = services.enqueue(
                    actor, kwargs={"word": "x"}, queue=queue, tenant_id=tenant, resource=resource, max_attempts=9
                )
            self.jobs[job_id] = Sent([key for key in keys if key[1] not in {"", "None"}])

    @rule()
    def dispatch(self):
        with committed():
            services.dispatch()
        for job in self.running():
            if job.worker not in self.workers:
                job.start = None

    @rule(lane=st.sampled_from(LANES), worker=ANY)
    def hear(self, lane, worker):
        for entry in lanes.take_all(lane):
            job_id, fence, _actor = entry.split(":")
            self.heard.append((UUID(job_id), int(fence)))
            self.answer(self.heard[-1], worker)

    @precondition(lambda self: self.heard)
    @rule(at=ANY, worker=ANY)
    def hear_an_old_bell(self, at, worker):
        self.answer(pick(self.heard, at), worker)

    def answer(self, bell, worker):
        job_id, fence = bell
        job, worker_id = self.jobs[job_id], pick(self.workers, worker)
        start = services.claim(Bell(job_id, fence, "", ""), worker_id=worker_id, time_limit=timedelta(days=9))
        if start is not None:
            assert job.start is None
            assert not job.is_over
            job.start, job.worker = start, worker_id
            self.note_start(job)

    def note_start(self, job):
        """Compare with every limit on the job's way."""
        running = Counter(key for other in self.running() for key in other.keys)
        for kind, value in job.keys:
            for limit in [self.limits[gate] for gate in ((kind, value), (kind, "*")) if gate in self.limits]:
                limit.started[value].append(self.clock.now)
                if limit.max_running:
                    assert running[kind, value] <= limit.max_running
                if limit.rate:
                    count, seconds = limit.rate
                    last = limit.started[value][-count - 1 :]
                    assert len(last) <= count or last[-1] - last[0] >= timedelta(seconds=seconds)

    @precondition(lambda self: self.running())
    @rule(at=ANY, how=HOW)
    def end(self, at, how):
        self.finish(pick(self.running(), at), how)

    def finish(self, job, how="succeed"):
        with committed():
            END[how](job.start)
        job.start, job.is_over = None, how == "succeed"

    @rule(at=ANY)
    def lose_a_worker(self, at):
        """Its jobs run on, as far as the world outside can tell, until others have taken over."""
        gone = self.workers.pop(at % len(self.workers))
        Worker.objects.filter(id=gone).update(lease_until=self.clock.now - timedelta(days=1))
        self.workers.append(self.register())

    @rule()
    def lose_bells(self):
        lanes.empty()

    @rule(seconds=st.sampled_from([0.01, 0.3, 0.5, 0.98, 1, 1.5, 4.9, 5.1, 30, 59, 61]))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(gate=PAUSES)
    def pause(self, gate):
        services.pause(kind=gate[0], value=gate[1], now=self.clock.now)
        self.pauses.add(gate)

    @precondition(lambda self: self.pauses)
    @rule(at=ANY)
    def resume(self, at):
        gate = pick(sorted(self.pauses), at)
        services.resume(kind=gate[0], value=gate[1])
        self.pauses.discard(gate)

    @rule()
    def let_workers_do_all_they_can(self):
        """As it is when all goes well, and where a rate is used up."""
        self.dispatch()
        for lane in LANES:
            self.hear(lane, 0)

    def get_everything_done(self):
        """When nobody is in the way any more, each round ends a job: no limit is held by what does not run."""
        while self.pauses:
            self.resume(0)
        while waiting := [job for job in self.jobs.values() if not job.is_over]:
            for job in self.running():
                self.finish(job)
            self.clock.advance(HOURS)
            self.let_workers_do_all_they_can()
            for job in self.running():
                self.finish(job)
            dead = set(Job.objects.filter(state="quarantined").values_list("id", flat=True))
            for job_id in dead:
                self.jobs[job_id].is_over = True
            assert sum(not job.is_over for job in self.jobs.values()) < len(waiting)

    def running(self):
        return [job for job in self.jobs.values() if job.start is not None]


ERROR = Failure("ValueError", "no luck", "", "f" * 16)
END = {
    "succeed": services.succeed,
    "retry": lambda start: services.retry(start, ERROR, delay=timedelta(seconds=5), outcome=Outcome.FAILED),
    "release": services.release,
}


def pick(found, at):
    return list(found)[at % len(found)]


def committed():
    """Let what waits for the commit happen at the block's end, though the example is rolled back as a whole."""
    return TestCase.captureOnCommitCallbacks(execute=True)


@pytest.mark.django_db
def test_no_limit_is_ever_passed_and_none_holds_a_job_for_good():
    run_state_machine_as_test(
        Limits,
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

"""The real ledger beside a model of it: whatever workers, operators, clocks and crashes do, in whatever order."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import dramatiq
import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test import TestCase
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from modules.jobs import selectors, services
from modules.jobs.clients import Bell
from modules.jobs.domain import ENDED, Failure, Outcome
from modules.jobs.models import Job, Worker
from modules.jobs.services import LostFence, _gates
from modules.kernel.ids import uuid7
from tests.support import actors  # noqa: F401 -- registers them
from tests.support.lanes import is_rabbitmq

pytestmark = pytest.mark.slow

QUEUES = ("default", "low")
LANES = (*QUEUES, "quarantine")
MAX_ATTEMPTS = {"tests.note": 3, "tests.refresh": 2}
DEAD, ENDS = {"failed", "quarantined"}, {str(state) for state in ENDED}
KINDS = st.tuples(
    st.sampled_from(sorted(MAX_ATTEMPTS)),
    st.sampled_from(QUEUES),
    st.sampled_from([None, None, "a", "b"]),  # unique key
    st.sampled_from([None, 1, 2]),  # tenant
    st.booleans(),  # later
)
HOW = st.sampled_from(["succeed", "retry", "fail", "snooze", "release", "stop"])
ANY = st.integers(0, 40)
"""Which one of those that there are, counted around."""


@dataclass
class Expected:
    """What the ledger should say of one job."""

    actor: str
    queue: str
    tenant: int | None
    state: str
    key: str | None
    attempt: int = 0
    fence: int = 0
    crashes: int = 0
    is_due: bool = False
    is_over_time: bool = False
    is_cancel_requested: bool = False
    worker: UUID | None = None
    checkpoint: int | None = None
    written_by: int | None = None
    """The start that wrote the result."""
    outcomes: list[str] = field(default_factory=list)

    def end_run(self, outcome, state, *, attempts_back=0):
        if self.is_cancel_requested and state not in ENDS:
            state, attempts_back = "cancelled", 0
        self.outcomes.append(outcome)
        self.attempt -= attempts_back
        self.is_due = self.is_over_time = False
        self.become(state)

    def become(self, state):
        self.state = state
        if state in ENDS:
            self.key = None

    def row(self):
        ended = self.state in ENDS
        return (
            *(self.state, self.attempt, self.fence, self.crashes, self.key, ended, self.is_cancel_requested),
            *(self.checkpoint, self.written_by, self.outcomes),
        )


ROWS = """SELECT id, state, attempt, fence, crashes, unique_key, finished_at IS NOT NULL,
        cancel_requested_at IS NOT NULL, checkpoint::int, (result->>'start')::int,
        ARRAY(SELECT outcome::text FROM jobs_attempt WHERE job_id = jobs_job.id ORDER BY number)
    FROM jobs_job"""


class Ledger(RuleBasedStateMachine):
    """Two workers, two queues, few keys and tenants, so that they meet."""

    def __init__(self):
        super().__init__()
        self.jobs: dict[UUID, Expected] = {}
        self.starts = []  # every start that a worker was ever given, also those that no longer count
        self.bells = []  # every bell that was ever heard
        self.pauses = set()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.lose_bells()

    def teardown(self):
        transaction.set_rollback(True)
        self.block.__exit__(None, None, None)

    @initialize(kinds=st.lists(KINDS, min_size=3, max_size=6))
    def start(self, kinds):
        self.workers = {}
        for _ in "ab":
            self.start_worker()
        for kind in kinds:
            self.send(*kind)

    def start_worker(self):
        worker_id = uuid7()
        services.register_worker(worker_id=worker_id, hostname="box", pid=1, queues=list(LANES), threads=2)
        self.set_lease(worker_id, is_alive=True)

    def set_lease(self, worker_id, *, is_alive):
        until = timezone.now() + timedelta(days=1 if is_alive else -1)
        Worker.objects.filter(id=worker_id).update(lease_until=until)
        self.workers[worker_id] = is_alive

    # What clients do.

    @rule(kinds=st.lists(KINDS, min_size=1, max_size=3))
    def send_some(self, kinds):
        for kind in kinds:
            self.send(*kind)

    def send(self, actor, queue, key, tenant, is_later):
        delay = timedelta(hours=1) if is_later else None
        holder = next((job_id for job_id, job in self.jobs.items() if key and job.key == key), None)
        _gates._snapshot.read_at = float("-inf")

        with committed():
            job_id = services.enqueue(
                actor, kwargs={"word": "x"}, queue=queue, unique_key=key, tenant_id=tenant, delay=delay
            )

        if holder is not None:
            assert job_id == holder
        else:
            assert job_id not in self.jobs
            self.jobs[job_id] = Expected(actor, queue, tenant, "scheduled" if is_later else "queued", key)

    # What workers do.

    @rule(bells=st.lists(st.tuples(ANY, ANY), min_size=1, max_size=3))
    def hear_some(self, bells):
        for at, worker in bells:
            self.hear(at, worker)

    def hear(self, at, worker):
        if waiting := lanes():
            lane, entry = pick(waiting, at)
            dramatiq.get_broker().bell_client.lrem(dramatiq.get_broker().lane_name(lane), 1, entry)
            job_id, fence, _actor = entry.split(":")
            self.bells.append((UUID(job_id), int(fence)))
            self.answer(self.bells[-1], worker)

    @precondition(lambda self: self.bells)
    @rule(at=ANY, worker=ANY)
    def hear_an_old_bell(self, at, worker):
        self.answer(pick(self.bells, at), worker)

    def answer(self, bell, worker):
        job_id, fence = bell
        worker_id = pick(self.workers, worker)
        job = self.jobs.get(job_id)
        may_start = job is not None and job.state == "queued" and job.fence == fence and not self.is_paused(job)
        # A job that nobody has rung for since it was queued has its gates still before it: an old bell is no pass.
        may_start = may_start and Job.objects.filter(id=job_id, dispatched_at__isnull=False).exists()

        start = services.claim(Bell(job_id, fence, "", ""), worker_id=worker_id, time_limit=timedelta(minutes=5))

        assert (start is not None) == may_start
        if start is not None:
            job.fence, job.attempt, job.worker = job.fence + 1, job.attempt + 1, worker_id
            job.key = None if job.actor == "tests.refresh" else job.key
            job.become("running")
            assert (start.fence, start.attempt) == (job.fence, job.attempt)
            self.starts.append(start)

    @precondition(lambda self: self.starts)
    @rule(at=ANY, how=HOW)
    def end(self, at, how):
        start = pick(self.starts, at)
        job = self.holder(start)
        try:
            with committed():
                END[how](start)
        except LostFence:
            assert job is None
        else:
            assert job is not None
            outcome, state, attempts_back = ENDED_AS[how]
            job.end_run(outcome, state, attempts_back=attempts_back)
            job.written_by = start.fence if how == "succeed" else job.written_by

    @precondition(lambda self: self.starts)
    @rule(at=ANY, cursor=st.integers(1, 3))
    def reach_a_checkpoint(self, at, cursor):
        start = pick(self.starts, at)
        job = self.holder(start)

        may_go_on = services.save_checkpoint(start, cursor)

        assert may_go_on == (job is not None and not job.is_cancel_requested)
        if job is not None:
            job.crashes = job.crashes if job.checkpoint == cursor else 0
            job.checkpoint = cursor

    def holder(self, start):
        """Return the job if this start of it still counts."""
        job = self.jobs.get(start.id)
        return job if job is not None and job.state == "running" and job.fence == start.fence else None

    @rule(at=ANY)
    def crash(self, at):
        self.set_lease(pick(self.workers, at), is_alive=False)

    @rule(at=ANY)
    def thaw(self, at):
        """A worker that was only frozen renews its lease and knows nothing of what it lost."""
        self.set_lease(pick(self.workers, at), is_alive=True)

    @rule(at=ANY, how=HOW)
    def freeze_until_others_have_taken_over(self, at, how):
        self.crash(at)
        self.dispatch()
        while lanes():
            self.hear(0, at + 1)
        self.thaw(at)
        for number, start in enumerate(self.starts):
            if not self.holder(start):
                self.end(number, how)

    @rule(at=ANY)
    def stop_a_worker_in_good_order(self, at):
        worker_id = pick(self.workers, at)
        held = [job for job in self.running() if job.worker == worker_id]

        assert services.retire_worker(worker_id=worker_id) == len(held)

        for job in held:
            job.end_run("released", "queued", attempts_back=1)
        del self.workers[worker_id]
        self.start_worker()

    # What time and the dispatcher do.

    @rule(are_bells_lost=st.booleans())
    def let_hours_pass(self, are_bells_lost):
        if are_bells_lost:
            self.lose_bells()
        Job.objects.update(
            run_at=F("run_at") - timedelta(hours=2), dispatched_at=F("dispatched_at") - timedelta(hours=2)
        )
        for job in self.jobs.values():
            job.is_due = job.is_due or job.state in {"scheduled", "retrying"}
        self.dispatch()

    @rule(at=ANY)
    def run_over_time(self, at):
        if running := self.running():
            job = pick(running, at)
            Job.objects.filter(id=self.id_of(job)).update(deadline_at=timezone.now() - timedelta(minutes=1))
            job.is_over_time = True

    def lose_bells(self):
        dramatiq.get_broker().bell_client.flushdb()

    @rule()
    def dispatch(self):
        before = Counter(job.state for job in self.jobs.values())
        with committed():
            done = services.dispatch()

        for job in self.running():
            self.rescue(job)
        promoted = [job for job in self.jobs.values() if job.state in {"scheduled", "retrying"} and job.is_due]
        for job in promoted:
            job.become("queued")
        after = Counter(job.state for job in self.jobs.values())
        assert (done.promoted, done.quarantined) == (len(promoted), after["quarantined"] - before["quarantined"])
        assert set(selectors.ledger_imbalance().values()) == {0}

    def rescue(self, job):
        is_lost = not self.workers.get(job.worker)
        if job.is_cancel_requested and (is_lost or job.is_over_time):
            job.end_run("cancelled", "cancelled")
        elif is_lost:
            job.crashes += 1
            if job.crashes == 3:
                job.end_run("crashed", "quarantined")
            else:
                job.end_run("crashed", "queued", attempts_back=1)
        elif job.is_over_time:
            job.end_run("timed_out", "failed" if job.attempt >= MAX_ATTEMPTS[job.actor] else "retrying")

    @precondition(lambda self: len(self.jobs) > 8)
    @rule()
    def get_everything_done(self):
        """Nobody helps a job but bells and the dispatcher: one that neither wakes is lost."""
        for kind, value in sorted(self.pauses):
            self.resume((kind, value))
        for worker_id in self.workers:
            self.set_lease(worker_id, is_alive=True)
        for _ in range(3):
            for at, start in enumerate(self.starts):
                if self.holder(start):
                    self.end(at, "succeed")
            self.let_hours_pass(are_bells_lost=True)
            while lanes():
                self.hear(0, 0)
        for at, _start in enumerate(self.starts):
            self.end(at, "succeed")

        assert [job for job in self.jobs.values() if job.state not in ENDS] == []

    # What operators do.

    @precondition(lambda self: self.jobs)
    @rule(at=ANY)
    def cancel(self, at):
        job = pick(self.jobs.values(), at)
        with committed():
            count = services.cancel([self.id_of(job)])

        is_asked = job.state == "running" and not job.is_cancel_requested
        assert count == (is_asked or job.state in {"scheduled", "queued", "retrying"})
        if job.state == "running":
            job.is_cancel_requested = True
        elif job.state not in ENDS:
            job.become("cancelled")

    @precondition(lambda self: any(job.state in DEAD for job in self.jobs.values()))
    @rule(is_replayed=st.booleans(), at=ANY)
    def replay_or_discard(self, is_replayed, at):
        chosen = [pick(self.jobs.values(), at), pick(self.jobs.values(), at + 1)]
        act = services.replay if is_replayed else services.discard
        dead = {self.id_of(job): job for job in chosen if job.state in DEAD}
        with committed():
            count = act([self.id_of(job) for job in chosen])

        assert count == len(dead)
        for job in dead.values():
            job.become("queued" if is_replayed else "cancelled")
            if is_replayed:
                job.attempt = job.crashes = 0
                job.is_cancel_requested = False

    @rule(gate=st.sampled_from([("queue", "low"), ("tenant", "1"), ("actor", "tests.refresh")]))
    def pause(self, gate):
        assert services.pause(kind=gate[0], value=gate[1], now=timezone.now()) == (gate not in self.pauses)
        self.pauses.add(gate)

    @precondition(lambda self: self.pauses)
    @rule(gate=st.sampled_from([("queue", "low"), ("tenant", "1"), ("actor", "tests.refresh")]))
    def resume(self, gate):
        assert services.resume(kind=gate[0], value=gate[1]) == (gate in self.pauses)
        self.pauses.discard(gate)

    @rule(limit=st.integers(1, 4))
    def prune(self, limit):
        old = sorted(job_id for job_id, job in self.jobs.items() if job.state in ENDS)[:limit]
        later = timezone.now() + timedelta(days=1)

        assert services.prune(ended_before=later, states=ENDED, limit=limit) == len(old)

        for job_id in old:
            del self.jobs[job_id]

    # What always holds.

    @invariant()
    def the_ledger_says_what_the_model_says(self):
        with connection.cursor() as cursor:
            cursor.execute(ROWS)
            rows = {row[0]: row[1:] for row in cursor.fetchall()}
        assert rows == {job_id: job.row() for job_id, job in self.jobs.items()}

    @invariant()
    def each_start_is_either_running_or_has_ended_once(self):
        for job in self.jobs.values():
            assert job.fence == len(job.outcomes) + (job.state == "running")
            assert 0 <= job.attempt <= MAX_ATTEMPTS[job.actor] or job.state == "queued"

    @invariant()
    def no_two_jobs_hold_a_key(self):
        keys = [job.key for job in self.jobs.values() if job.key]
        assert len(keys) == len(set(keys))

    def running(self):
        return [job for job in self.jobs.values() if job.state == "running"]

    def is_paused(self, job):
        mine = {("queue", job.queue), ("actor", job.actor), ("tenant", str(job.tenant))}
        return bool(self.pauses & mine)

    def id_of(self, wanted):
        return next(job_id for job_id, job in self.jobs.items() if job is wanted)


ERROR = Failure("ValueError", "no luck", "", "f" * 16)
END = {
    "succeed": lambda start: services.succeed(start, result={"start": start.fence}),
    "retry": lambda start: services.retry(start, ERROR, delay=timedelta(hours=1), outcome=Outcome.FAILED),
    "fail": lambda start: services.fail(start, ERROR),
    "snooze": lambda start: services.snooze(start, ERROR, delay=timedelta(hours=1)),
    "release": services.release,
    "stop": services.stop,
}
ENDED_AS = {
    "succeed": ("succeeded", "succeeded", 0),
    "retry": ("failed", "retrying", 0),
    "fail": ("failed", "failed", 0),
    "snooze": ("snoozed", "scheduled", 1),
    "release": ("released", "queued", 1),
    "stop": ("cancelled", "cancelled", 0),
}


def pick(found, at):
    found = list(found)
    return found[at % len(found)]


def lanes():
    """Return the bells that wait: lane and entry."""
    broker = dramatiq.get_broker()
    return [
        (lane, entry.decode()) for lane in LANES for entry in broker.bell_client.lrange(broker.lane_name(lane), 0, -1)
    ]


def committed():
    """Let what waits for the commit happen at the block's end, though the example is rolled back as a whole."""
    return TestCase.captureOnCommitCallbacks(execute=True)


@pytest.mark.django_db
@pytest.mark.skipif(is_rabbitmq(), reason="takes single bells out of the middle of a lane, which only Redis allows")
def test_the_ledger_and_its_model_agree_whatever_happens():
    run_state_machine_as_test(
        Ledger,
        settings=settings(
            max_examples=8, stateful_step_count=35, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

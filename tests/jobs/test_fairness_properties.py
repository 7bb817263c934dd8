"""Turns beside a simple model of them: whoever sends what, nobody waits for those who sent more, or came later."""

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from django.test import TestCase, override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modules.jobs import clients, services
from modules.jobs.clients import Bell
from modules.jobs.models import Worker
from modules.kernel.ids import uuid7
from tests.support import actors, lanes  # noqa: F401 -- registers the actors
from tests.support.database_clock import DatabaseClock

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

PATIENCE = 60


def examples(count):
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Sent:
    """A job as its sender knows it."""

    id: UUID
    priority: int
    tenant: int
    """0 for nobody's."""
    at: datetime


class Platform:
    """The real dispatcher, with workers that take every bell at once and end jobs when they are told to."""

    def __init__(self, *, ahead_seconds=0):
        lanes.empty()
        self.clock = DatabaseClock(ahead_seconds=ahead_seconds)
        self.waiting: dict[UUID, Sent] = {}
        self.running = []
        self.worker_id = uuid7()
        services.register_worker(worker_id=self.worker_id, hostname="b", pid=1, queues=["default"], threads=4)
        Worker.objects.update(lease_until=self.clock.now + timedelta(days=9))
        clients._full_until["default"] = float("inf")  # as after a flood: only the dispatcher rings

    def send(self, priority, tenant, count=1):
        requests = [
            services.JobRequest(actor="tests.note", kwargs={"word": "x"}, priority=priority, tenant_id=tenant or None)
        ] * count
        for job_id in services.enqueue_many(requests):
            self.waiting[job_id] = Sent(job_id, priority, tenant, self.clock.now)

    def make_a_pass(self, *, room):
        """Return the jobs that it rings for, in the order of their turns."""
        with (
            override_settings(JOBS={**django_settings.JOBS, "LANE_LENGTH": room, "PATIENCE_SECONDS": PATIENCE}),
            TestCase.captureOnCommitCallbacks(execute=True),
        ):
            services.dispatch()
        rung = []
        for entry in lanes.take_all():
            job_id, fence, actor = entry.split(":")
            bell = Bell(UUID(job_id), int(fence), actor, "default")
            start = services.claim(bell, worker_id=self.worker_id, time_limit=timedelta(days=1))
            rung.append(self.waiting.pop(bell.job_id))
            self.running.append((rung[-1].tenant, start))
        return rung

    def end(self, count):
        ended, self.running = self.running[:count], self.running[count:]
        services.succeed_many([services.Success(start) for _, start in ended])


@contextmanager
def platform(**options):
    with transaction.atomic():
        try:
            yield Platform(**options)
        finally:
            transaction.set_rollback(True)
            clients._full_until.clear()


SENDS = st.lists(st.tuples(st.sampled_from([0, 5]), st.integers(0, 4), st.integers(1, 12)), max_size=5)
STEPS = st.lists(
    st.tuples(SENDS, st.integers(1, 12), st.integers(0, 9), st.sampled_from([0, 1, 29, 61])), min_size=2, max_size=9
)


@examples(25)
@given(steps=STEPS, ahead=st.sampled_from([-3600, 0, 3600]))
def test_each_turn_is_of_the_first_priority_and_the_least_busy_tenant_or_of_the_most_patient(steps, ahead):
    with platform(ahead_seconds=ahead) as real:
        turns = 0
        for sends, room, ends, seconds in steps:
            for priority, tenant, count in sends:
                real.send(priority, tenant, count)
            real.clock.advance(seconds)
            before = list(real.waiting.values())
            in_flight = Counter(tenant for tenant, _ in real.running)

            rung = real.make_a_pass(room=room)

            assert len(rung) == min(room, len(before))
            after = check_turns(rung, before, in_flight=in_flight, turns=turns, now=real.clock.now)
            turns = after if len(rung) == room else turns  # where all are served, nobody counts turns
            real.end(ends)


def check_turns(rung, waiting, *, in_flight, turns, now):
    given_turns = Counter()
    for job in rung:
        patient = [other for other in waiting if now - other.at > timedelta(seconds=PATIENCE)]
        if turns >= 9 and patient:
            turns = 0
            assert job == min(patient, key=lambda other: (other.at, other.id))
        else:
            turns += 1
            rivals = [other for other in waiting if other.priority == min(one.priority for one in waiting)]
            load = {other.tenant: in_flight[other.tenant] + given_turns[job.priority, other.tenant] for other in rivals}
            assert job in rivals
            assert load[job.tenant] == min(load.values())
            assert job.id == min(other.id for other in rivals if other.tenant == job.tenant)
        given_turns[job.priority, job.tenant] += 1
        waiting.remove(job)
    return turns


@examples(25)
@given(
    rooms=st.lists(st.integers(1, 5), min_size=4, max_size=12),
    backlogs=st.lists(st.integers(0, 40), min_size=2, max_size=6),
    newcomers=st.lists(st.tuples(st.integers(0, 6), st.integers(1, 5)), max_size=12),
    is_limited=st.booleans(),
)
def test_those_who_always_wait_are_served_alike_however_short_the_jobs_and_narrow_the_way(
    rooms, backlogs, newcomers, is_limited
):
    """Nothing is in flight between passes: only the memory of turns can tell whose is the next."""
    with platform() as real:
        for tenant, count in enumerate(backlogs):
            real.send(0, tenant, count)
        served, since = Counter(), dict.fromkeys(range(7), 0)
        for number, room in enumerate(rooms):
            for tenant, count in newcomers[number : number + 1]:
                real.send(0, tenant, count)
            if is_limited:
                services.set_limit(kind="queue", value="default", max_running=room)
            ready = {job.tenant for job in real.waiting.values()}
            for job in real.make_a_pass(room=12 if is_limited else room):
                served[job.tenant] += 1
            real.end(99)
            still = {job.tenant for job in real.waiting.values()}
            for tenant in since:
                if tenant not in ready or tenant not in still:
                    since[tenant] = number + 1
                    served[tenant] = 0
            always = [tenant for tenant in still if since[tenant] == 0]
            counts = [served[tenant] for tenant in always]
            assert not counts or max(counts) - min(counts) <= 1


@examples(15)
@given(
    room=st.integers(1, 12),
    old=st.integers(1, 3),
    tenants=st.lists(st.integers(0, 3), min_size=1, max_size=3),
    flood=st.integers(13, 60),
)
def test_a_tenth_of_the_turns_and_no_more_goes_to_whoever_has_waited_for_a_minute(room, old, tenants, flood):
    with platform() as real:
        real.send(9, 1, old)
        real.clock.advance(PATIENCE + 1)
        turns, late = 0, []
        while len(late) < old:
            for tenant in tenants:
                real.send(0, tenant, flood)
            for job in real.make_a_pass(room=room):
                turns += 1
                late += [turns] if job.priority == 9 else []
            real.end(99)
            assert turns <= old * 10 + room

        assert late == [number * 10 for number in range(1, old + 1)]

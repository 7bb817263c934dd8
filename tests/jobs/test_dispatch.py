import threading
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.utils import timezone

from modules.jobs import clients, services
from modules.jobs.clients import Bell
from modules.jobs.engine import runner
from modules.jobs.models import Attempt, Job, Worker
from modules.jobs.services import _dispatch
from tests.support import lanes
from tests.support.actors import note
from tests.support.lanes import lane
from tests.support.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def forget_bells():
    lanes.empty()


def age_bells(seconds=60):
    Job.objects.filter(dispatched_at__isnull=False).update(
        dispatched_at=F("dispatched_at") - timedelta(seconds=seconds)
    )


def start(job, worker_id):
    return services.claim(
        Bell(job.id, job.fence, job.actor, job.queue), worker_id=worker_id, time_limit=timedelta(minutes=1)
    )


def bury(worker_id):
    Worker.objects.filter(id=worker_id).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_job_that_is_due_is_queued_and_rung_for():
    job_id = note.send_with_options(kwargs={"word": "x"}, delay=timedelta(hours=1)).message_id
    early = services.dispatch()
    Job.objects.update(run_at=timezone.now())

    due = services.dispatch()

    assert (early.promoted, due.promoted, due.rung) == (0, 1, 1)
    assert (Job.objects.get().state, lane()) == ("queued", [f"{job_id}:0"])


def test_bells_that_redis_lost_are_rung_again():
    for number in range(20):
        note.send(word=str(number))
    forget_bells()
    age_bells()

    assert services.dispatch().rung == 20
    assert len(lane()) == 20


def test_a_bell_that_still_waits_in_its_lane_is_not_rung_twice():
    note.send(word="x")
    age_bells()

    assert services.dispatch().rung == 0
    assert len(lane()) == 1


def test_nothing_is_marked_as_rung_while_redis_is_away(monkeypatch):
    class Away:
        def ring(self, bells):
            raise ConnectionRefusedError("no Redis")

        def lane(self, queue):
            raise ConnectionRefusedError("no Redis")

    monkeypatch.setattr(clients, "_broker", Away)
    Job.objects.filter(id=note.send(word="x").message_id).update(dispatched_at=None)

    assert services.dispatch().rung == 0
    assert Job.objects.get().dispatched_at is None


def test_what_waits_in_the_ledger_is_rung_by_priority_then_age_as_far_as_the_lane_has_room(settings):
    settings.JOBS = {**settings.JOBS, "LANE_LENGTH": 3}
    ids = [note.send_with_options(kwargs={"word": "x"}, priority=p).message_id for p in (5, 1, 5, 0)]
    Job.objects.update(dispatched_at=None)
    forget_bells()

    services.dispatch()

    assert lane() == [f"{ids[3]}:0", f"{ids[1]}:0", f"{ids[0]}:0"]


def test_jobs_of_a_dead_worker_come_back_without_blame(worker):
    job = start(Job.objects.get(id=note.send(word="x").message_id), runner.worker_id)
    bury(runner.worker_id)

    assert services.dispatch().rescued == 1
    row = Job.objects.get()
    assert (row.id, row.state, row.attempt, row.crashes) == (job.id, "queued", 0, 1)
    assert Attempt.objects.get().outcome == "crashed"


def test_jobs_of_a_living_worker_stay(worker):
    start(Job.objects.get(id=note.send(word="x").message_id), runner.worker_id)

    assert services.dispatch().rescued == 0
    assert Job.objects.get().state == "running"


def test_a_job_that_kills_its_worker_three_times_is_quarantined_and_can_be_replayed(worker):
    note.send(word="poison")
    for _ in range(3):
        job = Job.objects.get()
        start(job, runner.worker_id)
        bury(runner.worker_id)
        services.dispatch()
        Worker.objects.update(lease_until=timezone.now() + timedelta(minutes=1))

    job = Job.objects.get()
    assert (job.state, job.crashes, job.error_type) == ("quarantined", 3, "CrashedTooOften")
    assert [attempt.outcome for attempt in Attempt.objects.all()] == ["crashed"] * 3
    assert services.replay([job.id]) == 1


def test_crashes_before_a_step_that_was_made_are_forgiven(worker):
    note.send(word="long")
    counts = []
    for cursor in (1, 2, 2, 3):
        services.save_checkpoint(start(Job.objects.get(), runner.worker_id), cursor)
        bury(runner.worker_id)
        services.dispatch()
        Worker.objects.update(lease_until=timezone.now() + timedelta(minutes=1))
        counts.append(Job.objects.get().crashes)

    assert counts == [1, 1, 2, 1]


def test_a_job_over_its_deadline_is_timed_out_and_tried_again_then_failed(worker):
    job = start(Job.objects.get(id=note.send(word="slow").message_id), runner.worker_id)
    Job.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))

    assert services.dispatch().timed_out == 1
    assert (Job.objects.get().state, Attempt.objects.get().outcome) == ("retrying", "timed_out")
    Job.objects.update(run_at=timezone.now(), attempt=2)
    services.dispatch()
    start(Job.objects.get(), runner.worker_id)
    Job.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    services.dispatch()

    assert (Job.objects.get().id, Job.objects.get().state) == (job.id, "failed")


@pytest.mark.parametrize("fate", ["death", "deadline"])
def test_a_running_job_that_was_cancelled_does_not_come_back(worker, fate):
    job = start(Job.objects.get(id=note.send(word="x").message_id), runner.worker_id)
    services.cancel([job.id])
    if fate == "death":
        bury(runner.worker_id)
    else:
        Job.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    services.dispatch()

    assert (Job.objects.get().state, Attempt.objects.get().outcome) == ("cancelled", "cancelled")


def test_a_bulk_send_leaves_the_lane_short_and_the_rest_to_the_dispatcher(settings):
    settings.JOBS = {**settings.JOBS, "LANE_LENGTH": 5}
    services.enqueue_many([services.JobRequest(actor="tests.note", kwargs={"word": "x"})] * 12)

    assert len(lane()) == 5
    assert Job.objects.filter(dispatched_at=None).count() == 7


def test_a_job_that_its_worker_lost_sight_of_is_given_back(worker):
    kept = start(Job.objects.get(id=note.send(word="kept").message_id), runner.worker_id)
    stray = start(Job.objects.get(id=note.send(word="stray").message_id), runner.worker_id)
    Job.objects.update(started_at=timezone.now() - timedelta(minutes=1))

    assert services.release_strays(worker_id=runner.worker_id, in_hand=[kept.id]) == 1
    assert Job.objects.get(id=stray.id).state == "queued"
    assert Job.objects.get(id=kept.id).state == "running"


def test_two_dispatchers_at_once_do_the_work_once():
    note.send_with_options(kwargs={"word": "x"}, delay=timedelta(hours=1))
    Job.objects.update(run_at=timezone.now())
    passes = []

    def dispatch():
        passes.append(services.dispatch())
        connection.close()

    threads = [threading.Thread(target=dispatch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(done.promoted for done in passes) == 1
    assert len(lane()) == 1


@pytest.mark.slow
def test_a_dispatcher_that_freezes_with_the_lock_does_not_stop_the_others(settings):
    settings.JOBS = {**settings.JOBS, "LEASE_SECONDS": 1}
    note.send(word="x")
    forget_bells()
    age_bells()
    frozen, over = threading.Event(), threading.Event()

    def freeze():
        with suppress(DatabaseError), transaction.atomic():
            assert _dispatch._locked()
            frozen.set()
            over.wait(10)
        connection.close()

    thread = threading.Thread(target=freeze)
    thread.start()
    frozen.wait(10)
    while_frozen = services.dispatch().rung
    wait_until(lambda: services.dispatch().rung, seconds=5)
    over.set()
    thread.join()

    assert (while_frozen, len(lane())) == (0, 1)


def test_a_stopping_worker_gives_its_jobs_back_and_is_gone(worker):
    start(Job.objects.get(id=note.send(word="x").message_id), runner.worker_id)

    assert services.retire_worker(worker_id=runner.worker_id) == 1
    job = Job.objects.get()
    assert (job.state, job.attempt, job.crashes) == ("queued", 0, 0)
    assert Worker.objects.get(id=runner.worker_id).stopped_at is not None

"""Replay in steps: 5, 50, the rest; stopped by the cause's return, harmless twice, killed anywhere."""

import random
import threading
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F

from modules.jobs import actors, services
from modules.jobs.domain import may_release, step_of
from modules.jobs.models import Job, Replay, ReplayedJob
from modules.jobs.services import NothingToReplay
from modules.kernel import clock
from modules.kernel.ids import uuid7
from tests.support.processes import WorkerProcess, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

CAUSE, OTHER = "a" * 16, "b" * 16


def dead_letters(count, *, fingerprint=CAUSE, **fields):
    now = clock.now()
    boring = {"actor": "tests.note", "queue": "default", "arguments": {"word": "again"}, "state": "failed"}
    times = {"run_at": now, "created_at": now, "started_at": now, "finished_at": now}
    error = {"error_type": "ValueError", "error_message": "no luck", "fingerprint": fingerprint}
    return Job.objects.bulk_create(
        Job(**{**boring, **times, **error, "attempt": 1, "fence": 1, **fields}) for _ in range(count)
    )


def many_dead_letters(count):
    """Copy one dead letter in the database, which is quicker than making thousands here."""
    dead_letters(1)
    columns = ", ".join(field.column for field in Job._meta.fields if field.column != "id")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO jobs_job (id, {columns})
            SELECT gen_random_uuid(), {columns} FROM jobs_job, generate_series(2, %s)""",
            [count],
        )


def start(jobs=None, **options):
    chosen = Job.objects.all() if jobs is None else jobs
    return services.start_replay(jobs=chosen, what="all", by="eva", **options)


def states():
    return Counter(Job.objects.values_list("state", flat=True))


def end(count, state="succeeded", **fields):
    """Let the oldest queued jobs end."""
    now = clock.now()
    ids = list(Job.objects.filter(state="queued").order_by("id").values_list("id", flat=True)[:count])
    with connection.cursor() as cursor:
        cursor.execute("SELECT gen_random_uuid()")
        worker = cursor.fetchone()[0]
    jobs = Job.objects.filter(id__in=ids)
    assert jobs.update(state="running", fence=2, worker_id=worker, started_at=now, deadline_at=now) == count
    jobs.update(state=state, finished_at=now, **fields)
    return ids


def counts(replay):
    replay.refresh_from_db()
    return {
        name: value
        for name in ("waiting", "in_flight", "succeeded", "failed", "cancelled", "gone")
        if (value := getattr(replay, name))
    }


@pytest.mark.parametrize(
    ("released", "in_flight", "more"),
    [(0, 0, 5), (5, 1, 0), (5, 0, 50), (3, 0, 2), (55, 1, 0), (55, 0, 500), (56, 1, 499), (900, 500, 0), (900, 501, 0)],
)
def test_each_careful_step_is_waited_for_and_then_the_rest_flows(released, in_flight, more):
    assert may_release(released=released, in_flight=in_flight) == more


def test_a_step_has_a_number():
    assert [step_of(released) for released in (0, 5, 6, 55, 56, 9_999)] == [1, 1, 2, 2, 3, 3]


@pytest.mark.slow
def test_five_then_fifty_then_all(drain):
    dead_letters(70)
    replay = start(reason="the shop is open again")
    seen = [counts(replay)]

    for _ in range(3):
        drain()
        services.continue_replays()
        seen.append(counts(replay))

    assert seen == [
        {"waiting": 65, "in_flight": 5},
        {"waiting": 15, "in_flight": 50, "succeeded": 5},
        {"in_flight": 15, "succeeded": 55},
        {"succeeded": 70},
    ]
    assert (replay.state, replay.started_by, replay.reason) == ("done", "eva", "the shop is open again")
    assert states() == {"succeeded": 70}


def test_the_cause_returns_among_the_first_five_and_nothing_else_is_released():
    jobs = dead_letters(60)
    replay = start()
    end(4)
    culprit = end(1, "failed", fingerprint=CAUSE, error_message="no luck, token=s3cr3t")[0]

    changed = [services.continue_replays() for _ in range(3)]

    assert changed == [1, 0, 0]
    assert counts(replay) == {"waiting": 55, "succeeded": 4, "failed": 1}
    assert (replay.state, replay.stopped_for, replay.stopped_job_id) == ("stopped", "same_cause", culprit)
    assert replay.stopped_note == "ValueError: no luck, token=••••"
    assert Job.objects.filter(id__in=[job.id for job in jobs], state="failed", fence=1).count() == 55


@pytest.mark.parametrize("state", ["failed", "quarantined"])
@pytest.mark.slow
def test_another_cause_stops_it_too_and_is_told_apart(state):
    dead_letters(60)
    replay = start()
    end(1, state, fingerprint=OTHER)

    services.continue_replays()

    assert counts(replay) == {"waiting": 55, "in_flight": 4, "failed": 1}
    assert (replay.state, replay.stopped_for) == ("stopped", "other_cause")


def test_a_cause_that_returns_late_stops_the_rest_where_it_is():
    many_dead_letters(1_200)
    replay = start()
    for size in (5, 50):
        end(size)
        services.continue_replays()
    flowing = counts(replay)
    end(10)
    end(1, "failed", fingerprint=CAUSE)
    services.continue_replays()

    assert flowing == {"waiting": 645, "in_flight": 500, "succeeded": 55}
    assert counts(replay) == {"waiting": 645, "in_flight": 489, "succeeded": 65, "failed": 1}
    assert replay.state == "stopped"


def test_what_is_released_before_a_stop_is_counted_after_it():
    dead_letters(60)
    replay = start()
    services.stop_replay(replay.pk, by="eva")
    end(5)

    services.continue_replays()

    assert counts(replay) == {"waiting": 55, "succeeded": 5}
    assert (replay.state, replay.stopped_for, replay.stopped_note) == ("stopped", "asked", "eva")


def test_a_resumed_replay_is_careful_again_and_leaves_what_failed():
    dead_letters(70)
    replay = start()
    end(5, "failed", fingerprint=CAUSE)
    services.continue_replays()

    assert services.resume_replay(replay.pk)
    first = counts(replay)
    end(5)
    services.continue_replays()

    assert first == {"waiting": 60, "in_flight": 5, "failed": 5}
    assert counts(replay) == {"waiting": 10, "in_flight": 50, "succeeded": 5, "failed": 5}
    assert (replay.state, replay.stopped_for, replay.step) == ("running", "", 2)


def test_a_cancelled_replay_releases_no_more_and_is_never_resumed():
    dead_letters(60)
    replay = start()

    assert [services.cancel_replay(replay.pk), services.cancel_replay(replay.pk)] == [True, False]
    end(5)
    services.continue_replays()

    assert (services.resume_replay(replay.pk), services.stop_replay(replay.pk, by="eva")) == (False, False)
    assert counts(replay) == {"waiting": 55, "succeeded": 5}
    assert replay.state == "cancelled"


def test_a_few_that_all_fail_are_done_and_not_stopped():
    dead_letters(3)
    replay = start()
    end(3, "failed", fingerprint=CAUSE)

    services.continue_replays()

    assert (counts(replay), replay.state) == ({"failed": 3}, "done")


def test_no_dead_letter_is_no_replay():
    dead_letters(1, state="succeeded")

    for jobs in (Job.objects.all(), Job.objects.none()):
        with pytest.raises(NothingToReplay):
            start(jobs)

    assert (Replay.objects.count(), ReplayedJob.objects.count()) == (0, 0)


def test_the_first_to_be_tried_are_of_every_cause():
    for number in range(4):
        dead_letters(30, fingerprint=f"{number:016}")

    start()

    assert Counter(Job.objects.filter(state="queued").values_list("fingerprint", flat=True)) == {
        f"{0:016}": 2,
        f"{1:016}": 1,
        f"{2:016}": 1,
        f"{3:016}": 1,
    }


def test_who_came_first_has_it_and_what_others_took_is_passed_over():
    jobs = dead_letters(20)
    services.replay([job.id for job in jobs[:3]])
    taken = start(Job.objects.all())
    services.discard([job.id for job in jobs[8:10]])
    services.prune(ended_before=clock.now() + timedelta(hours=1), states=["cancelled"])
    services.replay([jobs[10].id])
    end(9)

    services.continue_replays()

    assert taken.total == 17
    assert counts(taken) == {"in_flight": 9, "succeeded": 5, "gone": 3}


def test_a_job_that_is_cancelled_after_its_release_stops_nothing():
    dead_letters(10)
    replay = start()
    services.cancel([*Job.objects.filter(state="queued").values_list("id", flat=True)[:2]])
    end(3)

    services.continue_replays()

    assert counts(replay) == {"in_flight": 5, "succeeded": 3, "cancelled": 2}


def test_two_who_start_the_same_at_once_let_five_go():
    dead_letters(40)
    started = []

    def begin():
        with suppress(NothingToReplay):
            started.append(start())

    assert at_once(4, begin) == []
    services.continue_replays()

    assert (len(started), counts(started[0])) == (1, {"waiting": 35, "in_flight": 5})


def test_what_waits_in_a_stopped_replay_may_begin_anew():
    dead_letters(20)
    stopped = start()
    services.stop_replay(stopped.pk, by="eva")

    anew = start()
    services.resume_replay(stopped.pk)
    for _ in range(3):
        end(Job.objects.filter(state="queued").count())
        services.continue_replays()

    assert (anew.total, counts(anew), counts(stopped)) == (
        *(15, {"succeeded": 10, "gone": 5}),
        {"succeeded": 10, "gone": 10},
    )
    assert set(Job.objects.values_list("fence", flat=True)) == {2}


def test_those_who_fail_later_do_not_join():
    dead_letters(6)
    replay = start()
    dead_letters(4)
    end(5)
    services.continue_replays()
    end(1)
    services.continue_replays()

    assert (counts(replay), replay.state) == ({"succeeded": 6}, "done")
    assert states() == {"succeeded": 6, "failed": 4}


@pytest.mark.parametrize(("tenants", "whose"), [([2, 1, 2], [1, 2]), ([1, None], None)])
def test_it_knows_whose_jobs_it_has(tenants, whose):
    for tenant_id in tenants:
        dead_letters(1, tenant_id=tenant_id)

    assert start().tenant_ids == whose


@pytest.mark.slow
def test_ten_thousand_are_chosen_by_one_statement_and_released_by_a_few(django_assert_num_queries):
    many_dead_letters(10_000)
    # savepoints, the replay, the choice, the figures; then the first pass: lock, settle, choose, move, note, save
    with django_assert_num_queries(17):
        replay = start()
    for size in (5, 50):
        end(size)
        services.continue_replays()
    end(500)

    with django_assert_num_queries(11):
        services.continue_replays()

    assert counts(replay) == {"waiting": 8_945, "in_flight": 500, "succeeded": 555}


def at_once(count, act):
    barrier = threading.Barrier(count)
    errors = []

    def run():
        try:
            barrier.wait()
            act()
        except Exception as error:  # noqa: BLE001 -- told to the test, which is in another thread
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


@pytest.mark.slow
def test_passes_at_once_release_each_job_once(drain):
    dead_letters(70)
    replay = start()
    for _ in range(3):
        drain()
        assert at_once(4, services.continue_replays) == []
        released = ReplayedJob.objects.filter(released_fence__isnull=False).count()
        assert released == replay.total - counts(replay).get("waiting", 0)

    services.continue_replays()

    assert counts(replay) == {"succeeded": 70}
    assert set(Job.objects.values_list("fence", flat=True)) == {2}


def test_a_pass_that_is_killed_midway_loses_and_doubles_nothing():
    jobs = dead_letters(60)
    replay = start()
    end(5)
    next_one = ReplayedJob.objects.filter(outcome="", released_fence=None).earliest("id").job_id
    died = []

    def doomed():
        try:
            services.continue_replays()
        except OperationalError as error:
            died.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=doomed)
    with transaction.atomic():
        Job.objects.select_for_update().get(id=next_one)  # the pass has settled five and waits here to release
        thread.start()
        wait_until(lambda: _kill_whoever_waits() == 1)
        thread.join()
    between = counts(replay)
    services.continue_replays()

    assert len(died) == 1
    assert between == {"waiting": 55, "in_flight": 5}
    assert counts(replay) == {"waiting": 5, "in_flight": 50, "succeeded": 5}
    assert Job.objects.filter(id__in=[job.id for job in jobs], state="queued").count() == 50


@pytest.mark.journey
def test_workers_carry_it_through_though_one_is_killed_midway():
    dead_letters(80, arguments={"word": "again", "seconds": 0.2})
    replay = start()
    with WorkerProcess(threads=8) as first:
        wait_until(lambda: Job.objects.filter(state="succeeded").count() > 20)  # in the step of 50
        first.kill_child()
        first.process.wait(timeout=20)
    between = counts(replay)
    with WorkerProcess(threads=8):
        wait_until(lambda: counts(replay) == {"succeeded": 80})

    assert (between["waiting"], replay.state) == (25, "done")
    assert Job.objects.filter(crashes__gt=0).count() <= 8
    assert not Job.objects.filter(crashes=0).exclude(fence=2).exists()


class Walk:
    """A replay among workers, operators and others, who do whatever they may, in any order."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        dead_letters(self.dice.choice([3, 40, 90]))
        self.replay = start()
        self.careful_from = 0

    def some(self, state):
        ids = [*Job.objects.filter(state=state).order_by("id").values_list("id", flat=True)]
        return self.dice.sample(ids, min(len(ids), self.dice.choice([1, 1, 5, 50])))

    def go(self):
        steps = [
            *[lambda: self.end("succeeded")] * 6,
            *[lambda: self.end("failed", fingerprint=self.dice.choice([CAUSE, OTHER]))],
            *[lambda: services.cancel(self.some("queued")[:1]), lambda: services.discard(self.some("failed")[:1])],
            *[lambda: services.replay(self.some("failed")[:2]), lambda: services.stop_replay(self.replay.pk, by="eva")],
            *[self.resume] * 2,
            *[services.continue_replays] * 4,
        ]
        self.dice.choice(steps)()

    def end(self, state, **fields):
        now = clock.now()
        jobs = Job.objects.filter(id__in=self.some("queued"))
        jobs.update(state="running", fence=F("fence") + 1, worker_id=uuid7(), started_at=now, deadline_at=now)
        Job.objects.filter(state="running").update(state=state, finished_at=now, **fields)

    def resume(self):
        before = self.released()
        if services.resume_replay(self.replay.pk):
            self.careful_from = before

    def released(self):
        return self.replay.jobs.filter(released_fence__isnull=False).count()

    def check(self, before, released_before):
        """Check what holds after any step, by the members' rows and not by the counters."""
        self.replay.refresh_from_db()
        open_, released = self.replay.jobs.filter(outcome="", released_fence__isnull=False).count(), self.released()
        outcomes = Counter(self.replay.jobs.exclude(outcome="").values_list("outcome", flat=True))
        assert self.replay.in_flight == open_
        assert self.replay.failed == outcomes["same_cause"] + outcomes["other_cause"]
        assert (self.replay.succeeded, self.replay.gone) == (outcomes["succeeded"], outcomes["gone"])
        if self.replay.state in {"done", "cancelled"} or (before == self.replay.state == "stopped"):
            assert released == released_before
        if released > released_before:
            since, since_before = released - self.careful_from, released_before - self.careful_from
            assert since > 55 or open_ == released - released_before  # those of the step before have ended
            assert since <= 5 or since_before >= 5  # no step is leapt over
            assert since <= 55 or since_before >= 55
            assert open_ <= 500
        return self.replay.state, released


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_the_counts_are_true_and_steps_are_kept(seed):
    walk = Walk(seed)
    seen = walk.check("running", 0)

    for _ in range(40):
        walk.go()
        seen = walk.check(*seen)

    services.stop_replay(walk.replay.pk, by="eva")
    while Job.objects.filter(state="queued").exists():
        walk.end("succeeded")
    services.continue_replays()
    assert counts(walk.replay).get("in_flight", 0) == 0


def _kill_whoever_waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE NOT granted")
        return cursor.fetchone()[0]


def test_what_a_dead_starter_left_is_carried_on():
    jobs = dead_letters(10)
    left = Replay.objects.create(what="all", started_at=clock.now(), total=10, waiting=10)
    ReplayedJob.objects.bulk_create(ReplayedJob(replay=left, job_id=job.id, fingerprint=CAUSE) for job in jobs)

    services.keep_watch(now=clock.now())

    assert counts(left) == {"waiting": 5, "in_flight": 5}


def test_the_tick_carries_on_where_no_worker_does():
    dead_letters(10)
    replay = start()
    end(5)

    actors.tick()

    assert counts(replay) == {"in_flight": 5, "succeeded": 5}


def test_old_replays_are_pruned_and_those_that_run_stay(drain):
    dead_letters(6)
    start()
    dead_letters(8, fingerprint=OTHER)
    stopped = start(Job.objects.filter(fingerprint=OTHER))
    services.stop_replay(stopped.pk, by="eva")
    running = start(Job.objects.filter(fingerprint=OTHER))
    for _ in range(2):
        drain()
        services.continue_replays()
    Replay.objects.filter(pk=running.pk).update(state="running", ended_at=None)
    soon = clock.now() + timedelta(minutes=1)

    gone = [services.prune_replays(ended_before=soon, limit=limit) for limit in (3, 100, 100)]

    assert gone == [3, 6 + 8 - 3 + 2, 0]
    assert [*Replay.objects.values_list("pk", flat=True)] == [running.pk]
    assert ReplayedJob.objects.count() == running.total

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection
from django.utils import timezone

from modules.jobs import domain, services
from modules.jobs.clients import Bell
from modules.jobs.domain import Failure, Outcome, State, allowed_steps
from modules.jobs.engine import runner
from modules.jobs.models import Attempt, Job
from modules.jobs.services import LostFence
from tests.support.actors import note

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def claimed(worker):
    """A running job, and the means to claim it again."""
    return claim(Job.objects.get(id=note.send(word="x").message_id))


def claim(job):
    Job.objects.filter(id=job.id, dispatched_at=None).update(dispatched_at=timezone.now())  # its bell rings
    bell = Bell(job.id, job.fence, job.actor, job.queue)
    return services.claim(bell, worker_id=runner.worker_id, time_limit=timedelta(minutes=1))


FORBIDDEN = sorted({(a, b) for a in State for b in State if a != b} - set(allowed_steps()))


@pytest.mark.parametrize(("source", "target"), FORBIDDEN)
def test_the_database_refuses_a_step_that_is_not_in_the_domain(source, target):
    job_id = row_in(source)

    with pytest.raises(DatabaseError, match=f"a job cannot go from {source} to {target}"):
        Job.objects.filter(id=job_id).update(state=target)

    assert Job.objects.get(id=job_id).state == source


def row_in(state):
    fields = {
        "finished_at": "now()" if state in domain.ENDED else "NULL",
        "worker_id": "gen_random_uuid()" if state == State.RUNNING else "NULL",
    }
    job_id = uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO jobs_job (id, actor, queue, priority, arguments, state, attempt, max_attempts, crashes,
                fence, run_at, created_at, started_at, deadline_at, unique_until, tags, progress_message, error_type,
                error_message, fingerprint, finished_at, worker_id)
            VALUES (%s, 'tests.note', 'default', 0, '{{}}', %s, 0, 1, 0, 0, now(), now(), now(), now(), 'finish',
                '{{}}', '', '', '', '', {fields["finished_at"]}, {fields["worker_id"]})""",
            [job_id, str(state)],
        )
    return job_id


def test_the_database_refuses_an_unknown_state_and_a_running_job_without_a_worker():
    with pytest.raises(IntegrityError):
        row_in("asleep")
    with pytest.raises(IntegrityError, match="jobs_job_running_has_worker"):
        Job.objects.filter(id=row_in(State.QUEUED)).update(state=State.RUNNING)


def test_a_bell_answered_twice_starts_one_run(worker):
    job = Job.objects.get(id=note.send(word="x").message_id)

    assert [claim(job) is not None, claim(job) is not None] == [True, False]


def test_an_old_bell_starts_nothing_after_a_retry(claimed):
    services.retry(claimed, Failure("E", "m"), delay=timedelta(0), outcome=Outcome.FAILED)
    services.dispatch()

    job = Job.objects.get(id=claimed.id)
    job.fence = 0
    assert (job.state, claim(job)) == ("queued", None)


def test_each_run_leaves_one_attempt(claimed):
    services.retry(claimed, Failure("ValueError", "m", "trace", "f"), delay=timedelta(0), outcome=Outcome.FAILED)
    services.dispatch()
    again = claim(Job.objects.get(id=claimed.id))
    services.succeed(again, result={"n": 1}, log="done")

    attempts = Attempt.objects.order_by("number").values_list("number", "outcome", "error_type", "log")
    assert list(attempts) == [(1, "failed", "ValueError", ""), (2, "succeeded", "", "done")]
    job = Job.objects.get()
    assert (job.state, job.attempt, job.fence, job.result, job.error_type) == ("succeeded", 2, 2, {"n": 1}, "")


@pytest.mark.parametrize(
    "end",
    [
        services.succeed,
        services.release,
        services.stop,
        lambda job: services.fail(job, Failure("E", "m")),
        lambda job: services.snooze(job, Failure("E", "m"), delay=timedelta(0)),
        lambda job: services.retry(job, Failure("E", "m"), delay=timedelta(0), outcome=Outcome.FAILED),
    ],
)
def test_a_worker_that_was_given_up_can_write_no_end(claimed, end):
    services.retire_worker(worker_id=runner.worker_id)
    newer = claim(Job.objects.get(id=claimed.id))

    with pytest.raises(LostFence):
        end(claimed)

    job = Job.objects.get()
    assert (job.state, job.fence) == ("running", newer.fence)
    assert [attempt.outcome for attempt in Attempt.objects.all()] == ["released"]


def test_giving_a_job_back_or_snoozing_uses_up_no_attempt(claimed):
    services.release(claimed)
    released = Job.objects.get()
    snoozed = claim(released)
    services.snooze(snoozed, Failure("Snooze", "later"), delay=timedelta(hours=1))

    job = Job.objects.get()
    assert (released.attempt, released.state) == (0, "queued")
    assert (job.attempt, job.state, job.fence) == (0, "scheduled", 2)


def test_dead_letters_are_replayed_from_their_first_attempt_and_others_left_alone(claimed):
    services.fail(claimed, Failure("E", "m", "", "f"))
    waiting = note.send(word="waiting")

    assert services.replay([claimed.id, waiting.message_id]) == 1
    job = Job.objects.get(id=claimed.id)
    assert (job.state, job.attempt, job.finished_at) == ("queued", 0, None)
    assert claim(job).fence == 2


def test_discarded_dead_letters_leave_the_list_and_keep_their_history(claimed):
    services.fail(claimed, Failure("E", "m"))

    assert services.discard([claimed.id]) == 1
    job = Job.objects.get()
    assert (job.state, job.error_message, job.attempts.count()) == ("cancelled", "m", 1)


@pytest.mark.parametrize("give_back", [services.retry, services.snooze])
def test_a_cancelled_job_that_fails_or_waits_does_not_come_back(claimed, give_back):
    services.cancel([claimed.id])

    how = {"outcome": Outcome.FAILED} if give_back is services.retry else {}
    give_back(claimed, Failure("ValueError", "x"), delay=timedelta(seconds=1), **how)

    assert Job.objects.get(id=claimed.id).state == "cancelled"


def test_cancel_ends_waiting_jobs_and_asks_running_ones(claimed):
    waiting = note.send(word="waiting")

    assert services.cancel([claimed.id, waiting.message_id]) == 2
    assert Job.objects.get(id=waiting.message_id).state == "cancelled"
    assert services.may_go_on(claimed) is False
    assert Job.objects.get(id=claimed.id).state == "running"


def test_prune_deletes_old_ended_jobs_with_their_attempts_in_chunks(claimed):
    services.succeed(claimed)
    for _ in range(3):
        services.succeed(claim(Job.objects.get(id=note.send(word="x").message_id)))
    note.send(word="alive")
    later = Job.objects.filter(state="succeeded").latest("finished_at").finished_at + timedelta(seconds=1)

    counts = [services.prune(ended_before=later, states=domain.ENDED, limit=3) for _ in range(3)]

    assert counts == [3, 1, 0]
    assert (Job.objects.count(), Attempt.objects.count()) == (1, 0)

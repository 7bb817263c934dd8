"""Each illness is made by hand, found, repaired, and not found again."""

import json
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import dramatiq
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import IntegrityError, connection
from django.db.models import F
from django.utils import timezone

from modules.jobs import doctor, services
from modules.jobs.clients import Bell
from modules.jobs.engine import runner
from modules.jobs.models import Batch, Job, JobSchedule, Worker
from modules.kernel import clock
from tests.support import lanes
from tests.support.actors import note

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def well(worker):
    """A platform on which every queue is served."""
    queues = [queue for pool in settings.JOBS["POOLS"].values() for queue in pool]
    Worker.objects.update(queues=queues)


def found():
    return {name: [finding.what for finding in findings] for name, findings in doctor.examine().items() if findings}


def examine(*options):
    """Return the exit code and what the command printed."""
    out = StringIO()
    try:
        call_command("jobs_doctor", *options, stdout=out)
    except SystemExit as error:
        return error.code, out.getvalue()
    return 0, out.getvalue()


def run_once(*, then):
    job = Job.objects.get(id=note.send(word="x").message_id)
    bell = Bell(job.id, job.fence, job.actor, job.queue)
    services.claim(bell, worker_id=runner.worker_id, time_limit=timedelta(minutes=1))
    Job.objects.update(**then)


def lose_its_worker():
    run_once(then={"worker_id": uuid4()})


def run_too_long():
    run_once(then={"deadline_at": timezone.now() - timedelta(hours=1)})


def oversleep():
    note.send_with_options(kwargs={"word": "x"}, delay=60_000)
    Job.objects.update(run_at=timezone.now() - timedelta(hours=1))


def lose_its_bell():
    note.send(word="x")
    lanes.empty()
    Job.objects.update(dispatched_at=F("dispatched_at") - timedelta(hours=1))


ILLNESSES = {
    lose_its_worker: "1 jobs run in a worker that is dead.",
    run_too_long: "1 jobs run past their time limit.",
    oversleep: "1 jobs should have been woken.",
    lose_its_bell: "1 jobs were rung for, but no lane has their bell.",
}


def test_who_is_well_hears_so(well):
    note.send(word="x")

    code, said = examine()

    assert code == 0
    assert [line.split() for line in said.splitlines()] == [
        [name, "ok"] for name in ("database", "broker", "migrations", *doctor.CHECKS)
    ]


@pytest.mark.parametrize("fall_ill", ILLNESSES, ids=lambda act: act.__name__)
def test_an_illness_of_the_ledger_is_found_and_repaired(well, fall_ill):
    fall_ill()

    assert found() == {"ledger": [ILLNESSES[fall_ill]]}
    assert examine()[0] == 1
    assert examine("--fix") == (0, f"repaired    {ILLNESSES[fall_ill]}\n" + examine()[1])
    assert found() == {}


def test_something_else_in_a_lanes_place_is_put_aside_and_the_lane_rung_anew(well):
    if lanes.is_rabbitmq():
        pytest.skip("RabbitMQ has nothing but queues")
    job_id = note.send(word="x").message_id
    broker = dramatiq.get_broker()
    broker.bell_client.set(broker.lane_name("default"), "a word")
    Job.objects.update(dispatched_at=F("dispatched_at") - timedelta(hours=1))

    assert found() == {"lanes": ["The lane of default is no lane: something else has its name in Redis."]}
    assert examine("--fix")[0] == 0
    assert lanes.lane() == [f"{job_id}:0"]


def test_a_schedule_that_is_late_is_sent(well):
    services.sync_schedules(now=clock.now())
    JobSchedule.objects.filter(key="jobs.prune").update(evaluated_until=clock.now() - timedelta(days=2))

    assert list(found()) == ["schedules"]
    assert examine("--fix")[0] == 0
    assert Job.objects.filter(actor="jobs.prune_jobs").count() == 1


def finish_a_batch():
    with services.batch("pages", on_finish=note.request(word="end")) as opened:
        opened.send(note.request(word="page"))
    services.cancel(list(Job.objects.filter(batch_id=opened.id).values_list("id", flat=True)))
    Job.objects.filter(batch_id=opened.id).update(finished_at=timezone.now() - timedelta(hours=1))
    return Batch.objects.filter(id=opened.id)


def callbacks():
    return Job.objects.filter(arguments={"word": "end"}).count()


def test_a_batch_whose_end_nobody_told_is_closed_and_its_callback_sent_once(well):
    batch = finish_a_batch()
    Job.objects.filter(batch_id=None).delete()
    batch.update(finished_at=None, sent={}, created_at=timezone.now() - timedelta(hours=2))

    assert found() == {"batches": ["1 batches have ended and nobody was told."]}
    assert [examine("--fix")[0], examine("--fix")[0]] == [0, 0]
    assert (callbacks(), batch.get().finished_at is not None) == (1, True)


def test_a_batch_that_is_closed_with_a_member_at_work_is_opened(well):
    with services.batch("pages", on_finish=note.request(word="end")) as opened:
        opened.send(note.request(word="page"))
    batch = Batch.objects.filter(id=opened.id)
    batch.update(finished_at=timezone.now(), sent={"finish": str(uuid4())})

    assert found() == {"batches": ["1 batches are closed with work or callbacks left."]}
    assert examine("--fix")[0] == 0
    assert (callbacks(), batch.get().finished_at) == (0, None)


def test_a_batch_that_was_closed_without_its_callback_sends_it(well):
    batch = finish_a_batch()
    Job.objects.filter(batch_id=None).delete()
    batch.update(sent={})

    assert found() == {"batches": ["1 batches are closed with work or callbacks left."]}
    assert examine("--fix")[0] == 0
    assert callbacks() == 1


def test_a_member_that_has_just_ended_is_no_finding(well):
    batch = finish_a_batch()
    Job.objects.filter(batch_id=batch.get().id).update(finished_at=timezone.now())
    batch.update(finished_at=None, sent={}, created_at=timezone.now() - timedelta(hours=2))

    assert found() == {}


def make_schedule(**fields):
    services.sync_schedules(now=clock.now())
    found = JobSchedule.objects.filter(key="jobs.prune")
    found.update(**fields)
    return found.get()


def test_a_firing_without_a_job_is_noted_as_missed(well):
    firing = make_schedule().firings.create(due_at=clock.now(), fired_at=clock.now(), outcome="fired")

    assert found() == {"firings": ["1 firings sent no job."]}
    assert examine("--fix")[0] == 0
    firing.refresh_from_db()
    assert (firing.outcome, Job.objects.count()) == ("missed", 0)


def test_a_schedule_that_a_wrong_clock_has_silenced_looks_again(well):
    make_schedule(evaluated_until=clock.now() + timedelta(days=400))

    assert found() == {"firings": ["1 schedules believe to have looked at times that are still to come."]}
    assert examine("--fix")[0] == 0
    assert JobSchedule.objects.get(key="jobs.prune").evaluated_until <= clock.now()


def test_a_run_that_waits_after_its_turn_has_come_is_sent(well):
    make_schedule(waiting_due_at=clock.now() - timedelta(hours=1), last_job_id=uuid4())

    assert found() == {"firings": ["1 runs wait though their turn has come."]}
    assert examine("--fix")[0] == 0
    assert Job.objects.get().actor == "jobs.prune_jobs"


def test_a_run_that_waits_for_one_that_goes_on_is_no_finding(well):
    job_id = note.send(word="x").message_id
    make_schedule(waiting_due_at=clock.now() - timedelta(hours=1), last_job_id=job_id)

    assert found() == {}


def test_invalid_and_missing_indexes_are_found_dropped_and_made_anew(well):
    for word in ("one", "two"):
        note.send(word=word)
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX jobs_job_due, jobs_job_tags")
        for name in ("jobs_job_due", "leftover"):  # broken off, because two jobs have the same queue
            with pytest.raises(IntegrityError):
                cursor.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON jobs_job (queue)")

    assert found() == {
        "indexes": [
            "2 indexes are invalid: they slow writes and serve no read: jobs_job_due, leftover.",
            "1 indexes are missing: jobs_job_tags.",
        ]
    }
    assert examine("--fix")[0] == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE indexname ~ 'leftover|jobs_job_(due|tags)' ORDER BY 1")
        assert cursor.fetchall() == [("jobs_job_due",), ("jobs_job_tags",)]


def test_a_missing_unique_index_is_left_to_a_person(well):
    rule = next(one for one in Job._meta.constraints if one.name == "jobs_job_unique_key")
    with connection.schema_editor() as editor:
        editor.remove_constraint(Job, rule)
    try:
        code, said = examine("--fix")
    finally:
        with connection.schema_editor() as editor:
            editor.add_constraint(Job, rule)

    assert (code, "1 indexes are missing that keep rows apart: jobs_job_unique_key. Make them" in said) == (1, True)
    assert found() == {}


def test_workers_that_are_older_than_the_newest_migration_are_told(well):
    Worker.objects.update(started_at=timezone.now() - timedelta(days=400))

    code, said = examine("--fix")

    assert (code, list(found())) == (1, ["release"])
    assert "1 workers are older than the migration " in said


def test_what_a_person_must_do_is_said_and_stays(well):
    note.send(word="x")
    Job.objects.update(arguments={"wurd": "x"})
    Worker.objects.update(queues=["default"])

    code, said = examine("--fix")

    assert code == 1
    assert "1 unfinished jobs do not fit this code. `manage.py jobs_preflight` names them." in said
    assert "No living worker serves low. Start a worker: `dramatiq config.workers --queues low`." in said


def test_a_database_that_guards_no_states_is_found(well):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE jobs_job DISABLE TRIGGER jobs_guard_state")
        unguarded = found()
        cursor.execute("ALTER TABLE jobs_job ENABLE TRIGGER jobs_guard_state")

    assert (unguarded, found()) == ({"guard": ["The database does not guard the states of jobs."]}, {})


def test_a_clock_that_is_wrong_is_found(well, time_machine):
    time_machine.move_to(timezone.now() + timedelta(minutes=7))

    assert found()["clocks"] == ["This host's clock is 420 s ahead of PostgreSQL's."]


def test_a_program_reads_json(well):
    lose_its_bell()

    code, said = examine("--json")

    assert (code, json.loads(said)["ledger"]) == (
        1,
        [{"what": ILLNESSES[lose_its_bell], "remedy": "They are rung for again.", "is_fixable": True}],
    )

"""Each illness is made by hand, found, repaired, and not found again."""

import json
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import dramatiq
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.utils import timezone

from modules.jobs import doctor, services
from modules.jobs.clients import Bell
from modules.jobs.engine import runner
from modules.jobs.models import Job, JobSchedule, Worker
from modules.kernel import clock
from tests.support import lanes
from tests.support.actors import note

pytestmark = pytest.mark.django_db(transaction=True)


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

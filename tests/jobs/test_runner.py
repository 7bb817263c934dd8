import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.accounts.models import Tenant
from modules.jobs import services
from modules.jobs.engine import actor
from modules.jobs.models import Attempt, Job
from modules.kernel.ids import uuid7
from tests.support.actors import fail, note, say, send_more, snooze, step, write_atomically
from tests.support.lanes import lane

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def effect_table():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE tests_effect (word text, pid int)")
    yield _words
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE tests_effect")


def _words():
    with connection.cursor() as cursor:
        cursor.execute("SELECT word FROM tests_effect ORDER BY word")
        return [row[0] for row in cursor.fetchall()]


def run_to_the_end(drain):
    while drain():
        services.dispatch()


def test_a_job_runs_once_and_keeps_what_it_returned(drain, effects):
    note.send(word="hello")

    assert [drain(), drain()] == [1, 0]
    job = Job.objects.get()
    assert (job.state, job.result, effects) == ("succeeded", "hello", ["hello"])


def test_calling_an_actor_runs_its_code_here_and_now_without_a_job(effects):
    assert note(word="direct") == "direct"
    assert (effects, Job.objects.count()) == (["direct"], 0)


def test_a_failing_job_is_tried_as_often_as_its_actor_says_and_then_is_a_dead_letter(drain, effects):
    fail.send(message="no luck with 12")

    run_to_the_end(drain)

    job = Job.objects.get()
    assert (job.state, job.attempt, job.error_type, job.error_message) == (
        "failed",
        3,
        "ValueError",
        "no luck with 12",
    )
    assert [attempt.outcome for attempt in Attempt.objects.all()] == ["failed"] * 3
    assert "raise {" in Attempt.objects.earliest("number").traceback
    assert effects == ["ordinary"] * 3


def test_a_secret_in_an_errors_text_is_hidden_in_the_log(drain, effects, caplog):
    fail.send(kind="permanent", message="GET https://shop.example/?token=c4n4ry answered 401")

    with caplog.at_level("INFO", logger="backroom.jobs"):
        drain()

    assert "PermanentError: GET https://shop.example/?token=" in caplog.text
    assert "c4n4ry" not in caplog.text


@pytest.mark.parametrize("kind", ["permanent", "throws"])
def test_an_error_that_no_retry_can_help_goes_straight_to_the_dead_letters(drain, effects, kind):
    fail.send(kind=kind)

    run_to_the_end(drain)

    assert (Job.objects.get().state, effects) == ("failed", [kind])


def test_a_row_whose_arguments_no_longer_fit_fails_at_once_and_says_why(drain):
    job_id = note.send(word="x").message_id
    Job.objects.filter(id=job_id).update(arguments={"text": "from an older deploy"})

    drain()

    job = Job.objects.get()
    assert (job.state, job.attempt) == ("failed", 1)
    assert "missing a required argument: 'word'" in job.error_message


def test_a_snoozing_job_waits_and_uses_up_no_attempt(drain):
    snooze.send(seconds=3600)

    assert [drain(), drain()] == [1, 0]
    job = Job.objects.get()
    assert (job.state, job.attempt) == ("scheduled", 0)
    assert Attempt.objects.get().error_message == "the shop is busy"


def test_an_atomic_job_and_its_effect_commit_together(drain, effect_table):
    write_atomically.send(word="once")
    drain()

    assert (effect_table(), Job.objects.get().state) == (["once"], "succeeded")


def test_an_atomic_job_that_fails_leaves_no_effect(drain, effect_table):
    write_atomically.send(word="never", error=True)
    run_to_the_end(drain)

    assert (effect_table(), Job.objects.get().state) == ([], "failed")


def test_an_atomic_job_that_lost_its_fence_leaves_no_effect(drain, effect_table, monkeypatch):
    write_atomically.send(word="stolen")
    real = services.succeed

    def steal(job, **options):
        Job.objects.filter(id=job.id).update(fence=job.fence + 1)
        real(job, **options)

    monkeypatch.setattr(services, "succeed", steal)
    drain(limit=1)

    assert effect_table() == []


def test_a_cancelled_job_stops_at_its_next_checkpoint(drain):
    @actor(actor_name="tests.cancel_itself")
    def cancel_itself(*, steps: int) -> None:
        services.cancel([Job.objects.get().id])
        step.fn(steps=steps)

    cancel_itself.send(steps=5)
    drain()

    job = Job.objects.get()
    assert (job.state, job.checkpoint) == ("cancelled", 1)
    assert Attempt.objects.get().outcome == "cancelled"


def test_a_job_goes_on_from_its_checkpoint_and_keeps_its_log(drain):
    job_id = step.send(steps=3).message_id
    Job.objects.filter(id=job_id).update(checkpoint=2)

    drain()

    job = Job.objects.get()
    assert (job.result, job.progress_done, job.progress_total, job.progress_message) == (1, 3, 3, "stepping")
    assert [line.split(" ", 1)[1] for line in Attempt.objects.get().log.splitlines()] == ["step 3"]


def test_a_job_of_a_tenant_sees_that_tenant_only(drain):
    from django_scopes import get_scope

    seen = []

    @actor(actor_name="tests.look_around")
    def look_around() -> None:
        seen.append(get_scope().get("tenant"))

    tenant = Tenant.objects.create(name="A")
    look_around.send_with_options(tenant_id=tenant.id)
    drain()

    assert seen == [tenant.id]


def test_an_actor_with_parameters_that_have_no_name_is_refused_when_it_is_declared():
    with pytest.raises(TypeError, match=r"no \*args, \*\*kwargs"):

        @actor(actor_name="tests.anything")
        def anything(*args: int) -> None: ...


def test_an_actor_is_named_after_its_module():
    from modules.jobs.actors import prune_jobs

    assert prune_jobs.actor_name == "jobs.prune_jobs"
    assert send_more.actor_name == "tests.send_more"


@pytest.mark.parametrize("code", [None, 0, 0xDC80])
def test_a_result_that_postgresql_cannot_keep_is_no_result_and_spoils_no_end(drain, code):
    say.send(code=code)
    say.send(code=code or 0, log=True)
    say.send(code=0x1F600)

    assert drain() == 3
    ended = list(Job.objects.order_by("id"))
    assert [(job.state, job.result) for job in ended] == [("succeeded", None)] * 2 + [("succeeded", "\U0001f600")]
    logs = [Attempt.objects.get(job=job).log for job in ended]
    assert ("cannot be kept" in logs[0], logs[1].endswith("<>") or logs[1].endswith("<?>")) == (True, True)


def test_a_rehearsal_goes_through_a_whole_life_and_leaves_nothing():
    with CaptureQueriesContext(connection) as queries:
        services.rehearse(worker_id=uuid7())

    assert [any(step in query["sql"] for query in queries) for step in ("'running'", "INSERT INTO jobs_attempt")] == [
        True,
        True,
    ]
    assert (Job.objects.count(), Attempt.objects.count(), lane()) == (0, 0, [])

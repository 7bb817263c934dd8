"""Other arguments for a job that does not run: checked as at a send, noted, and run with."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction

from modules.jobs import services
from modules.jobs.clients import Bell
from modules.jobs.engine import runner
from modules.jobs.models import Job, JobChange
from modules.jobs.registry import InvalidArguments, UnknownActor
from modules.jobs.services import CannotChange
from modules.kernel import clock
from modules.kernel.secrets import MASK, has_mask, mask, unmask
from tests.support.actors import fail, note, step, use, write_report

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


def change(job, reason="a typo", **arguments):
    return services.change_arguments(job_id=job.pk, arguments=arguments, by="eva", reason=reason)


def sent(actor, **options):
    return Job.objects.get(id=actor.send_with_options(**options).message_id)


@pytest.fixture
def dead(drain):
    """A dead letter with a secret in its arguments."""
    job = sent(fail, kwargs={"kind": "permanent", "message": "token=s3cr3t"})
    drain()
    return Job.objects.get(id=job.id, state="failed")


def test_a_failed_job_is_mended_replayed_and_noted(drain, effects):
    job = sent(fail, kwargs={"kind": "permanent"})
    drain()
    noted = change(job, reason="wrong kind", kind="throws", message="told")

    services.replay([job.pk])
    drain()

    assert effects == ["permanent", "throws"]
    assert (noted.changed_by, noted.reason) == ("eva", "wrong kind")
    assert (noted.before, noted.after) == ({"kind": "permanent"}, {"kind": "throws", "message": "told"})
    assert JobChange.objects.get(job_id=job.pk) == noted


def test_a_scheduled_and_a_ready_job_run_with_what_came_last(drain, effects):
    later, ready = sent(note, kwargs={"word": "a"}, delay=HOUR), sent(note, kwargs={"word": "b"})
    for job, word in ((later, "c"), (ready, "d")):
        change(job, word=word)
    Job.objects.filter(pk=later.pk).update(run_at=clock.now())
    services.dispatch()

    drain()

    assert sorted(effects) == ["c", "d"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"wrod": "x"}, "unexpected|missing"),
        ({}, "missing a required argument"),
        ({"word": 7}, "'word' does not fit"),
        ({"word": "x" * 300_000}, "at most 262144 are kept"),
        ({"word": "a\0"}, "NUL"),
        ({"word": f"{MASK}"}, "hidden value"),
    ],
)
def test_what_a_send_would_refuse_is_refused_and_nothing_changes(arguments, error):
    job = sent(note, kwargs={"word": "a"}, delay=HOUR)

    with pytest.raises(InvalidArguments, match=error):
        change(job, **arguments)

    job.refresh_from_db()
    assert (job.arguments, JobChange.objects.count()) == ({"word": "a"}, 0)


@pytest.mark.parametrize("reason", ["", "  ", "x" * 301])
def test_a_change_without_a_reason_is_refused(reason):
    job = sent(note, kwargs={"word": "a"}, delay=HOUR)

    with pytest.raises(InvalidArguments, match="reason"):
        change(job, reason=reason, word="b")

    job.refresh_from_db()
    assert job.arguments == {"word": "a"}


@pytest.mark.parametrize("state", ["running", "succeeded", "cancelled"])
def test_a_job_that_runs_or_ended_well_is_left_alone(worker, state):
    job = sent(note, kwargs={"word": "a"})
    if state == "cancelled":
        services.cancel([job.pk])
    else:
        claimed = claim(job)
    if state == "succeeded":
        services.succeed(claimed)

    with pytest.raises(CannotChange, match=f"The job is {state}"):
        change(job, word="b")

    job.refresh_from_db()
    assert (job.arguments, JobChange.objects.count()) == ({"word": "a"}, 0)


def claim(job):
    bell = Bell(job.id, job.fence, job.actor, job.queue)
    return services.claim(bell, worker_id=runner.worker_id, time_limit=timedelta(minutes=1))


def test_a_start_at_the_same_time_has_the_old_arguments_or_the_new_ones_whole(worker):
    job = sent(note, kwargs={"word": "a"})
    started = []

    def start():
        started.append(claim(job))
        connection.close()

    thread = threading.Thread(target=start)
    with transaction.atomic():
        change(job, word="b")
        thread.start()
        thread.join(0.2)
        waits = thread.is_alive()
    thread.join()

    assert (waits, started[0].arguments) == (True, {"word": "b"})
    with pytest.raises(CannotChange):
        change(job, word="c")


def test_a_secret_stays_where_it_was_left_and_is_in_no_note(dead):
    noted = change(dead, kind="ordinary", message=f"token={MASK}")

    dead.refresh_from_db()
    assert dead.arguments == {"kind": "ordinary", "message": "token=s3cr3t"}
    assert (noted.before, noted.after) == (
        {"kind": "permanent", "message": f"token={MASK}"},
        {"kind": "ordinary", "message": f"token={MASK}"},
    )


def test_what_is_as_it_was_is_no_change(dead):
    assert change(dead, kind="permanent", message=f"token={MASK}") is None
    assert JobChange.objects.count() == 0


SHOWN = {"token": "t", "shop": {"key": 1, "password": {"a": 1}}, "urls": ["https://u:p@x/", "plain"]}


@pytest.mark.parametrize(
    ("edit", "meant"),
    [
        (lambda value: value, SHOWN),
        (lambda value: {**value, "token": "new"}, {**SHOWN, "token": "new"}),
        (lambda value: {**value, "shop": {**value["shop"], "key": 2}}, {**SHOWN, "shop": {**SHOWN["shop"], "key": 2}}),
        (lambda value: {**value, "urls": value["urls"][:1]}, {**SHOWN, "urls": SHOWN["urls"][:1]}),
        (lambda value: {**value, "urls": [*value["urls"], "more"]}, {**SHOWN, "urls": [*SHOWN["urls"], "more"]}),
        (lambda value: {"token": value["token"]}, {"token": "t"}),
    ],
)
def test_an_edited_copy_gets_its_secrets_back(edit, meant):
    assert unmask(edit(mask(SHOWN)), SHOWN) == meant


def test_a_mask_that_was_moved_is_seen():
    moved = unmask({"other": MASK, "urls": ["plain", f"https://u:{MASK}@x/"]}, SHOWN)

    assert (has_mask(moved), has_mask(SHOWN)) == (True, False)


def test_the_tenant_of_a_job_stays():
    job = sent(write_report, kwargs={"tenant_id": 1, "report_type": "a"}, tenant_id=1, delay=HOUR)

    with pytest.raises(InvalidArguments, match="belongs to the tenant 1"):
        change(job, tenant_id=2, report_type="a")

    assert change(job, tenant_id=1, report_type="b").after == {"tenant_id": 1, "report_type": "b"}


def test_limits_count_what_the_job_uses_now():
    followed, named = sent(use, kwargs={"shop_id": 1}, delay=HOUR), sent(use, kwargs={"shop_id": 1}, delay=HOUR)
    Job.objects.filter(pk=named.pk).update(resource="api:all")

    for job in (followed, named):
        change(job, shop_id=2)
        job.refresh_from_db()

    assert (followed.resource, named.resource) == ("shop:2", "api:all")


def test_the_checkpoint_of_other_arguments_is_forgotten():
    job = sent(step, kwargs={"steps": 3}, delay=HOUR)
    Job.objects.filter(pk=job.pk).update(checkpoint=2, progress_done=2, progress_total=3, progress_message="stepping")

    change(job, steps=5)

    job.refresh_from_db()
    assert (job.checkpoint, job.progress_done, job.progress_total, job.progress_message) == (None, None, None, "")


def test_a_job_whose_actor_is_gone_is_refused(dead):
    Job.objects.filter(pk=dead.pk).update(actor="tests.removed")

    with pytest.raises(UnknownActor):
        change(dead, kind="ordinary")


def test_the_notes_go_with_the_job(dead):
    other = sent(note, kwargs={"word": "a"}, delay=HOUR)
    change(dead, kind="ordinary")
    change(other, word="b")

    services.prune(ended_before=clock.now() + HOUR, states=["failed"])

    assert [*JobChange.objects.values_list("job_id", flat=True)] == [other.pk]

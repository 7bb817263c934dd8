"""Batches: callbacks are sent once, whatever ends the members and whoever dies in between."""

import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction

from modules.jobs import domain, selectors, services
from modules.jobs.clients import Bell
from modules.jobs.domain import Failure, Tally
from modules.jobs.engine import context, runner
from modules.jobs.events import jobs_moved
from modules.jobs.models import Batch, Job
from modules.jobs.registry import InvalidArguments, UnknownActor
from modules.jobs.services import BatchClosed, JobRequest, batch
from tests.support.actors import fail, fail_once, note, note_batch, open_batch, send_members, step

pytestmark = pytest.mark.django_db(transaction=True)

CALLBACKS = {
    "on_first_failure": note_batch.request_with_options(kwargs={"word": "first failure"}),
    "on_success": note_batch.request_with_options(kwargs={"word": "success"}),
    "on_finish": note_batch.request_with_options(kwargs={"word": "finish"}),
}


def words(*found):
    return [note.request(word=word) for word in found]


def bad():
    return fail.request(kind="permanent")


def opened(*members, **options):
    with batch("import shop 1", **{**CALLBACKS, **options}) as found:
        found.send(*members)
    return found


def claim(job_id):
    job = Job.objects.get(id=job_id)
    bell = Bell(job.id, job.fence, job.actor, job.queue)
    return services.claim(bell, worker_id=runner.worker_id, time_limit=timedelta(minutes=1))


def members(found):
    return list(Job.objects.filter(batch_id=found.id).order_by("id"))


def sent(*, state=None):
    """Return the callbacks in the ledger, in order of sending."""
    callbacks = Job.objects.filter(actor="tests.note_batch").order_by("id")
    return [job.arguments["word"] for job in (callbacks.filter(state=state) if state else callbacks)]


def tally(found):
    row = Batch.objects.get(id=found.id)
    return selectors.batch_tallies([row])[row.id]


@pytest.fixture
def nobody_notices():
    """Let every process die right after its commit: nobody looks at a batch but the dispatcher."""
    receivers = jobs_moved.receivers
    jobs_moved.receivers = [one for one in receivers if one[0][0] != "jobs.batches"]
    jobs_moved.sender_receivers_cache.clear()
    yield
    jobs_moved.receivers = receivers
    jobs_moved.sender_receivers_cache.clear()


# Which callbacks, and when


def test_all_succeed(drain, effects):
    found = opened(*words("a", "b"))
    assert (sent(), tally(found)) == ([], Tally(waiting=2))
    drain()

    assert effects == ["a", "b", ("success", str(found.id)), ("finish", str(found.id))]
    row = Batch.objects.get()
    assert tally(found) == Tally(succeeded=2)
    assert (row.finished_at is None, sorted(row.sent)) == (False, ["finish", "success"])
    assert row.sent["finish"] == str(Job.objects.get(arguments__word="finish").id)


def test_a_failure_is_told_while_the_others_wait_and_the_end_is_told_too(worker):
    found = opened(bad(), bad(), *words("a"))
    first, second, third = members(found)

    services.fail(claim(first.id), Failure("E", "m"))
    early = sent()
    services.fail(claim(second.id), Failure("E", "m"))
    services.succeed(claim(third.id))

    assert early == ["first failure"]
    assert sent() == ["first failure", "finish"]
    assert tally(found) == Tally(succeeded=1, failed=2)


def test_a_retry_is_no_failure(worker):
    found = opened(*words("a"))
    services.retry(claim(members(found)[0].id), Failure("E", "m"), delay=timedelta(hours=1), outcome="failed")

    assert (sent(), tally(found)) == ([], Tally(waiting=1))


@pytest.mark.parametrize("end", ["cancel", "stop", "quarantine", "time out"])
def test_every_way_to_end_badly_is_a_failure_and_an_end(worker, end, settings):
    found = opened(*words("a"))
    [member] = members(found)
    if end == "cancel":
        services.cancel([member.id])
    else:
        running = claim(member.id)
    if end == "stop":
        services.stop(running)
    if end == "quarantine":
        settings.JOBS = {**settings.JOBS, "MAX_CRASHES": 1}
        with connection.cursor() as cursor:
            cursor.execute("UPDATE jobs_worker SET lease_until = now() - interval '1 second'")
        services.dispatch()
    if end == "time out":
        Job.objects.update(deadline_at=datetime.now(UTC) - timedelta(seconds=1), max_attempts=1)
        services.dispatch()

    assert sent() == ["first failure", "finish"]


def test_an_empty_batch_sends_at_once():
    opened()

    assert sent() == ["success", "finish"]


def test_an_empty_batch_in_a_transaction_sends_when_that_commits():
    with transaction.atomic():
        opened()
        before = sent()

    assert (before, sent()) == ([], ["success", "finish"])


def test_a_batch_without_callbacks_ends(drain):
    found = opened(*words("a"), on_first_failure=None, on_success=None, on_finish=None)
    drain()

    row = Batch.objects.get(id=found.id)
    assert (row.finished_at is None, row.sent, sent()) == (False, {}, [])


def test_a_callback_may_be_a_chain(drain, effects):
    opened(on_success=note.request_with_options(kwargs={"word": "one"}, chain=words("two")), on_finish=None)
    drain()

    assert effects == ["one", "two"]


def test_a_callback_may_open_another_batch_of_the_same_tenant(drain, effects):
    opened(*words("a"), on_success=open_batch.request(words=["b", "c"]), on_finish=None, tenant_id=7)
    drain()

    first, second = Batch.objects.order_by("id")
    assert effects == ["a", "b", "c", ("next", str(second.id))]
    assert (first.tenant_id, second.tenant_id, second.finished_at is None) == (7, 7, False)


# Rollback, refusals, tenants


def test_an_error_in_the_block_leaves_neither_batch_nor_member():
    with pytest.raises(RuntimeError), batch("import", **CALLBACKS) as found:
        found.send(*words("a"))
        raise RuntimeError("roll back")

    assert (Batch.objects.count(), Job.objects.count()) == (0, 0)


def test_a_rolled_back_transaction_around_it_leaves_nothing():
    with pytest.raises(RuntimeError), transaction.atomic():
        opened(*words("a"))
        raise RuntimeError("roll back")

    assert (Batch.objects.count(), Job.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("options", "error", "problem"),
    [
        ({"on_finish": note.request_with_options(kwargs={"wrod": "x"})}, InvalidArguments, "'word'"),
        ({"on_finish": JobRequest(actor="tests.nobody")}, UnknownActor, "tests.nobody"),
        (
            {"on_finish": note.request_with_options(kwargs={"word": "x"}, unique_key="k")},
            InvalidArguments,
            "unique_key: the callback",
        ),
        (
            {"on_finish": note.request_with_options(kwargs={"word": "x"}, batch_id=uuid4())},
            InvalidArguments,
            "batch_id: the callback",
        ),
        (
            {"tenant_id": 1, "on_finish": note.request_with_options(kwargs={"word": "x"}, tenant_id=2)},
            InvalidArguments,
            "tenant_id: the callback",
        ),
    ],
)
def test_a_wrong_callback_is_refused_when_the_batch_is_opened(options, error, problem):
    with pytest.raises(error, match=problem):
        opened(**options)

    assert Batch.objects.count() == 0


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_a_batch_has_a_name_of_a_sensible_length(name):
    with pytest.raises(InvalidArguments, match="1 to 200 characters"), batch(name):
        pass


def test_members_and_callbacks_are_of_the_batchs_tenant_and_no_stranger_joins(drain):
    found = opened(*words("a"), tenant_id=7)
    with pytest.raises(InvalidArguments, match="the batch belongs to the tenant 7"):
        found.send(note.request_with_options(kwargs={"word": "x"}, tenant_id=8))
    drain()

    assert {job.tenant_id for job in Job.objects.all()} == {7}
    assert sent() == ["success", "finish"]


def test_a_batch_of_no_tenant_takes_members_of_any():
    found = opened(*(note.request_with_options(kwargs={"word": "x"}, tenant_id=n) for n in (1, 2)))

    assert [job.tenant_id for job in members(found)] == [1, 2]


def test_replace_is_refused_for_a_member():
    with pytest.raises(InvalidArguments, match="on_conflict: a batch takes no waiting job over"):
        opened(note.request_with_options(kwargs={"word": "x"}, unique_key="k", on_conflict="replace"))


def test_a_request_whose_key_is_taken_is_no_member():
    note.send_with_options(kwargs={"word": "holder"}, unique_key="k")
    found = opened(note.request_with_options(kwargs={"word": "x"}, unique_key="k"))

    assert (members(found), sent()) == ([], ["success", "finish"])


# Members that send members


def test_a_running_member_adds_members_and_the_end_waits_for_them(drain, effects):
    found = opened(send_members.request(words=["a", "b"]))
    drain()

    assert len(members(found)) == 3
    assert effects == ["a", "b", ("success", str(found.id)), ("finish", str(found.id))]


def test_members_are_there_also_when_the_one_that_sent_them_failed(drain, effects):
    found = opened(send_members.request(words=["a"], error=True))
    drain()

    assert tally(found) == Tally(succeeded=1, failed=1)
    assert sent() == ["first failure", "finish"]


def test_a_job_of_no_batch_has_none():
    with pytest.raises(RuntimeError, match="outside of a job"):
        context.batch()


@pytest.mark.parametrize("end", ["finished", "cancelled", "unknown"])
def test_a_batch_that_is_closed_takes_no_members(worker, end):
    found = opened(*words("a", "b"))
    first, second = members(found)
    claim(first.id)
    if end == "cancelled":
        services.cancel_batch(found.id)
    if end == "finished":
        Job.objects.get(id=second.id)
        services.cancel([second.id])
        services.retire_worker(worker_id=runner.worker_id)
        services.cancel([first.id])
    batch_id = uuid4() if end == "unknown" else found.id
    count = Job.objects.count()

    with pytest.raises(BatchClosed, match=str(batch_id)):
        note.send_with_options(kwargs={"word": "late"}, batch_id=batch_id)
    assert Job.objects.count() == count


def test_whoever_closes_a_batch_waits_for_members_that_are_on_their_way(worker):
    found = opened(*words("a"))
    [member] = members(found)
    running, added, go_on = claim(member.id), threading.Event(), threading.Event()

    def add():
        with transaction.atomic():
            found.send(*words("late"))
            added.set()
            go_on.wait(10)
        connection.close()

    thread = threading.Thread(target=add)
    thread.start()
    added.wait(10)
    services.succeed(running)  # as if the adder were no member: nothing else is alive now
    during = sent()
    go_on.set()
    thread.join(10)
    services.settle_batches()

    assert (during, sent(), tally(found)) == ([], [], Tally(waiting=1, succeeded=1))


# Once, whoever races and whoever dies


def test_callbacks_are_sent_once_by_many_at_once(nobody_notices, drain):
    found = opened(*words("a"))
    drain()
    gate = threading.Barrier(8)

    def settle():
        gate.wait()
        services.settle_batches([found.id])
        connection.close()

    threads = [threading.Thread(target=settle) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert sent() == ["success", "finish"]


def test_members_that_end_in_the_same_moment_leave_one_end(worker):
    found = opened(*words(*"abcdefgh"))
    running = [claim(job.id) for job in members(found)]
    gate = threading.Barrier(8)

    def succeed(job):
        gate.wait()
        services.succeed(job)
        connection.close()

    threads = [threading.Thread(target=succeed, args=[job]) for job in running]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    services.dispatch()

    assert sent() == ["success", "finish"]


def test_the_dispatcher_sends_what_a_dead_worker_left(nobody_notices, worker):
    found = opened(bad(), *words("a"))
    first, second = members(found)
    services.fail(claim(first.id), Failure("E", "m"))
    one = (sent(), services.dispatch().settled, sent())
    services.succeed(claim(second.id))
    two = (sent(), services.dispatch().settled, sent())

    assert one == ([], 1, ["first failure"])
    assert two == (["first failure"], 1, ["first failure", "finish"])
    assert services.dispatch().settled == 0


def test_a_death_between_the_callbacks_and_the_commit_sends_them_once(nobody_notices, drain):
    found = opened(*words("a"))
    drain()
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        services.settle_batches([found.id])
        raise KeyboardInterrupt
    before = sent()
    services.dispatch()

    assert (before, sent()) == ([], ["success", "finish"])


def test_a_callback_that_cannot_enter_the_ledger_holds_up_no_other_batch(nobody_notices, drain, caplog):
    broken, whole = opened(*words("a")), opened(*words("b"))
    Batch.objects.filter(id=broken.id).update(callbacks={"finish": {"actor": "tests.note"}})
    drain()
    services.dispatch()

    assert f"batch={broken.id} cannot be settled" in caplog.text
    assert Batch.objects.get(id=whole.id).finished_at is not None


def test_a_callback_of_yesterdays_code_is_sent_although_todays_has_no_such_actor(nobody_notices, drain):
    found = opened(*words("a"), on_success=None)
    row = Batch.objects.get()
    row.callbacks["finish"]["actor"] = "tests.gone"
    row.save()
    drain()
    services.dispatch()

    assert Batch.objects.get(id=found.id).finished_at is not None
    assert Job.objects.get(actor="tests.gone").state == "queued"


# Replay, cancel, prune


def test_replaying_the_failed_members_of_a_finished_batch_leads_to_success_and_no_second_end(drain, effects):
    found = opened(fail_once.request(word="a"), fail_once.request(word="b"), *words("c"))
    drain()
    first, second, _ = members(found)
    failed = sent()
    services.replay([first.id])
    reopened = Batch.objects.get().finished_at
    drain()
    half = (sent(), Batch.objects.get().finished_at is None)
    services.replay([second.id])
    drain()

    assert (failed, reopened) == (["first failure", "finish"], None)
    assert half == (["first failure", "finish"], False)
    assert sent() == ["first failure", "finish", "success"]
    assert tally(found) == Tally(succeeded=3)


def test_cancelling_a_batch_meets_waiting_and_running_members_and_no_others(worker):
    other = opened(*words("other"))
    found = opened(
        step.request(steps=1), *words("a"), note.request_with_options(kwargs={"word": "b"}, delay=timedelta(hours=1))
    )
    running = claim(members(found)[0].id)

    assert services.cancel_batch(found.id) == 3
    assert (sent(), services.may_go_on(running)) == (["first failure"], False)
    services.stop(running)
    assert (tally(found), sent()) == (Tally(cancelled=3), ["first failure", "finish"])
    assert tally(other) == Tally(waiting=1)
    assert services.cancel_batch(found.id) == 0


def test_a_member_of_a_cancelled_batch_that_fails_on_its_way_out_does_not_come_back(worker):
    found = opened(*words("a"))
    running = claim(members(found)[0].id)
    services.cancel_batch(found.id)
    services.retry(running, Failure("E", "m"), delay=timedelta(hours=1), outcome="failed")

    assert tally(found) == Tally(cancelled=1)
    assert sent() == ["first failure", "finish"]


def test_the_dispatcher_ends_a_cancellation_whose_process_died_halfway():
    found = opened(*words("a", "b"))
    Batch.objects.update(cancelled_at=datetime.now(UTC))
    services.dispatch()

    assert tally(found) == Tally(cancelled=2)


def test_a_replay_in_a_cancelled_batch_is_not_cancelled_again(worker, drain):
    found = opened(fail_once.request(word="a"), *words("b"))
    first, _ = members(found)
    services.fail(claim(first.id), Failure("E", "m"))
    services.cancel_batch(found.id)
    services.replay([first.id])
    services.dispatch()
    drain()

    assert tally(found) == Tally(succeeded=1, cancelled=1)


def test_cancelling_an_unknown_batch_says_so():
    with pytest.raises(Batch.DoesNotExist):
        services.cancel_batch(uuid4())


def test_pruned_members_still_count(worker, drain):
    found = opened(bad(), *words("a", "b"))
    first, second, third = members(found)
    services.succeed(claim(second.id))
    services.fail(claim(first.id), Failure("E", "m"))
    later = datetime.now(UTC) + timedelta(seconds=1)

    gone = services.prune(ended_before=later, states=domain.ENDED)
    in_between = tally(found)
    services.succeed(claim(third.id))

    assert (gone, in_between) == (2, Tally(waiting=1, succeeded=1, failed=1))
    assert tally(found) == Tally(succeeded=2, failed=1)
    assert sent() == ["first failure", "finish"]


def test_batches_are_pruned_when_they_ended_long_ago_and_their_members_are_gone(drain):
    opened(*words("a"))
    drain()
    open_one = opened(*words("b"))
    later = datetime.now(UTC) + timedelta(seconds=1)

    early = services.prune_batches(ended_before=later)
    services.prune(ended_before=later, states=domain.ENDED)
    late = services.prune_batches(ended_before=later)

    assert (early, late) == (0, 1)
    assert [row.id for row in Batch.objects.all()] == [open_one.id]


# What it costs


def test_jobs_of_no_batch_pay_nothing(worker, django_assert_num_queries):
    plain, member = note.send(word="x").message_id, members(opened(*words("a", "b")))[0].id
    plain, member = claim(plain), claim(member)

    with django_assert_num_queries(1):
        services.succeed(plain)
    with django_assert_num_queries(2):
        services.succeed(member)


def test_a_thousand_members_are_sent_in_few_statements_and_counted_in_one(django_assert_max_num_queries):
    with django_assert_max_num_queries(12):
        found = opened(*(note.request(word=str(n)) for n in range(1_000)))
    row = Batch.objects.get()

    with django_assert_max_num_queries(1):
        assert selectors.batch_tallies([row])[row.id].total == 1_000
    assert found.id == row.id


def test_a_callback_starts_right_after_the_last_member(drain, worker):
    found = opened(*words("a"))
    running = claim(members(found)[0].id)
    started = time.monotonic()
    services.succeed(running)

    assert time.monotonic() - started < 0.1
    assert Job.objects.filter(actor="tests.note_batch", dispatched_at__isnull=False).count() == 2

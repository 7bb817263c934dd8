"""Unique keys: how long they hold, and what another send does to whoever holds them."""

import logging
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F

from modules.jobs import domain, services
from modules.jobs.clients import Bell
from modules.jobs.domain import Failure
from modules.jobs.engine import runner
from modules.jobs.models import Job
from modules.jobs.registry import InvalidArguments
from modules.jobs.services import JobExists, JobRequest
from tests.support import lanes
from tests.support.actors import fail, note, snooze, use

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


def send(word="x", actor=note, **options):
    return services.enqueue(
        actor.spec.name, kwargs={"word": word} if actor is note else {}, **{"unique_key": "k", **options}
    )


def claim(job_id):
    job = Job.objects.get(id=job_id)
    bell = Bell(job.id, job.fence, job.actor, job.queue)
    return services.claim(bell, worker_id=runner.worker_id, time_limit=timedelta(minutes=1))


def let_time_pass(span):
    Job.objects.update(unique_expires_at=F("unique_expires_at") - span, finished_at=F("finished_at") - span)


def at_once(*calls):
    """Run the calls in threads that start together; return what each returned or raised."""
    results, gate = [None] * len(calls), threading.Barrier(len(calls))

    def run(number, call):
        gate.wait()
        try:
            results[number] = call()
        except Exception as error:  # noqa: BLE001 -- the test looks at it
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return results


# How long a key holds


def test_a_key_for_a_period_outlives_its_job(drain, effects):
    first = send("one", unique_for=HOUR)
    drain()
    second = send("two", unique_for=HOUR)
    let_time_pass(HOUR)
    third = send("three", unique_for=HOUR)
    drain()

    assert (second == first, third == first) == (True, False)
    assert effects == ["one", "three"]
    assert Job.objects.get(id=first).unique_key is None


def test_a_key_for_a_period_holds_also_longer_than_that_while_its_job_lives():
    first = send(unique_for=HOUR)
    let_time_pass(2 * HOUR)

    assert send() == first


def test_a_dead_letter_holds_its_period_and_its_replay_too(drain):
    services.enqueue("tests.fail", kwargs={"kind": "permanent"}, unique_key="k", unique_for=HOUR)
    drain()
    dead = Job.objects.get(state="failed")
    services.replay([dead.id])
    drain()

    assert services.enqueue("tests.fail", unique_key="k") == dead.id


def test_a_key_until_start_for_a_period_is_held_from_the_start_on(worker):
    first = services.enqueue("tests.note_from_start", kwargs={"word": "x"}, unique_key="k", unique_for=HOUR)
    claim(first)
    within = services.enqueue("tests.note_from_start", kwargs={"word": "x"}, unique_key="k")
    let_time_pass(HOUR)
    after = services.enqueue("tests.note_from_start", kwargs={"word": "x"}, unique_key="k")

    assert (within == first, after == first) == (True, False)
    assert Job.objects.get(id=first).state == "running"


@pytest.mark.parametrize("end", ["cancel waiting", "stop running", "discard dead"])
def test_cancelling_frees_a_key_before_its_time(worker, end):
    first = send(unique_for=HOUR)
    if end == "cancel waiting":
        services.cancel([first])
    elif end == "stop running":
        services.stop(claim(first))
    else:
        services.fail(claim(first), Failure("E", "m"))
        services.discard([first])

    assert Job.objects.get(id=first).state == "cancelled"
    assert send() != first


def test_pruning_waits_until_a_key_is_over(drain):
    send(unique_for=48 * HOUR)
    drain()
    let_time_pass(24 * HOUR)
    yesterday = datetime.now(UTC) - 23 * HOUR

    early = services.prune(ended_before=yesterday, states=domain.ENDED)
    let_time_pass(24 * HOUR)
    late = services.prune(ended_before=yesterday, states=domain.ENDED)

    assert (early, late) == (0, 1)


# What another send does


def test_reject_names_the_holder_and_leaves_nothing():
    holder = send("one")

    with pytest.raises(JobExists, match=str(holder)) as caught:
        services.enqueue_many(
            [
                JobRequest(actor="tests.note", kwargs={"word": "innocent"}),
                JobRequest(actor="tests.note", kwargs={"word": "two"}, unique_key="k", on_conflict="reject"),
            ]
        )

    assert caught.value.job_id == holder
    assert [job.arguments["word"] for job in Job.objects.all()] == ["one"]


def test_reject_sends_when_the_key_is_free(drain, effects):
    send("one", on_conflict="reject")
    drain()
    send("two", on_conflict="reject")
    drain()

    assert effects == ["one", "two"]


def test_reject_inside_a_transaction_does_not_break_it():
    send("one")
    with transaction.atomic():
        note.send(word="before")
        with pytest.raises(JobExists):
            send("two", on_conflict="reject")
        note.send(word="after")

    assert sorted(job.arguments["word"] for job in Job.objects.all()) == ["after", "before", "one"]


def test_replace_gives_a_waiting_job_new_arguments_priority_and_tags_and_keeps_its_id(drain, effects):
    first = send("one", delay=HOUR, tags=["old"])
    second = send("two", on_conflict="replace", priority=-5, tags=["new"], max_attempts=9)

    job = Job.objects.get()
    assert (first, second) == (job.id, job.id)
    assert (job.state, job.arguments, job.priority, job.tags, job.max_attempts) == (
        "queued",
        {"word": "two"},
        -5,
        ["new"],
        9,
    )
    assert lanes.lane() == [f"{job.id}:0"]
    assert (drain(), effects) == (1, ["two"])


def test_replace_by_a_later_time_calls_the_bell_back(drain, effects, worker):
    job_id = send("one")
    old_bell = Job.objects.get()
    send("two", on_conflict="replace", delay=HOUR)

    assert claim(old_bell.id) is None
    job = Job.objects.get()
    assert (job.id, job.state, job.dispatched_at) == (job_id, "scheduled", None)
    assert timedelta(minutes=59) < job.run_at - datetime.now(UTC) <= HOUR


def test_a_burst_with_a_delay_runs_once_with_the_last_word(drain, effects):
    for number in range(5):
        send(str(number), on_conflict="replace", delay=timedelta(milliseconds=50))
    time.sleep(0.1)
    services.dispatch()

    assert (drain(), effects) == (1, ["4"])


def test_replace_follows_the_resource_of_the_new_arguments():
    for shop in (1, 2):
        use.send_with_options(kwargs={"shop_id": shop}, unique_key="k", on_conflict="replace")

    assert [job.resource for job in Job.objects.all()] == ["shop:2"]


def test_replace_of_a_retrying_job_begins_at_its_first_attempt_without_the_old_checkpoint(worker):
    first = services.enqueue("tests.step", kwargs={"steps": 9}, unique_key="k", max_attempts=5)
    running = claim(first)
    services.save_checkpoint(running, 7)
    services.report_progress(running, done=7, total=9, message="stepping")
    services.retry(running, Failure("E", "m", "", "f"), delay=HOUR, outcome=domain.Outcome.FAILED)

    services.enqueue("tests.step", kwargs={"steps": 3}, unique_key="k", on_conflict="replace", delay=HOUR)

    job = Job.objects.get()
    assert (job.id, job.state, job.arguments) == (first, "scheduled", {"steps": 3})
    assert (job.attempt, job.checkpoint, job.progress_done, job.error_type) == (0, None, None, "")
    assert job.attempts.count() == 1


def test_replace_leaves_a_running_job_alone(worker):
    first = send("one")
    claim(first)

    assert send("two", on_conflict="replace") == first
    assert [(job.state, job.arguments["word"]) for job in Job.objects.all()] == [("running", "one")]


def test_replace_leaves_an_ended_job_that_holds_its_period_alone(drain):
    first = send("one", unique_for=HOUR)
    drain()

    assert send("two", on_conflict="replace") == first
    assert [(job.state, job.arguments["word"]) for job in Job.objects.all()] == [("succeeded", "one")]


def test_replace_never_touches_the_job_of_another_actor_or_tenant():
    send("one", tenant_id=1)

    with pytest.raises(InvalidArguments, match="another actor or tenant"):
        send("two", tenant_id=2, on_conflict="replace")
    with pytest.raises(InvalidArguments, match="another actor or tenant"):
        send(actor=fail, tenant_id=1, on_conflict="replace")

    assert [(job.tenant_id, job.arguments["word"]) for job in Job.objects.all()] == [(1, "one")]


def test_replacing_a_job_that_took_its_worker_down_does_not_bring_it_among_the_others(worker):
    first = send("one")
    Job.objects.update(crashes=2)
    lanes.empty()

    send("two", on_conflict="replace")

    assert (Job.objects.get(id=first).crashes, lanes.lane()) == (2, [])


def test_replacing_is_in_the_log(caplog):
    with caplog.at_level(logging.INFO, logger="backroom.jobs"):
        job_id = send("s3cr3t one")
        send("s3cr3t two", on_conflict="replace")
        send("s3cr3t three", on_conflict="replace", delay=HOUR)

    lines = [record.getMessage() for record in caplog.records]
    assert [line.split()[-1] for line in lines if f"job={job_id}" in line] == ["replaced", "postponed"]
    assert "s3cr3t" not in caplog.text


def test_many_with_keys_that_are_free_are_one_statement_and_of_two_alike_the_later_counts(
    django_assert_num_queries, monkeypatch
):
    monkeypatch.setattr(services._gates._snapshot, "read_at", time.monotonic() + 60)
    requests = [JobRequest(actor="tests.note", kwargs={"word": str(n)}, unique_key=f"k{n}") for n in range(300)]
    with django_assert_num_queries(1):
        services.enqueue_many(requests)

    again = [
        JobRequest(actor="tests.note", kwargs={"word": f"new {n}"}, unique_key="k7", on_conflict="replace")
        for n in range(3)
    ]
    assert len(set(services.enqueue_many(again))) == 1
    assert Job.objects.get(unique_key="k7").arguments == {"word": "new 2"}
    assert Job.objects.count() == 300


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unique_key": None, "unique_for": HOUR}, "unique_key: without one"),
        ({"unique_key": None, "on_conflict": "reject"}, "unique_key: without one"),
        ({"on_conflict": "discard"}, "on_conflict: 'discard' is none of coalesce, reject, replace"),
        ({"unique_for": timedelta(0)}, "unique_for: it is longer than nothing"),
        ({"unique_key": "x" * 301}, "unique_key: it has 1 to 300 characters"),
        ({"unique_key": ""}, "unique_key: it has 1 to 300 characters"),
    ],
)
def test_options_that_would_do_nothing_are_refused_by_name(options, words):
    with pytest.raises(InvalidArguments, match=words):
        send(**options)

    assert Job.objects.count() == 0


# Two at once


def test_of_many_senders_at_once_one_wins_and_the_others_learn_who():
    results = at_once(*[lambda n=n: send(str(n), on_conflict="reject") for n in range(8)])

    job = Job.objects.get()
    refused = [result for result in results if isinstance(result, JobExists)]
    assert (results.count(job.id), len(refused), {error.job_id for error in refused}) == (1, 7, {job.id})


def test_many_replacing_at_once_are_one_job_with_one_of_their_words():
    results = at_once(*[lambda n=n: send(str(n), on_conflict="replace", delay=HOUR) for n in range(8)])

    job = Job.objects.get()
    assert set(results) == {job.id}
    assert job.arguments["word"] in set("01234567")


def test_a_sender_waits_for_another_ones_open_transaction_and_takes_over_what_it_left():
    inserted, go_on = threading.Event(), threading.Event()

    def slow():
        with transaction.atomic():
            job_id = send("slow")
            inserted.set()
            go_on.wait(10)
        return job_id

    def quick():
        inserted.wait(10)
        threading.Timer(0.3, go_on.set).start()
        return send("quick", on_conflict="replace")

    assert len(set(at_once(slow, quick))) == 1
    assert [job.arguments["word"] for job in Job.objects.all()] == ["quick"]


def test_of_many_senders_that_find_a_key_over_one_makes_the_new_job(drain):
    old = send(unique_for=HOUR)
    drain()
    let_time_pass(HOUR)

    results = at_once(*[lambda: send(unique_for=HOUR) for _ in range(8)])

    new = Job.objects.get(unique_key="k").id
    assert set(results) == {new}
    assert (new != old, Job.objects.count()) == (True, 2)


def test_bulk_senders_of_the_same_keys_in_opposite_order_do_not_lock_each_other_out():
    def sender(order):
        requests = [
            JobRequest(actor="tests.note", kwargs={"word": "x"}, unique_key=f"k{n:03}", on_conflict="replace")
            for n in order
        ]
        return lambda: services.enqueue_many(requests)

    up, down = at_once(sender(range(200)), sender(range(199, -1, -1)))

    assert list(reversed(down)) == up
    assert Job.objects.count() == 200


@pytest.mark.slow
def test_replace_and_a_worker_that_starts_the_job_agree_on_what_runs(worker):
    for number in range(20):
        first = send("old", unique_key=f"k{number}")
        running, answer = at_once(
            lambda first=first: claim(first),
            lambda n=number: send("new", unique_key=f"k{n}", on_conflict="replace"),
        )
        job = Job.objects.get(id=first)
        assert answer == first
        assert (job.state, running.arguments) == ("running", job.arguments)


def test_a_snoozing_job_keeps_its_key(drain):
    first = snooze.send_with_options(kwargs={"seconds": 3600}, unique_key="k")
    drain()

    assert str(services.enqueue("tests.snooze", kwargs={"seconds": 1}, unique_key="k")) == first.message_id

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from modules.jobs import clients, services
from modules.jobs.models import Job
from modules.jobs.registry import InvalidArguments, UnknownActor
from modules.jobs.services import JobRequest, _gates
from tests.support import lanes
from tests.support.actors import note, send_more
from tests.support.lanes import lane

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_send_is_a_row_and_a_bell():
    message = note.send(word="hello")

    job = Job.objects.get()
    assert message.message_id == str(job.id)
    assert (job.actor, job.queue, job.state, job.arguments) == ("tests.note", "default", "queued", {"word": "hello"})
    assert (job.max_attempts, job.attempt, job.fence) == (3, 0, 0)
    assert lane() == [f"{job.id}:0"]


@pytest.mark.slow
def test_200_sends_in_rolled_back_transactions_leave_neither_row_nor_bell():
    for number in range(200):
        with pytest.raises(RuntimeError), transaction.atomic():
            note.send(word=str(number))
            raise RuntimeError("roll back")

    assert Job.objects.count() == 0
    assert lane() == []


def test_the_bell_rings_only_after_the_commit():
    with transaction.atomic():
        note.send(word="later")
        before = lane()

    assert (before, len(lane())) == ([], 1)


def test_positional_arguments_are_kept_by_name(drain, effects):
    services.enqueue("tests.note", args=(), kwargs={"word": "by name"})

    assert drain() == 1
    assert effects == ["by name"]


def test_many_are_sent_in_one_statement(django_assert_num_queries, monkeypatch):
    requests = [JobRequest(actor="tests.note", kwargs={"word": str(n)}) for n in range(500)]
    # Asked for once a second: an answer of the future, so that a slow machine does not ask inside the block.
    monkeypatch.setattr(_gates._snapshot, "read_at", time.monotonic() + 60)

    with django_assert_num_queries(1):
        ids = services.enqueue_many(requests)

    rows = Job.objects.order_by("id").values_list("id", "arguments")
    assert [(job_id, arguments["word"]) for job_id, arguments in rows] == [
        (job_id, str(n)) for n, job_id in enumerate(ids)
    ]


def test_a_delayed_job_waits_in_the_ledger_and_rings_no_bell():
    note.send_with_options(kwargs={"word": "later"}, delay=timedelta(hours=1))

    job = Job.objects.get()
    assert job.state == "scheduled"
    assert timedelta(minutes=59) < job.run_at - datetime.now(UTC) <= timedelta(hours=1)
    assert lane() == []


def test_a_unique_key_that_is_taken_returns_its_holder_until_that_ends(drain, effects):
    first = note.send_with_options(kwargs={"word": "one"}, unique_key="shop:1")
    second = note.send_with_options(kwargs={"word": "two"}, unique_key="shop:1")
    drain()
    third = note.send_with_options(kwargs={"word": "three"}, unique_key="shop:1")
    drain()

    assert second.message_id == first.message_id
    assert third.message_id != first.message_id
    assert effects == ["one", "three"]


def test_the_same_unique_key_twice_in_one_batch_is_one_job():
    request = JobRequest(actor="tests.note", kwargs={"word": "x"}, unique_key="k")

    first, second = services.enqueue_many([request, request])

    assert first == second
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({}, "missing a required argument: 'word'"),
        ({"word": "a", "wrod": "b"}, "unexpected keyword argument 'wrod'"),
        ({"word": object()}, "'word' cannot be kept as JSON"),
        ({"word": datetime(2026, 1, 1, tzinfo=UTC)}, "'word' cannot be kept as JSON"),
        ({"word": "a\0b"}, "no NUL"),
        ({"word": "a", "seconds": float("nan")}, "'seconds' cannot be kept as JSON"),
        ({"word": "x" * 300_000}, "at most 262144 are kept"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_at_the_call_with_the_reason(kwargs, words):
    with pytest.raises(InvalidArguments, match=words):
        services.enqueue("tests.note", kwargs=kwargs)

    assert Job.objects.count() == 0


def test_an_unknown_actor_is_refused_at_the_call():
    with pytest.raises(UnknownActor, match=r"tests\.nobody"):
        services.enqueue("tests.nobody")


def test_a_job_sent_from_a_job_names_its_cause_and_inherits_the_tenant(drain):
    send_more.send_with_options(kwargs={"word": "child"}, tenant_id=7)
    drain()

    parent, child = Job.objects.order_by("id")
    assert (child.cause_id, child.tenant_id) == (parent.id, 7)


def test_sending_goes_on_while_redis_is_away(monkeypatch):
    class Away:
        def ring(self, bells):
            raise ConnectionRefusedError("no Redis")

    monkeypatch.setattr(clients, "_broker", Away)
    started = time.monotonic()
    for number in range(50):
        note.send(word=str(number))

    assert Job.objects.filter(state="queued").count() == 50
    assert time.monotonic() - started < 2


def test_a_full_lane_keeps_new_bells_in_the_ledger(settings):
    settings.JOBS = {**settings.JOBS, "LANE_LENGTH": 3}

    for number in range(10):
        note.send(word=str(number))

    # RabbitMQ's count of its messages is old by some milliseconds, on a busy machine by some more.
    assert 3 <= len(lane()) <= (9 if lanes.is_rabbitmq() else 3)
    assert Job.objects.filter(dispatched_at__isnull=True).count() == 10 - len(lane())

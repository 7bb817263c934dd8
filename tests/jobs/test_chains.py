"""Chains: what follows is sent with the success before it, or not at all."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from modules.jobs import selectors, services
from modules.jobs.clients import Bell
from modules.jobs.domain import Failure
from modules.jobs.engine import runner
from modules.jobs.models import Batch, Job
from modules.jobs.registry import InvalidArguments
from modules.jobs.services import JobRequest, LostFence, Success, batch, chain
from tests.support.actors import fail, fail_once, note, send_more, use, write_atomically

pytestmark = pytest.mark.django_db(transaction=True)


def words(*found):
    return [note.request(word=word) for word in found]


def claim(job_id):
    job = Job.objects.get(id=job_id)
    bell = Bell(job.id, job.fence, job.actor, job.queue)
    return services.claim(bell, worker_id=runner.worker_id, time_limit=timedelta(minutes=1))


def links(job):
    return [link["arguments"]["word"] for link in job.chain or ()]


@pytest.fixture
def rows():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE tests_effect (word text, pid int)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE tests_effect")


def test_links_run_one_after_another_each_naming_the_one_before(drain, effects):
    first = chain(*words("a", "b", "c"))

    assert [(job.id, links(job)) for job in Job.objects.all()] == [(first, ["b", "c"])]
    assert (drain(), effects) == (3, ["a", "b", "c"])
    one, two, three = Job.objects.order_by("id")
    assert (one.id, two.cause_id, three.cause_id) == (first, one.id, two.id)
    assert [links(job) for job in (one, two, three)] == [["b", "c"], ["c"], []]


def test_a_link_is_sent_as_its_own_request_says(drain):
    before = datetime.now(UTC)
    chain(
        JobRequest(actor="tests.note", kwargs={"word": "a"}, tenant_id=7),
        use.request_with_options(
            kwargs={"shop_id": 3}, delay=timedelta(hours=1), priority=-2, tags=["shop:3"], queue="high", max_attempts=4
        ),
    )
    drain()

    link = Job.objects.get(actor="tests.use")
    assert (link.tenant_id, link.priority, link.queue, link.tags, link.max_attempts, link.resource, link.state) == (
        *(7, -2, "high", ["shop:3"], 4, "shop:3", "scheduled"),
    )
    assert timedelta(minutes=59) < link.run_at - before < timedelta(minutes=61)


def test_a_rolled_back_chain_leaves_nothing():
    with pytest.raises(RuntimeError), transaction.atomic():
        chain(*words("a", "b"))
        raise RuntimeError("roll back")

    assert Job.objects.count() == 0


def test_a_failure_stops_the_chain_and_its_replay_goes_on_with_the_rest(drain, effects):
    first = chain(fail_once.request(word="a"), *words("b", "c"))
    drain()
    stopped = Job.objects.get()
    services.replay([first])
    drain()

    assert (stopped.id, stopped.state, links(stopped)) == (first, "failed", ["b", "c"])
    assert effects == ["a", "b", "c"]


def test_a_retry_sends_nothing_and_the_success_after_it_sends_once(worker):
    first = chain(*words("a", "b"))
    services.retry(claim(first), Failure("E", "m"), delay=timedelta(0), outcome="failed")
    count = Job.objects.count()
    services.dispatch()
    services.succeed(claim(first))

    assert (count, Job.objects.count()) == (1, 2)


@pytest.mark.parametrize("state", ["queued", "running"])
def test_cancelling_a_link_ends_the_chain(worker, state):
    first = chain(*words("a", "b"))
    running = claim(first) if state == "running" else None
    services.cancel([first])
    if running:
        services.succeed(running)  # it came to no checkpoint, and did its work

    assert [job.state for job in Job.objects.all()] == ["succeeded" if running else "cancelled"]


def test_the_success_and_what_follows_are_one_transaction(worker):
    running = claim(chain(*words("a", "b")))

    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        services.succeed(running)
        during = Job.objects.count()
        raise KeyboardInterrupt  # as if the process died before the commit
    after = [(job.state, links(job)) for job in Job.objects.all()]

    assert (during, after) == (2, [("running", ["b"])])


def test_a_killed_worker_loses_no_rest(worker, drain, effects):
    claim(chain(*words("a", "b")))
    services.retire_worker(worker_id=runner.worker_id)

    assert (drain(), effects) == (2, ["a", "b"])


def test_a_worker_that_was_given_up_sends_nothing(worker):
    old = claim(chain(*words("a", "b")))
    services.retire_worker(worker_id=runner.worker_id)
    claim(old.id)

    with pytest.raises(LostFence):
        services.succeed(old)
    assert Job.objects.count() == 1


def test_an_atomic_job_commits_its_effects_its_end_and_what_follows_together(rows, drain, effects):
    chain(write_atomically.request(word="kept"), *words("after"))
    chain(write_atomically.request(word="lost", error=True), *words("never"))
    drain()

    assert effects == ["after"]


def test_successes_of_one_statement_go_on_with_their_own_chains(worker):
    first, plain, second = chain(*words("a", "b")), note.send(word="x").message_id, chain(*words("c", "d"))
    running = [claim(job_id) for job_id in (first, plain, second)]

    assert services.succeed_many([Success(job) for job in running]) == [True, True, True]
    waiting = Job.objects.filter(state="queued").order_by("id")
    assert [(job.arguments["word"], job.cause_id) for job in waiting] == [("b", first), ("d", second)]


def test_a_job_without_a_chain_ends_with_one_statement_and_one_with_two(worker, django_assert_num_queries):
    plain, chained = claim(note.send(word="x").message_id), claim(chain(*words("a", "b")))

    with django_assert_num_queries(1):
        services.succeed(plain)
    with django_assert_num_queries(4):  # with the transaction's begin and end
        services.succeed(chained)


def test_a_chain_sent_by_a_job_is_of_its_tenant(drain):
    with transaction.atomic():
        send_more.send_with_options(kwargs={"word": "x"}, tenant_id=7, chain=words("after"))
    drain()

    assert {job.tenant_id for job in Job.objects.all()} == {7}


def test_a_chain_whose_key_is_taken_is_its_holder_and_sends_no_rest(drain, effects):
    holder = note.send_with_options(kwargs={"word": "holder"}, unique_key="k")
    first = note.request_with_options(kwargs={"word": "a"}, unique_key="k")

    assert str(chain(first, *words("b"))) == holder.message_id
    drain()
    assert effects == ["holder"]


def test_replacing_a_waiting_chain_replaces_its_rest(drain, effects):
    options = {"unique_key": "k", "on_conflict": "replace"}
    chain(note.request_with_options(kwargs={"word": "a"}, **options), *words("b"))
    chain(note.request_with_options(kwargs={"word": "c"}, **options), *words("d"))
    drain()

    assert effects == ["c", "d"]


def test_links_of_a_member_are_members_as_they_come(drain):
    with batch("import") as opened:
        opened.chain(*words("a", "b", "c"))
    drain()

    assert set(Job.objects.values_list("batch_id", flat=True)) == {opened.id}
    found = selectors.get_batch(opened.id)
    assert (selectors.batch_tallies([found])[found.id].succeeded, found.finished_at is None) == (3, False)


def test_a_running_link_of_a_cancelled_batch_sends_no_more(worker):
    with batch("import") as opened:
        first = opened.chain(*words("a", "b"))
    running = claim(first)
    # The canceller dies between its two steps, before it asked the running member to stop.
    Batch.objects.update(cancelled_at=datetime.now(UTC))
    services.succeed(running)

    assert [job.state for job in Job.objects.all()] == ["succeeded"]


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ([fail.request_with_options(kwargs={"kidn": "x"})], "unexpected keyword argument 'kidn'"),
        ([note.request_with_options(kwargs={"word": "b"}, unique_key="k")], "unique_key: a link of a chain"),
        ([note.request_with_options(kwargs={"word": "b"}, tenant_id=8)], "tenant_id: a link of a chain"),
        ([note.request_with_options(kwargs={"word": "b"}, chain=words("c"))], "chain: a link has no chain"),
        (words(*"abcdefghij") * 11, "chain: at most 100"),
    ],
)
def test_a_chain_with_a_wrong_link_is_refused_as_a_whole(rest, problem):
    first = note.request_with_options(kwargs={"word": "a"}, tenant_id=7)

    with pytest.raises(InvalidArguments, match=problem):
        chain(first, *rest)
    assert Job.objects.count() == 0

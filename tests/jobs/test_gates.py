from collections import Counter
from datetime import timedelta
from io import StringIO
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db.models import F
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.jobs import services
from modules.jobs.clients import Bell
from modules.jobs.engine import runner
from modules.jobs.models import Job, Limit, LimitUse, Worker
from modules.jobs.services import _gates
from modules.jobs.services._bells import with_patience
from modules.jobs.services._gates import Candidate
from modules.kernel import clock
from tests.support import lanes
from tests.support.actors import note, step, use

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _fresh_view_of_the_gates():
    _gates._snapshot.read_at = float("-inf")


def lane(queue="default"):
    return [key.partition(":")[0] for key in lanes.lane(queue)]


def start(job_id):
    job = Job.objects.get(id=job_id)
    bell = Bell(job.id, job.fence, job.actor, job.queue)
    return services.claim(bell, worker_id=runner.worker_id, time_limit=timedelta(minutes=1))


def pause(kind, value):
    return services.pause(kind=kind, value=value, reason="inventory", paused_by="jana", now=clock.now())


@pytest.mark.parametrize(
    ("kind", "value"), [("queue", "default"), ("actor", "tests.use"), ("tenant", "7"), ("resource", "shop:3")]
)
def test_a_paused_gate_holds_new_jobs_and_lets_neighbors_pass(kind, value):
    pause(kind, value)
    held = use.send_with_options(kwargs={"shop_id": 3}, tenant_id=7).message_id
    neighbor = step.send_with_options(kwargs={"steps": 1}, tenant_id=8, queue="low").message_id
    services.dispatch()

    assert (lane("default"), lane("low")) == ([], [neighbor])
    assert services.resume(kind=kind, value=value) is True
    services.dispatch()
    assert lane("default") == [held]


def test_a_bell_that_rang_before_the_pause_starts_nothing(worker):
    job_id = note.send(word="x").message_id
    pause("queue", "default")

    assert start(job_id) is None
    services.resume(kind="queue", value="default")
    assert start(job_id) is not None


def test_running_jobs_go_on_when_their_queue_is_paused(worker):
    running = start(note.send(word="x").message_id)
    pause("queue", "default")

    services.succeed(running)
    assert Job.objects.get().state == "succeeded"


def test_a_limit_lets_so_many_run_at_once_and_the_next_when_one_ends(worker):
    services.set_limit(kind="resource", value="shop:3", max_running=2)
    ids = [use.send(shop_id=3).message_id for _ in range(5)]
    other = use.send(shop_id=4).message_id
    services.dispatch()
    assert lane() == [ids[0], ids[1], other] or sorted(lane()) == sorted([ids[0], ids[1], other])

    first = start(ids[0])
    services.dispatch()
    held = len(lane())
    services.succeed(first)
    services.dispatch()

    assert (held, ids[2] in lane(), ids[3] in lane()) == (3, True, False)


def test_a_limit_for_each_tenant_counts_each_by_itself():
    services.set_limit(kind="tenant", value="*", max_running=1)
    ids = [note.send_with_options(kwargs={"word": "x"}, tenant_id=t).message_id for t in (1, 1, 2, 2, 3)]

    services.dispatch()

    assert sorted(lane()) == sorted([ids[0], ids[2], ids[4]])


@pytest.mark.slow
def test_ten_thousand_jobs_behind_a_full_gate_do_not_hide_the_one_behind_them(django_assert_max_num_queries):
    services.set_limit(kind="actor", value="tests.note", max_running=1)
    services.enqueue_many([services.JobRequest(actor="tests.note", kwargs={"word": "x"}) for _ in range(10_000)])
    free = step.send(steps=1).message_id
    Job.objects.update(dispatched_at=None)
    lanes.empty()

    with django_assert_max_num_queries(26):
        services.dispatch()

    assert free in lane()
    assert len(lane()) == 2


def test_a_rate_spaces_starts_and_burns_no_attempt():
    services.set_limit(kind="actor", value="tests.note", rate_count=2, rate_seconds=3600)
    for _ in range(4):
        note.send(word="x")

    services.dispatch()
    at_once = len(lane())
    LimitUse.objects.update(next_at=timezone.now() - timedelta(seconds=1))
    services.dispatch()

    assert (at_once, len(lane())) == (1, 2)
    assert set(Job.objects.values_list("attempt", flat=True)) == {0}


def test_tenants_take_turns_however_many_jobs_one_of_them_sent(settings):
    settings.JOBS = {**settings.JOBS, "LANE_LENGTH": 8}
    requests = [services.JobRequest(actor="tests.note", kwargs={"word": "x"}, tenant_id=1) for _ in range(500)]
    requests += [
        services.JobRequest(actor="tests.note", kwargs={"word": "y"}, tenant_id=t) for t in (2, 3) for _ in "ab"
    ]
    services.enqueue_many(requests)
    Job.objects.update(dispatched_at=None)
    lanes.empty()

    services.dispatch()

    tenants = dict(Job.objects.values_list("id", "tenant_id"))
    assert Counter(tenants[key] for key in tenants if str(key) in lane()) == {1: 4, 2: 2, 3: 2}


def test_a_busy_tenant_waits_for_a_newcomer():
    Job.objects.all().delete()
    for _ in range(3):
        note.send_with_options(kwargs={"word": "x"}, tenant_id=1)  # in flight: their bells rang at once
    services.enqueue_many(
        [services.JobRequest(actor="tests.note", kwargs={"word": "x"}, tenant_id=t) for t in (1, 1, 2, 2)]
    )
    Job.objects.filter(id__in=Job.objects.order_by("-id").values("id")[:4]).update(dispatched_at=None)
    lanes.empty()

    services.dispatch()

    tenants = {str(job_id): tenant for job_id, tenant in Job.objects.values_list("id", "tenant_id")}
    assert [tenants[key] for key in lane()] == [2, 2, 1, 1]


def candidates(count, *, age_seconds=0, priority=0):
    # Not by uuid7: it never goes back, so a test that moved the clock ahead would make these jobs young.
    made_ms = int((clock.now().timestamp() - age_seconds) * 1000)
    ids = sorted(UUID(int=(made_ms << 80) | (uuid4().int >> 48)) for _ in range(count))
    return [Candidate(job_id, 0, "a", "q", None, "", priority) for job_id in ids]


def test_a_job_that_others_overtake_gets_every_tenth_turn():
    old = candidates(3, age_seconds=120, priority=9)
    new = candidates(30)

    line = with_patience([*new, *old], now=clock.now(), seconds=60)

    assert [line.index(job) for job in old] == [9, 19, 29]
    assert len(line) == 33


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(-5, 5)), max_size=40))
def test_patience_loses_and_doubles_nobody(jobs):
    found = [candidates(1, age_seconds=age, priority=priority)[0] for age, priority in jobs]

    line = with_patience(found, now=clock.now(), seconds=60)

    assert sorted(job.id for job in line) == sorted(job.id for job in found)


def test_a_job_whose_worker_died_runs_in_the_quarantine_pool_when_there_is_one(worker):
    Worker.objects.update(queues=["default", "quarantine"])
    job_id = note.send(word="x").message_id
    start(job_id)
    Worker.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    services.dispatch()
    Worker.objects.update(lease_until=timezone.now() + timedelta(minutes=1))
    lanes.empty()
    Job.objects.update(dispatched_at=F("dispatched_at") - timedelta(minutes=1))

    services.dispatch()

    assert (lane("default"), lane("quarantine")) == ([], [job_id])


def crash(job_id):
    """Let the job's worker die while it runs it, and the job come back."""
    assert start(job_id)
    Worker.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    services.dispatch(may_settle=False)
    Worker.objects.update(lease_until=timezone.now() + timedelta(minutes=1))


def test_crashed_jobs_pass_a_limit_one_by_one_and_a_lost_bell_holds_none_for_good(worker):
    ids = [note.send(word=word).message_id for word in "abc"]
    for job_id in ids:
        crash(job_id)
    services.set_limit(kind="actor", value="tests.note", max_running=1)
    Job.objects.update(dispatched_at=None)
    lanes.empty()
    services.dispatch()
    rung = lane()
    lanes.empty()  # the bell is lost
    Job.objects.filter(dispatched_at__isnull=False).update(dispatched_at=F("dispatched_at") - timedelta(minutes=1))
    services.dispatch()

    assert (len(rung), lane()) == (1, rung)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 30),
    seconds=st.integers(1, 90),
    gaps=st.lists(st.floats(0, 40) | st.floats(0, 0.6), min_size=1, max_size=60),
)
def test_no_window_of_a_rate_has_more_starts_than_it_says(count, seconds, gaps):
    limit = Limit(pk=1, kind="queue", value="q", rate_count=count, rate_seconds=seconds)
    gates, starts = _gates.Gates(clock.now(), paused=set(), limits={("queue", "q"): [limit]}), []
    [job] = candidates(1)
    for gap in gaps:
        gates.now += timedelta(seconds=gap)
        while gates.closed(job) is None:
            gates.let_through(job)
            starts.append(gates.now)

    windows = zip(starts, starts[count:], strict=False)
    assert all(later - first >= timedelta(seconds=seconds) for first, later in windows)


def test_a_rate_is_used_by_three_fifths_at_least_however_short_it_is():
    for count, seconds in ((1, 1), (10, 1), (100, 60)):
        limit = Limit(pk=1, kind="queue", value="q", rate_count=count, rate_seconds=seconds)
        gates = _gates.Gates(clock.now(), paused=set(), limits={("queue", "q"): [limit]})
        [job], started = candidates(1), 0
        for _ in range(40 * seconds):  # passes of half a second, as an idle dispatcher's are
            gates.now += timedelta(seconds=0.5)
            while gates.closed(job) is None:
                gates.let_through(job)
                started += 1

        assert started >= count * 20 * 3 // 5


def test_the_impatient_get_their_turns_where_there_is_room_for_one():
    old, new = candidates(1, age_seconds=120, priority=9), candidates(5)
    firsts = [with_patience([*new, *old], now=clock.now(), seconds=60, turns_before=turn)[0] for turn in range(10)]

    assert firsts.count(old[0]) == 1


def test_why_names_the_pause_who_made_it_and_what_ends_it():
    job_id = note.send(word="x").message_id
    pause("queue", "default")
    out = StringIO()

    call_command("jobs_why", job_id, stdout=out)

    text = out.getvalue()
    assert "The queue default is paused since" in text
    assert "by jana. inventory" in text
    assert "queue_resume --queue default" in text
    assert "No living worker serves the queue default." in text


def test_why_names_a_limit_that_is_used_up():
    services.set_limit(kind="resource", value="shop:3", max_running=1)
    use.send(shop_id=3)
    services.dispatch()
    waiting = use.send(shop_id=3).message_id

    assert services.why(waiting)[0].what == "The limit of the resource shop:3 is used up: 1 in flight."


def test_pause_and_resume_from_the_command_line():
    out = StringIO()

    for command in ("queue_pause", "queue_pause", "queue_resume", "queue_resume"):
        call_command(command, "low", "--tenant", "7", stdout=out)

    assert out.getvalue().splitlines() == [
        "queue low: paused",
        "tenant 7: paused",
        "queue low: was paused already",
        "tenant 7: was paused already",
        "queue low: resumed",
        "tenant 7: resumed",
        "queue low: was not paused",
        "tenant 7: was not paused",
    ]

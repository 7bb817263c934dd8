import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.jobs import services
from modules.jobs.clients import Bell
from modules.jobs.domain import Failure, Window
from modules.jobs.engine import runner
from modules.jobs.models import Job, Limit, LimitUse, Worker
from modules.jobs.services import _gates
from modules.jobs.services._gates import Candidate
from modules.jobs.services._turns import Turns
from modules.kernel import clock
from modules.kernel import ids as ids_of_this_process
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
    assert start(job_id) is None  # not before it has passed its gates again
    services.dispatch()
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


def test_a_rate_holds_starts_back_and_burns_no_attempt(worker):
    services.set_limit(kind="actor", value="tests.note", rate_count=2, rate_seconds=3600)
    ids = [note.send(word="x").message_id for _ in range(4)]
    services.dispatch()
    at_once = lane()
    services.succeed(start(ids[0]))
    services.dispatch()
    while_the_hour_lasts = lane()
    assert set(Job.objects.values_list("attempt", "state")) == {(1, "succeeded"), (0, "queued")}

    Job.objects.filter(id=ids[0]).update(started_at=F("started_at") - timedelta(hours=2))
    LimitUse.objects.update(starts=[])
    services.dispatch()

    assert (at_once, while_the_hour_lasts, lane()) == (ids[:2], ids[:2], ids[:3])


@pytest.mark.slow
def test_bells_that_wait_for_a_worker_use_a_rate_up_until_they_are_heard(worker):
    services.set_limit(kind="actor", value="tests.note", rate_count=2, rate_seconds=1)
    ids = [note.send(word="x").message_id for _ in range(4)]
    services.dispatch()
    time.sleep(1.1)
    services.dispatch()
    without_a_worker = lane()
    for job_id in ids[:2]:
        start(job_id)
    services.dispatch()
    just_after = lane()
    time.sleep(1.1)
    services.dispatch()

    assert (without_a_worker, just_after, lane()) == (ids[:2], ids[:2], ids)


def test_a_bell_that_leads_to_no_start_gives_its_place_in_the_rate_back():
    services.set_limit(kind="actor", value="tests.note", rate_count=1, rate_seconds=3600)
    ids = [note.send(word="x").message_id for _ in range(2)]
    services.dispatch()
    services.cancel([ids[0]])
    services.dispatch()

    assert lane() == ids


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
    old, new = candidates(3, age_seconds=120, priority=9), candidates(30)

    line = Turns("q").arrange([*new, *old], old)

    assert [line.index(job) for job in old] == [9, 19, 29]
    assert len(line) == 33


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 9), st.integers(0, 40), st.integers(0, 40), st.randoms())
def test_turns_lose_and_double_nobody(since, size, patient_size, random):
    jobs = candidates(size)
    patient = random.sample(jobs, min(size, patient_size)) + candidates(2)

    line = Turns("q", since).arrange(jobs, patient)

    assert sorted(job.id for job in line) == sorted({job.id for job in [*jobs, *patient]})


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
    heard=st.lists(st.integers(0, 5), min_size=60, max_size=60),
)
def test_no_window_of_a_rate_has_more_starts_than_it_says(count, seconds, gaps, heard):
    window, now, starts, number = Window(count, seconds), clock.now(), [], 0
    for gap, most in zip(gaps, heard, strict=False):
        now += timedelta(seconds=gap)
        window.forget(now=now)
        while window.room > 0:
            number += 1
            window.ring((str(number), 0))
        for bell in sorted(window.bells)[:most]:
            window.note_start(bell, started_at=now)
            starts.append(now)

    windows = zip(starts, starts[count:], strict=False)
    assert all(later - first >= timedelta(seconds=seconds) for first, later in windows)


@pytest.mark.parametrize(("count", "seconds", "least"), [(1, 1, 0.6), (10, 1, 0.6), (100, 60, 0.95), (1, 3600, 0.95)])
def test_a_rate_is_used_up_however_short_it_is(count, seconds, least):
    window, now, started = Window(count, seconds), clock.now(), 0
    pause = 0.5 if seconds < 100 else 30
    for _ in range(int(40 * seconds / pause)):  # passes as an idle dispatcher makes them, every job starts at once
        now += timedelta(seconds=pause)
        window.forget(now=now)
        while window.room > 0:
            window.note_start(("x", started), started_at=now)
            started += 1

    assert count * 40 * least <= started <= count * 40
    assert len(window.starts) <= 101


def test_a_window_says_when_the_next_start_may_be():
    now = clock.now()
    window = Window(2, 100)
    free = window.opens_at(now=now)
    for seconds_ago in (30, 10):
        window.note_start(("x", seconds_ago), started_at=now - timedelta(seconds=seconds_ago))

    wait = window.opens_at(now=now) - now
    assert (free, timedelta(seconds=70) < wait <= timedelta(seconds=71)) == (now, True)


def test_the_impatient_get_their_turns_where_there_is_room_for_one():
    old, new = candidates(1, age_seconds=120, priority=9), candidates(5)
    turns, firsts = Turns("q"), []
    for _ in range(20):
        first = turns.arrange([*new, *old], old)[:1]
        turns.note(first, room=1)
        firsts += first

    assert [number for number, job in enumerate(firsts) if job == old[0]] == [9, 19]


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


def test_why_tells_times_as_the_readers_clock_shows_them():
    job_id = note.send_with_options(kwargs={"word": "x"}, run_at=datetime(2031, 1, 5, 23, 30, tzinfo=UTC)).message_id

    with timezone.override(ZoneInfo("Asia/Kathmandu")):
        assert services.why(job_id)[0].what == "It is not due before 2031-01-06 05:15:00 +0545."


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


def test_limits_are_set_listed_and_removed_from_the_command_line():
    out = StringIO()

    call_command("queue_limit", "low", "--at-once", "3", stdout=out)
    call_command("queue_limit", "--tenant", "*", "--rate", "10/60", stdout=out)
    call_command("queue_limit", stdout=out)
    for _ in range(2):
        call_command("queue_limit", "low", "--remove", stdout=out)

    assert out.getvalue().splitlines() == [
        "queue low: 3 at once",
        "tenant *: 10 starts in 60 s",
        "queue low: 3 at once",
        "tenant *: 10 starts in 60 s",
        "queue low: no longer limited",
        "queue low: was not limited",
    ]


@pytest.mark.parametrize("options", [(), ("--rate", "10"), ("--rate", "0/60"), ("--at-once", "0")])
def test_a_limit_without_a_number_is_refused(options):
    with pytest.raises(CommandError):
        call_command("queue_limit", "low", *options)

    assert Limit.objects.count() == 0


def test_a_paused_job_holds_no_place_that_others_could_use(worker):
    services.set_limit(kind="tenant", value="7", max_running=1)
    services.set_limit(kind="tenant", value="8", rate_count=1, rate_seconds=3600)
    for tenant in (7, 8):
        note.send_with_options(kwargs={"word": "paused"}, tenant_id=tenant)
    services.dispatch()
    pause("actor", "tests.note")
    lanes.empty()  # whoever heard the bells started nothing
    others = {step.send_with_options(kwargs={"steps": 1}, tenant_id=tenant).message_id for tenant in (7, 8)}
    services.dispatch()
    services.dispatch()

    assert set(lane()) == others


def test_a_job_that_is_resumed_passes_its_gates_again_though_its_old_bell_still_waits(worker):
    services.set_limit(kind="tenant", value="7", max_running=1)
    first = note.send_with_options(kwargs={"word": "x"}, tenant_id=7).message_id
    services.dispatch()
    pause("actor", "tests.note")
    second = step.send_with_options(kwargs={"steps": 1}, tenant_id=7).message_id
    services.dispatch()
    services.resume(kind="actor", value="tests.note")
    services.dispatch()

    assert lane() == [first, second]
    assert (start(second) is not None, start(first)) == (True, None)


def test_a_waiting_job_that_is_taken_over_stands_behind_its_new_gates(worker):
    services.set_limit(kind="resource", value="shop:2", max_running=1)
    use.send(shop_id=2)
    services.dispatch()
    options = {"unique_key": "k", "on_conflict": "replace"}
    job_id = use.send_with_options(kwargs={"shop_id": 1}, **options).message_id
    use.send_with_options(kwargs={"shop_id": 2}, **options)
    services.dispatch()

    assert Job.objects.get(id=job_id).resource == "shop:2"
    assert start(job_id) is None


def test_queues_that_share_a_limit_take_turns(worker):
    services.set_limit(kind="resource", value="shop:1", max_running=1)
    for queue in ("default", "low"):
        for _ in range(5):
            use.send_with_options(kwargs={"shop_id": 1}, queue=queue)
    served = []
    for _ in range(6):
        services.dispatch()
        job = Job.objects.get(state="queued", dispatched_at__isnull=False)
        services.succeed(start(job.id))
        served.append(job.queue)

    assert Counter(served) == {"default": 3, "low": 3}


def test_a_flood_of_better_priority_does_not_hide_who_has_waited_for_a_minute(settings):
    settings.JOBS = {**settings.JOBS, "LANE_LENGTH": 5}
    old = note.send_with_options(kwargs={"word": "old"}, priority=9).message_id
    Job.objects.update(run_at=F("run_at") - timedelta(minutes=2))
    services.enqueue_many([services.JobRequest(actor="tests.note", kwargs={"word": "x"}, priority=0)] * 200)
    Job.objects.update(dispatched_at=None)
    rung = []
    for _ in range(2):
        lanes.empty()
        services.dispatch()
        rung += lane()

    assert (len(rung), rung.index(old)) == (10, 9)


@pytest.mark.parametrize("ahead", [-3600, 3600], ids=["behind", "ahead"])
def test_a_host_whose_clock_is_wrong_decides_as_any_other(worker, ahead, monkeypatch):
    monkeypatch.setattr(ids_of_this_process, "_last", 0)  # that clock's ids end with the test
    services.set_limit(kind="actor", value="tests.note", rate_count=1, rate_seconds=60)
    Worker.objects.update(queues=["default"])
    ids = [note.send(word="x").message_id for _ in range(2)]
    services.dispatch()  # by a host with the right time
    with time_machine.travel(clock.now() + timedelta(seconds=ahead)):
        early = services.dispatch()
        running = start(ids[0])
        delayed = step.send_with_options(kwargs={"steps": 1}, delay=timedelta(minutes=10)).message_id
        services.dispatch()
        services.retry(running, Failure("E", "m"), delay=timedelta(minutes=10), outcome="failed")
        late = services.dispatch()
        stale = step.send_with_options(kwargs={"steps": 2}, priority=9).message_id

    assert (early.rung, early.rescued, late.promoted, late.rung) == (0, 0, 0, 0)
    assert lane() == [ids[0], stale]
    waits = {row.id: row.run_at - clock.now() for row in Job.objects.filter(state__in=["scheduled", "retrying"])}
    assert all(timedelta(minutes=9) < wait <= timedelta(minutes=10) for wait in waits.values())
    assert sorted(map(str, waits)) == sorted([ids[0], delayed])


def test_by_hand_nobody_waits_before_a_pause(drain):
    held = note.send(word="held").message_id
    step.send(steps=1)
    pause("actor", "tests.note")

    assert drain() == 1
    assert Job.objects.get(state="queued").id == UUID(held)


def test_by_hand_nobody_passes_a_limit(drain):
    services.set_limit(kind="actor", value="tests.note", rate_count=2, rate_seconds=3600)
    for _ in range(3):
        note.send(word="x")
    step.send_with_options(kwargs={"steps": 1}, priority=9)

    assert drain() == 3
    assert drain() == 0
    assert list(Job.objects.filter(state="queued").values_list("actor", flat=True)) == ["tests.note"]

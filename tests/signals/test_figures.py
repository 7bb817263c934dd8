import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from modules.jobs import services
from modules.jobs.domain import DURATION_BUCKETS
from modules.jobs.models import Attempt, Bookmark, Job, RunMinute, RunTotal, Streak
from modules.kernel import clock
from tests.support.actors import fail, note, snooze

pytestmark = pytest.mark.django_db(transaction=True)


def totals():
    return {(row.actor, row.outcome): row.count for row in RunTotal.objects.all()}


def run_to_the_end(drain):
    while drain():
        services.dispatch()


def last(seconds):
    """Say that each run took so long."""
    for attempt in Attempt.objects.all():
        attempt.started_at = attempt.ended_at - timedelta(seconds=seconds)
        attempt.save()


def test_each_run_is_counted_once_however_often_one_counts(drain):
    note.send(word="a")
    note.send(word="b")
    fail.send()
    run_to_the_end(drain)

    assert [services.count_runs() for _ in range(3)] == [5, 0, 0]
    assert totals() == {("tests.note", "succeeded"): 2, ("tests.fail", "failed"): 3}


def test_a_second_count_adds_to_the_first(drain):
    for word in "abc":
        note.send(word=word)
        drain()
        services.count_runs()

    row = RunTotal.objects.get()
    assert (row.count, row.buckets[-1]) == (3, 3)
    assert sum(minute.count for minute in RunMinute.objects.all()) == 3


def test_a_run_is_in_every_bucket_that_is_not_shorter_than_it(drain):
    note.send(word="a")
    drain()
    last(1.0)
    services.count_runs()

    row = RunTotal.objects.get()
    assert row.seconds == 1.0
    assert row.buckets == [0 if bound < 1.0 else 1 for bound in DURATION_BUCKETS]


def test_minutes_keep_when_runs_ended(drain):
    for word in ("a", "b", "c"):
        note.send(word=word)
    drain()
    minute = timezone.now().replace(second=0, microsecond=0) - timedelta(minutes=5)
    for attempt, seconds in zip(Attempt.objects.order_by("id"), (0, 59, 60), strict=True):
        Attempt.objects.filter(id=attempt.id).update(ended_at=minute + timedelta(seconds=seconds))
    services.count_runs()

    found = list(RunMinute.objects.order_by("minute_at").values_list("minute_at", "count"))
    assert found == [(minute, 2), (minute + timedelta(minutes=1), 1)]


def test_totals_outlive_the_jobs_that_were_counted(drain):
    note.send(word="a")
    drain()
    services.count_runs()
    services.prune(ended_before=timezone.now() + timedelta(hours=1), states=["succeeded"])
    services.count_runs()

    assert (Job.objects.count(), totals()) == (0, {("tests.note", "succeeded"): 1})


def test_a_run_that_commits_after_a_younger_one_is_counted_too(drain):
    """Its number is drawn first, its row is seen last: a place that only knew the numbers would pass it by."""
    note.send(word="old")
    note.send(word="young")
    drain()
    old, young = Attempt.objects.order_by("id")
    rows = {attempt.id: Attempt.objects.filter(id=attempt.id).values().get() for attempt in (old, young)}
    Attempt.objects.all().delete()
    drawn, commit = threading.Event(), threading.Event()

    def write_late():
        with transaction.atomic():
            Attempt.objects.create(**{**rows[old.id], "id": None})
            drawn.set()
            commit.wait(10)
        connection.close()

    thread = threading.Thread(target=write_late)
    thread.start()
    drawn.wait(10)
    Attempt.objects.create(**{**rows[young.id], "id": None})
    before = [services.count_runs() for _ in range(3)]
    commit.set()
    thread.join()
    after = sum(services.count_runs() for _ in range(3))

    assert (before, after) == ([0, 0, 0], 2)


def test_two_counts_at_once_count_each_run_once(drain):
    for number in range(20):
        note.send(word=str(number))
    drain()
    counted = []

    def count():
        counted.append(services.count_runs())
        connection.close()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(counted), sum(counted), totals()) == (4, 20, {("tests.note", "succeeded"): 20})


def test_while_one_process_counts_another_does_not_and_does_not_wait(drain):
    note.send(word="a")
    drain()
    held, let_go = threading.Event(), threading.Event()
    Bookmark.objects.create(id=1)

    def hold():
        with transaction.atomic():
            Bookmark.objects.select_for_update().get()
            held.set()
            let_go.wait(10)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    meanwhile = services.count_runs()
    let_go.set()
    thread.join()

    assert (meanwhile, services.count_runs()) == (0, 1)


def test_a_large_backlog_is_counted_in_chunks(drain, monkeypatch):
    monkeypatch.setattr("modules.jobs.services._figures.COUNT_CHUNK", 2)
    for number in range(5):
        note.send(word=str(number))
    drain()
    first = Attempt.objects.earliest("id").id
    Bookmark.objects.create(id=1, counted_id=first - 1, next_id=first - 1)

    assert [services.count_runs() for _ in range(4)] == [2, 2, 1, 0]


def test_a_streak_grows_with_each_failed_run_over_counts_and_ends_with_a_success(drain):
    def streak():
        services.count_runs()
        return Streak.objects.get().failures

    def end(outcome):
        note.send(word="x")
        drain()
        Attempt.objects.filter(id=Attempt.objects.latest("id").id).update(outcome=outcome)

    end("failed")
    found = [streak()]
    end("timed_out")
    end("crashed")
    found.append(streak())
    end("released")
    found.append(streak())
    end("succeeded")
    end("failed")
    found.append(streak())
    end("succeeded")
    found.append(streak())

    assert found == [1, 3, 3, 1, 0]


def test_a_snooze_is_no_failure(drain):
    snooze.send(seconds=3600)
    drain()
    services.count_runs()

    assert (totals(), Streak.objects.get().failures) == ({("tests.snooze", "snoozed"): 1}, 0)


def test_a_turn_is_taken_by_one_process_and_comes_again():
    now = clock.now()

    def take(at):
        return services.take_turn("counted_at", every=timedelta(seconds=5), now=at)

    seconds = [0, 0, 4.9, 5, 5]
    assert [take(now + timedelta(seconds=late)) for late in seconds] == [True, False, False, True, False]


def test_a_turn_that_lies_in_the_future_is_not_waited_for():
    now = clock.now()
    Bookmark.objects.create(id=1, counted_at=now + timedelta(days=1))

    assert services.take_turn("counted_at", every=timedelta(seconds=5), now=now)


def test_pruning_forgets_old_minutes_and_keeps_totals(drain):
    note.send(word="a")
    drain()
    services.count_runs()
    future = clock.now() + timedelta(minutes=5)

    assert services.prune_figures(minutes_before=future, alerts_before=future) == 1
    assert (RunMinute.objects.count(), totals()) == (0, {("tests.note", "succeeded"): 1})

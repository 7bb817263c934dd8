"""The page of queues: true numbers, and gates that are closed, limited and opened from it."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from modules.jobs.models import Limit, Pause, RunMinute
from modules.kernel import clock
from tests.admin.factories import make_job, make_worker
from tests.admin.pages import detail, told, words

PAGE = reverse("jobs_queues")


def rows(client):
    return {row.name: row for row in client.get(PAGE).context["rows"]}


def make_runs(queue, *, minutes_ago, count, outcome="succeeded"):
    minute = clock.now().replace(second=0, microsecond=0) - timedelta(minutes=minutes_ago)
    row = {"minute_at": minute, "actor": "tests.note", "queue": queue, "outcome": outcome}
    RunMinute.objects.create(**row, count=count, seconds=1.0, buckets=[])


def send(client, action, **fields):
    return client.post(reverse(f"jobs_{action}"), fields, follow=True)


def test_a_queue_shows_what_waits_runs_and_how_long(root):
    now = clock.now()
    make_worker(queues=["high"], threads=4)
    make_job("queued", queue="high", run_at=now - timedelta(minutes=5))
    make_job("queued", queue="high", dispatched_at=now)
    make_job("scheduled", queue="high", run_at=now + timedelta(hours=1))
    make_job("running", queue="high", worker_id=make_worker(queues=[]).pk)
    make_runs("high", minutes_ago=1, count=5)
    make_runs("high", minutes_ago=29, count=1, outcome="failed")
    make_runs("high", minutes_ago=31, count=100)

    row = rows(root)["high"]

    assert (row.waiting, row.later, str(row.oldest)[:5], str(row.empty_in)) == (2, 1, "5 min", "2 min")
    assert "1 / 4" in row.running
    assert "runs: 6, failed: 1" in row.trend
    assert "Open" in row.state


def test_every_queue_is_listed_also_one_that_no_pool_serves(root):
    make_job("queued", queue="forgotten", run_at=clock.now())

    found = rows(root)

    assert {"high", "customers", "quarantine", "forgotten"} <= found.keys()
    assert "No worker" in found["forgotten"].state
    assert found["forgotten"].empty_in == "never, as it is"


def test_a_paused_queue_says_by_whom_and_why_and_goes_on(root):
    first = send(root, "pause", kind="queue", value="low", reason="the shop moves")
    again = send(root, "pause", kind="queue", value="low", reason="again")
    shown = words(root.get(PAGE))
    opened = send(root, "resume", kind="queue", value="low")
    late = send(root, "resume", kind="queue", value="low")

    assert told(first) == ["Queue low is paused: the shop moves"]
    assert told(again) == ["Queue low was paused already."]
    assert "by root: the shop moves" in shown
    assert told(opened) == ["Queue low goes on."]
    assert told(late) == ["This is not paused; somebody may have resumed it."]
    assert list(LogEntry.objects.order_by("id").values_list("object_repr", flat=True)) == [
        "Queue low is paused: the shop moves",
        "Queue low goes on.",
    ]


def test_an_actor_and_a_tenant_are_paused_by_name(root, alice):
    send(root, "pause", kind="actor", value="tests.note", reason="x")
    send(root, "pause", kind="tenant", value=str(alice.pk), reason="they asked")

    shown = words(root.get(PAGE))

    assert "Actor tests.note" in shown
    assert "Tenant Alice they asked" in shown


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"kind": "queue", "value": "lwo", "reason": "x"}, "There is none of this name."),
        ({"kind": "tenant", "value": "999999", "reason": "x"}, "There is none of this name."),
        ({"kind": "actor", "value": "tests.note", "reason": ""}, "This field is required."),
        ({"kind": "planet", "value": "x", "reason": "x"}, "Select a valid choice."),
    ],
)
def test_a_pause_that_would_hold_nothing_or_says_no_reason_is_refused(root, fields, error):
    response = send(root, "pause", **fields)

    assert (response.status_code, error in words(response), Pause.objects.count()) == (422, True, 0)


def test_a_limit_is_set_changed_and_removed(root):
    send(root, "limit", kind="tenant", value="*", max_running="3")
    changed = send(root, "limit", kind="tenant", value="*", max_running="2", rate_count="10", rate_seconds="60")
    limit = Limit.objects.get()
    removed = send(root, "unlimit", kind="tenant", value="*")
    late = send(root, "unlimit", kind="tenant", value="*")

    assert told(changed) == ["Tenant each by itself is limited: 2 at once, 10 starts in 1 min"]
    assert (limit.max_running, limit.rate_count, limit.rate_seconds) == (2, 10, 60)
    assert told(removed) == ["Tenant each by itself is no longer limited."]
    assert told(late) == ["There is no such limit; somebody may have removed it."]
    assert Limit.objects.count() == 0


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "Say how many at once, or how many in a time."),
        ({"rate_count": "10"}, "A rate needs both: how many starts, in how many seconds."),
        ({"max_running": "0"}, "Ensure this value is greater than or equal to 1."),
    ],
)
def test_a_limit_that_limits_nothing_is_refused(root, fields, error):
    response = send(root, "limit", kind="queue", value="low", **fields)

    assert (response.status_code, error in words(response), Limit.objects.count()) == (422, True, 0)


@pytest.mark.parametrize("action", ["pause", "resume", "limit", "unlimit"])
@pytest.mark.parametrize("who", ["operator", "viewer", "clerk"])
def test_who_does_not_see_all_tenants_changes_no_gate(request, who, action):
    client = request.getfixturevalue(who)
    Pause.objects.create(kind="queue", value="low", paused_at=clock.now())
    Limit.objects.create(kind="queue", value="low", max_running=1)

    response = send(client, action, kind="queue", value="low", reason="x", max_running="2")

    assert response.status_code == 403
    assert (Pause.objects.count(), Limit.objects.get().max_running) == (1, 1)


def test_the_page_counts_jobs_of_the_readers_tenants_and_offers_no_button(viewer, clerk, client, alice, bob):
    make_job("queued", queue="low", tenant_id=alice.pk)
    make_job("queued", queue="low", tenant_id=bob.pk)
    Pause.objects.create(kind="tenant", value=str(bob.pk), reason="Secret", paused_at=clock.now())

    page = viewer.get(PAGE)

    assert {row.name: row.waiting for row in page.context["rows"]}["low"] == 1
    assert ("Secret" in words(page), 'class="bk-button' in page.content.decode()) == (False, False)
    assert clerk.get(PAGE).status_code == 403
    assert client.get(PAGE).status_code == 302


@pytest.mark.parametrize("action", ["pause", "resume", "limit", "unlimit"])
def test_a_change_is_a_post(root, action):
    assert root.get(reverse(f"jobs_{action}")).status_code == 405


def test_a_jobs_page_says_why_it_waits(root):
    job = make_job("queued", queue="low", actor="tests.note")
    Pause.objects.create(kind="actor", value="tests.note", reason="the shop moves", paused_at=clock.now())

    shown = words(root.get(detail("jobs_job", job)))

    assert "Why it does not run The actor tests.note is paused" in shown
    assert "the shop moves Released by: queue_resume --actor tests.note" in shown
    assert "No living worker serves the queue low." in shown

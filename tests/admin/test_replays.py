"""Replays in steps on the console: offered, asked, begun, watched, stopped; and who may."""

import pytest

from modules.jobs import services
from modules.jobs.models import Job, Replay
from tests.admin.factories import make_job, make_replay, make_staff
from tests.admin.pages import detail, listing, press, told, words

MATCHING = "/admin/jobs/failedjob/matching/ramp/"
CAUSE = "a" * 16


def failed(count, **fields):
    return [make_job("failed", **{"fingerprint": CAUSE, **fields}) for _ in range(count)]


def queued():
    return Job.objects.filter(state="queued").count()


def test_a_group_of_failures_offers_it_and_so_do_all(operator, alice):
    failed(7, tenant_id=alice.pk)

    page = operator.get(listing("jobs_failedjob"))

    assert words(page).count("Replay 5, then all") == 2
    assert f'href="{MATCHING}?fingerprint={CAUSE}"' in page.content.decode()


def test_a_get_asks_and_begins_nothing(operator, alice):
    failed(7, tenant_id=alice.pk)

    text = words(operator.get(f"{MATCHING}?fingerprint={CAUSE}"))

    assert "Replay 7 jobs in steps?" in text
    assert "It stops as soon as one of them fails again" in text
    assert (queued(), Replay.objects.count()) == (0, 0)


def test_a_group_is_replayed_and_its_page_follows_it(operator, alice, bob):
    failed(8, tenant_id=alice.pk)
    failed(2, tenant_id=alice.pk, fingerprint="b" * 16)
    failed(2, tenant_id=bob.pk)

    response = operator.post(f"{MATCHING}?fingerprint={CAUSE}", {"reason": "the shop is open"}, follow=True)

    replay = Replay.objects.get()
    assert response.redirect_chain == [(detail("jobs_replay", replay), 302)]
    assert told(response) == ["The replay of 8 jobs has begun with the first few."]
    assert (replay.what, replay.reason, replay.started_by, replay.tenant_ids, replay.total) == (
        *("cause: ValueError: no luck", "the shop is open", "operator", [alice.pk], 8),
    )
    assert (queued(), response["Refresh"]) == (5, "5")
    assert "not released yet 3 · released, not ended 5" in words(response)


def test_all_that_match_are_named_in_words(root):
    failed(2, actor="tests.fail", queue="low"), failed(1)

    root.post(f"{MATCHING}?actor=tests.fail&queue=low")
    root.post(MATCHING)

    assert [*Replay.objects.order_by("id").values_list("what", "total")] == [
        ("actor: tests.fail, queue: low", 2),
        ("all failed jobs", 1),
    ]


def test_the_selected_jobs_after_a_question(operator, alice):
    jobs, spared = failed(3, tenant_id=alice.pk), failed(2, tenant_id=alice.pk)
    data = {"action": "ramp_selected", "_selected_action": [job.pk for job in jobs]}

    question = operator.post(listing("jobs_failedjob"), data)
    before = queued()
    operator.post(listing("jobs_failedjob"), {**data, "confirmed": "yes"})

    assert ("Replay 3 jobs in steps?" in words(question), before) == (True, 0)
    assert (Replay.objects.get().what, queued()) == ("3 selected jobs", 3)
    assert Job.objects.filter(pk__in=[job.pk for job in spared], state="failed").count() == 2


def test_what_was_replayed_meanwhile_is_no_replay(root):
    response = root.post(f"{MATCHING}?fingerprint={CAUSE}", follow=True)

    assert (told(response), Replay.objects.count()) == (["No failed job matches that is not in a running replay."], 0)


def test_a_page_tells_why_it_stopped_and_rests(root):
    failed(8, error_message="token=s3cr3t")
    root.post(MATCHING)
    job = Job.objects.filter(state="queued").first()
    fail_again(job)
    services.continue_replays()
    services.cancel([*Job.objects.filter(state="queued").values_list("id", flat=True)])
    services.continue_replays()

    response = root.get(detail("jobs_replay", Replay.objects.get()))
    listed = words(root.get(listing("jobs_replay")))

    text = words(response)
    assert "The cause has returned: " in text
    assert "ValueError: token=••••" in text
    assert "Failed for the same cause" in text
    assert f"/jobs/job/{job.pk}/" in response.content.decode()
    assert "s3cr3t" not in response.content.decode()
    assert "Refresh" not in response.headers
    assert ("Halted" in listed, "The cause has returned" in listed, "5 / 8" in listed) == (True, True, True)


def fail_again(job):
    now = job.run_at
    found = Job.objects.filter(pk=job.pk)
    found.update(state="running", fence=2, worker_id=job.pk, started_at=now, deadline_at=now)
    found.update(state="failed", finished_at=now)


def test_it_is_paused_resumed_and_cancelled_by_buttons(operator, alice):
    failed(12, tenant_id=alice.pk)
    operator.post(MATCHING)
    replay = Replay.objects.get()
    seen = []

    for button in ("pause", "resume", "cancel", "resume"):
        response = operator.post(press("jobs_replay", replay, button), follow=True)
        replay.refresh_from_db()
        seen.append((replay.state, told(response)[-1]))

    assert seen == [
        ("stopped", "No more jobs are released until you resume it."),
        ("running", "It goes on, carefully again: a few first. Those that failed stay failed."),
        ("cancelled", "The replay is cancelled. Released jobs go on, the others stay among the failed ones."),
        ("cancelled", "Resume is not offered any more: this has changed since the page was shown. Nothing was done."),
    ]
    assert queued() == 5


@pytest.mark.parametrize("button", ["pause", "resume", "cancel"])
def test_a_viewer_presses_nothing(viewer, alice, button):
    replay = make_replay(tenant_ids=[alice.pk])

    assert viewer.post(press("jobs_replay", replay, button)).status_code == 403
    replay.refresh_from_db()
    assert replay.state == "running"


def test_a_viewer_begins_nothing(viewer, alice):
    job = failed(1, tenant_id=alice.pk)[0]
    data = {"action": "ramp_selected", "_selected_action": [job.pk], "confirmed": "yes"}

    answers = [viewer.get(MATCHING), viewer.post(MATCHING), viewer.post(listing("jobs_failedjob"), data)]

    assert [answer.status_code for answer in answers[:2]] == [403, 403]
    assert (queued(), Replay.objects.count()) == (0, 0)


def test_it_needs_its_token(root):
    failed(1)
    root.handler.enforce_csrf_checks = True

    assert (root.post(MATCHING).status_code, queued()) == (403, 0)


def test_a_replay_is_seen_by_those_who_see_all_its_jobs(login, alice, bob):
    both, nobodys = make_replay(tenant_ids=[alice.pk, bob.pk]), make_replay(tenant_ids=None)
    of_one = login(make_staff("one", tenants=[alice], permissions=["jobs.view_job"]))
    of_two = login(make_staff("two", tenants=[alice, bob], permissions=["jobs.view_job"]))

    seen = [
        [client.get(detail("jobs_replay", row)).status_code for row in (both, nobodys)] for client in (of_one, of_two)
    ]

    assert seen == [[404, 404], [200, 404]]


def test_its_jobs_are_a_list_of_their_own(root, viewer, alice):
    member, other = make_job("failed", error_message="mine"), make_job("failed", error_message="another")
    replay = make_replay(member)

    text = words(root.get(listing("jobs_job", f"?replay={replay.pk}")))

    assert ("mine" in text, "another" in text) == (True, False)
    assert other.error_message not in words(root.get(listing("jobs_job", "?replay=nonsense")))
    assert "mine" not in words(viewer.get(listing("jobs_job", f"?replay={replay.pk}")))


def test_a_page_asks_as_much_for_three_members_as_for_one(root, django_assert_max_num_queries):
    for count in (1, 3):
        replay = make_replay(*[make_job("retrying", error_message="busy") for _ in range(count)])
        with django_assert_max_num_queries(10):
            page = words(root.get(detail("jobs_replay", replay)))
        assert page.count("busy") == count

"""Failed jobs: one, the selected, all that match."""

from datetime import timedelta

import pytest

from modules.jobs import services
from modules.jobs.models import BulkOperation, Job
from modules.kernel import clock
from tests.admin.factories import make_job
from tests.admin.pages import detail, listing, press, told, words

MATCHING = "/admin/jobs/failedjob/matching"
WHY = {"reason": "the shop is back"}


def states(*jobs):
    return [Job.objects.get(pk=job.pk).state for job in jobs]


def test_the_list_shows_dead_letters_only(root):
    make_job("failed", error_message="first")
    make_job("quarantined", error_type="CrashedTooOften", error_message="second")
    make_job("retrying", error_type="ValueError", error_message="third")

    text = words(root.get(listing("jobs_failedjob")))

    assert [word in text for word in ("first", "second", "third")] == [True, True, False]


def test_the_list_says_how_many_failed_for_the_same_cause(root):
    for cause in ("a" * 16, "a" * 16, "b" * 16):
        make_job("failed", fingerprint=cause)

    rows = root.get(listing("jobs_failedjob")).context["cl"].result_list

    assert [row.same_cause_count for row in rows] == [1, 2, 2]


def test_causes_are_listed_with_their_share(root):
    for cause in ("a" * 16, "a" * 16, "b" * 16):
        make_job("failed", fingerprint=cause, error_type=f"Error{cause[0]}")

    causes = root.get(listing("jobs_failedjob")).context["cl"].summary["causes"]

    assert [(cause["error_type"], cause["count"]) for cause in causes] == [("Errora", 2), ("Errorb", 1)]


@pytest.mark.parametrize(("button", "state"), [("replay", "queued"), ("discard", "cancelled")])
def test_one_job_is_replayed_or_discarded(operator, alice, button, state):
    job, other = make_job("failed", tenant_id=alice.pk), make_job("failed", tenant_id=alice.pk)

    response = operator.post(press("jobs_failedjob", job, button), follow=True)

    assert response.redirect_chain == [(listing("jobs_failedjob"), 302)]
    assert states(job, other) == [state, "failed"]


def test_a_job_that_is_no_longer_failed_is_not_found_here(operator, alice):
    job = make_job("queued", tenant_id=alice.pk)

    assert operator.get(detail("jobs_failedjob", job)).status_code == 404
    assert operator.post(press("jobs_failedjob", job, "replay")).status_code == 404


def test_the_selected_jobs_are_replayed_and_counted(operator, alice):
    jobs = [make_job("failed", tenant_id=alice.pk) for _ in range(12)]
    spared = make_job("failed", tenant_id=alice.pk)

    data = {"action": "replay_selected", "_selected_action": [job.pk for job in jobs]}
    response = operator.post(listing("jobs_failedjob"), data, follow=True)

    assert told(response) == ["12 of 12 jobs are queued again."]
    assert (set(states(*jobs)), states(spared)) == ({"queued"}, ["failed"])


def test_discarding_the_selected_jobs_asks_first(operator, alice):
    job, spared = make_job("failed", tenant_id=alice.pk), make_job("failed", tenant_id=alice.pk)
    data = {"action": "discard_selected", "_selected_action": [job.pk]}

    question = operator.post(listing("jobs_failedjob"), data)
    before = states(job, spared)
    answer = operator.post(listing("jobs_failedjob"), {**data, "confirmed": "yes"}, follow=True)

    assert "Discard 1 job?" in words(question)
    assert before == ["failed", "failed"]
    assert told(answer) == ["1 of 1 job is off the list."]
    assert states(job, spared) == ["cancelled", "failed"]


@pytest.mark.parametrize(
    ("verb", "state", "message"),
    [("replay", "queued", "3 jobs are queued again."), ("discard", "cancelled", "3 jobs are off the list.")],
)
def test_all_that_match_the_filter_and_only_those(operator, alice, verb, state, message):
    matching = [make_job("failed", tenant_id=alice.pk, actor="tests.fail", queue="low") for _ in range(3)]
    others = [
        make_job("failed", tenant_id=alice.pk, actor="tests.fail"),
        make_job("failed", tenant_id=alice.pk, queue="low"),
        make_job("succeeded", tenant_id=alice.pk, actor="tests.fail", queue="low"),
    ]

    response = operator.post(f"{MATCHING}/{verb}/?actor=tests.fail&queue=low", WHY, follow=True)

    assert told(response) == [message]
    assert states(*matching, *others) == [state] * 3 + ["failed", "failed", "succeeded"]


def test_all_that_match_reaches_beyond_one_page_and_one_chunk(root, monkeypatch):
    monkeypatch.setattr("modules.jobs.services._bulk.CHUNK", 20)
    for _ in range(65):
        make_job("failed")

    root.post(f"{MATCHING}/replay/", WHY)
    services.continue_bulk(BulkOperation.objects.get().pk)

    assert Job.objects.filter(state="queued", actor="tests.note").count() == 65


def test_all_that_match_a_search_for_a_tag(root):
    wanted, other = make_job("failed", tags=["shop:4"]), make_job("failed", tags=["shop:5"])

    root.post(f"{MATCHING}/replay/?q=shop:4", WHY)

    assert states(wanted, other) == ["queued", "failed"]


def test_one_cause_is_replayed_as_a_group(root):
    wanted, other = make_job("failed", fingerprint="a" * 16), make_job("failed", fingerprint="b" * 16)

    root.post(f"{MATCHING}/replay/?fingerprint={'a' * 16}", WHY)

    assert states(wanted, other) == ["queued", "failed"]


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_a_get_asks_with_the_number_and_changes_nothing(root, verb):
    jobs = [make_job("failed") for _ in range(7)]

    response = root.get(f"{MATCHING}/{verb}/")

    assert f"{verb.capitalize()} 7 jobs?" in words(response)
    assert "tests.note 7" in words(response)
    assert set(states(*jobs)) == {"failed"}


@pytest.mark.parametrize("verb", ["replay", "discard"])
def test_a_viewer_neither_replays_nor_discards_what_matches(viewer, alice, verb):
    job = make_job("failed", tenant_id=alice.pk)

    assert [viewer.get(f"{MATCHING}/{verb}/").status_code, viewer.post(f"{MATCHING}/{verb}/").status_code] == [403, 403]
    assert states(job) == ["failed"]


def test_a_viewer_is_offered_no_replay(viewer, alice):
    make_job("failed", tenant_id=alice.pk)

    assert MATCHING not in viewer.get(listing("jobs_failedjob")).content.decode()


def test_a_wrong_filter_replays_nothing(root):
    job = make_job("failed")

    assert root.post(f"{MATCHING}/replay/?created_at__gt=rubbish").status_code == 400
    assert states(job) == ["failed"]


def test_an_unknown_verb_does_nothing(root):
    job = make_job("failed")

    assert root.post(f"{MATCHING}/explode/").status_code == 404
    assert states(job) == ["failed"]


def test_matching_needs_its_token(root):
    job = make_job("failed")
    root.handler.enforce_csrf_checks = True

    assert root.post(f"{MATCHING}/replay/").status_code == 403
    assert states(job) == ["failed"]


def test_causes_are_counted_among_the_newest_alone(root, monkeypatch):
    monkeypatch.setattr("modules.jobs.admin._failed.LOOKED_AT", 2)
    now = clock.now()
    for minutes, cause in [(1, "a"), (2, "b"), (3, "b"), (4, "b")]:
        make_job("failed", fingerprint=cause * 16, finished_at=now - timedelta(minutes=minutes))

    causes = root.get(listing("jobs_failedjob")).context["cl"].summary["causes"]

    assert [(cause["fingerprint"][0], cause["count"]) for cause in causes] == [("a", 1), ("b", 1)]

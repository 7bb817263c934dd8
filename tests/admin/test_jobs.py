"""The list of jobs and a job's page."""

from datetime import timedelta

import pytest

from modules.jobs.domain import State
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.ids import uuid7
from tests.admin.factories import make_attempt, make_job, make_staff
from tests.admin.pages import detail, listing, press, told, words

SECRETS = {
    "api_key": "sk_live_998",
    "shop": {"token": "tok_777", "name": "modry-ptak.cz"},
    "url": "https://eva:hunter2@feeds.example/a.xml?token=abc123",
}
HIDDEN = ("sk_live_998", "tok_777", "hunter2", "abc123")


def shown_ids(client, query):
    return {str(job.pk) for job in client.get(listing("jobs_job", query)).context["cl"].result_list}


@pytest.mark.parametrize("page", ["list", "detail", "failed list", "failed detail"])
def test_secrets_in_arguments_and_errors_are_masked(root, page):
    job = make_job(
        "failed", arguments=SECRETS, error_message="refused: password=hunter2 for modry-ptak.cz", result=SECRETS
    )
    make_attempt(job, error_message="token=abc123", traceback="Bearer tok_777", log="api_key=sk_live_998")
    address = {
        "list": listing("jobs_job"),
        "detail": detail("jobs_job", job),
        "failed list": listing("jobs_failedjob"),
        "failed detail": detail("jobs_failedjob", job),
    }[page]

    body = root.get(address).content.decode()

    assert [secret for secret in HIDDEN if secret in body] == []
    assert "modry-ptak.cz" in body


def test_the_worker_page_masks_arguments(root):
    job = make_job("running", arguments=SECRETS)

    body = root.get(f"/admin/jobs/worker/{job.worker_id}/change/").content.decode()

    assert [secret for secret in HIDDEN if secret in body] == []


def test_a_job_is_found_by_its_id_its_start_a_tag_and_its_actors_name(root):
    job = make_job(tags=["schedule:nightly"], actor="tests.wanted")
    make_job(tags=["schedule:daily"], actor="tests.other")

    searches = [str(job.pk), str(job.pk)[:-8], "schedule:nightly", "tests.wan"]

    assert [shown_ids(root, f"?q={text}") for text in searches] == [{str(job.pk)}] * 4


@pytest.mark.parametrize("text", ["'; DROP TABLE jobs_job; --", "zzzz", "ffffffff-ffff-ffff-ffff-ffffffffffff"])
def test_a_search_that_fits_nothing_shows_nothing(root, text):
    make_job()

    assert shown_ids(root, f"?q={text}") == set()


@pytest.mark.parametrize(
    ("query", "field"),
    [("?state=failed", {"state": "failed"}), ("?queue=low", {"queue": "low"}), ("?actor=a.b", {"actor": "a.b"})],
)
def test_a_filter_shows_what_fits(root, query, field):
    job = make_job(**field)
    make_job()

    assert shown_ids(root, query) == {str(job.pk)}


def test_the_list_is_newest_first(root):
    first, second = make_job(), make_job()

    rows = root.get(listing("jobs_job")).context["cl"].result_list

    assert [job.pk for job in rows] == [second.pk, first.pk]


def test_the_count_of_a_long_list_stops_and_says_so(root, monkeypatch):
    monkeypatch.setattr("modules.kernel.console._paging.COUNT_CAP", 3)
    for _ in range(5):
        make_job()

    assert "Jobs: 3+" in words(root.get(listing("jobs_job")))


def test_a_job_page_tells_its_life(root):
    now = clock.now()
    times = {
        "created_at": now - timedelta(minutes=5),
        "run_at": now - timedelta(minutes=5),
        "started_at": now - timedelta(minutes=4),
        "finished_at": now - timedelta(minutes=1),
    }
    cause = make_job(actor="tests.send_more")
    job = make_job("failed", **times, cause_id=cause.pk, tags=["shop:4"])
    make_attempt(job, error_type="KeyError", error_message="'price'", traceback="Traceback: line 4", log="page 1 read")

    text = words(root.get(detail("jobs_job", job)))

    parts = [
        *("waited 1 min", "took 3 min", "KeyError 'price'", "Traceback: line 4", "page 1 read", "shop:4"),
        *("tests.send_more", '"word": "hello"', "1 / 3"),
    ]
    assert [part for part in parts if part not in text] == []


def test_a_running_job_shows_how_far_it_is(root):
    job = make_job("running", progress_done=1350, progress_total=6919, progress_message="orders read")

    assert "1,350 / 6,919 (20 %) orders read" in words(root.get(detail("jobs_job", job)))


def test_a_jobs_page_has_no_form_for_its_fields(root):
    body = root.get(detail("jobs_job", make_job())).content.decode()

    assert 'name="_save"' not in body


@pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED, State.RETRYING])
def test_cancel_ends_a_job_that_waits(root, state):
    job = make_job(state)

    response = root.post(press("jobs_job", job, "cancel"), follow=True)

    assert told(response) == ["The job is cancelled."]
    assert Job.objects.get(pk=job.pk).state == "cancelled"


def test_cancel_asks_a_running_job_to_stop(root):
    job = make_job("running")

    response = root.post(press("jobs_job", job, "cancel"), follow=True)

    job.refresh_from_db()
    assert told(response) == ["The job was asked to stop at its next checkpoint."]
    assert (job.state, job.cancel_requested_at is None) == ("running", False)


def test_cancel_tells_that_a_job_has_ended(root):
    job = make_job("succeeded")

    response = root.post(press("jobs_job", job, "cancel"), follow=True)

    assert told(response) == [
        "Cancel is not offered any more: this has changed since the page was shown. Nothing was done."
    ]
    assert Job.objects.get(pk=job.pk).state == "succeeded"


def test_a_button_does_nothing_on_get(root):
    job = make_job("queued")

    assert root.get(press("jobs_job", job, "cancel")).status_code == 405
    assert Job.objects.get(pk=job.pk).state == "queued"


def test_a_button_needs_its_token(root):
    job = make_job("queued")
    root.handler.enforce_csrf_checks = True

    assert root.post(press("jobs_job", job, "cancel")).status_code == 403
    assert Job.objects.get(pk=job.pk).state == "queued"


@pytest.mark.parametrize("button", ["cancel", "replay", "discard"])
def test_a_viewer_presses_no_button(viewer, alice, button):
    state = "queued" if button == "cancel" else "failed"
    job = make_job(state, tenant_id=alice.pk)

    assert viewer.post(press("jobs_job", job, button)).status_code == 403
    assert Job.objects.get(pk=job.pk).state == state


def test_a_viewer_has_no_bulk_action(viewer, alice):
    job = make_job("queued", tenant_id=alice.pk)

    viewer.post(listing("jobs_job"), {"action": "cancel_selected", "_selected_action": [job.pk]})

    assert Job.objects.get(pk=job.pk).state == "queued"


def test_the_selected_jobs_are_cancelled_and_counted(operator, alice):
    jobs = [make_job(state, tenant_id=alice.pk) for state in ("queued", "scheduled", "succeeded")]

    response = operator.post(
        listing("jobs_job"), {"action": "cancel_selected", "_selected_action": [job.pk for job in jobs]}, follow=True
    )

    assert told(response) == ["2 of 3 jobs are cancelled or asked to stop."]


def test_who_pressed_a_button_is_kept(operator, alice):
    job = make_job("queued", tenant_id=alice.pk)

    operator.post(press("jobs_job", job, "cancel"))

    text = words(operator.get(f"/admin/jobs/job/{job.pk}/history/"))
    assert ("operator" in text, "Cancel" in text) == (True, True)


def test_nobody_adds_changes_or_deletes_a_job(root):
    job = make_job()

    answers = [
        root.get("/admin/jobs/job/add/").status_code,
        root.post(detail("jobs_job", job), {"state": "queued"}).status_code,
        root.post(f"/admin/jobs/job/{job.pk}/delete/", {"post": "yes"}).status_code,
    ]

    assert answers == [403, 405, 403]
    assert Job.objects.get(pk=job.pk).state == "succeeded"


def test_an_unknown_job_is_not_found(root):
    assert root.get(f"/admin/jobs/job/{uuid7()}/change/").status_code == 404


def test_staff_who_may_act_may_also_look(alice, login):
    client = login(make_staff("doer", tenants=[alice], permissions=["jobs.change_job"]))

    assert client.get(listing("jobs_failedjob")).status_code == 200

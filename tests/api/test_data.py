"""Other data for a job that waits or has failed."""

import pytest

from modules.jobs.models import Job, JobChange
from tests.api.conftest import FILE
from tests.api.within import within

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(db):
    with within() as place:
        yield place


def change(caller, job_id, data, reason="a typo", **options):
    return caller.http.post(f"/jobs/{job_id}/data", json={"data": data, "reason": reason}, **options)


def test_a_failed_job_takes_other_data_and_says_who_gave_it(alice, force):
    job_id = alice.send()
    force(job_id, "failed")

    answer = change(alice, job_id, {**FILE, "fileId": "other"})

    assert (answer.status_code, answer.json()["state"]) == (200, "failed")
    assert answer.headers["Location"] == f"/api/v1/jobs/{job_id}"
    assert alice.http.get(f"/jobs/{job_id}").json()["data"] == {**FILE, "fileId": "other"}
    noted = JobChange.objects.get()
    assert (noted.changed_by, noted.reason, noted.after["tenant_id"]) == ("API: test", "a typo", alice.tenant.pk)


def test_a_hidden_value_that_comes_back_stays(alice):
    secret = {**FILE, "fileUrl": "https://u:s3cr3t@shop/x"}
    job_id = alice.send(data=secret, delay=60_000)
    shown = alice.http.get(f"/jobs/{job_id}").json()["data"]

    answer = change(alice, job_id, {**shown, "fileName": "new"})

    assert (answer.status_code, "s3cr3t" in answer.text) == (200, False)
    assert Job.objects.get().arguments["file_url"] == secret["fileUrl"]
    assert Job.objects.get().arguments["file_name"] == "new"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "data.fileId"),
        ({**FILE, "fileId": 1}, "data.fileId"),
        ({**FILE, "tenantId": 1}, "data.tenantId"),
        ({**FILE, "fileId": "••••"}, "data"),
    ],
)
def test_data_that_a_send_would_refuse_changes_nothing(alice, data, field):
    job_id = alice.send(delay=60_000)

    answer = change(alice, job_id, data)

    assert (answer.status_code, field in {error["field"] for error in answer.json()["errors"]}) == (422, True)
    assert (Job.objects.get().arguments["file_id"], JobChange.objects.count()) == ("file-123", 0)


@pytest.mark.parametrize("reason", ["", "x" * 301, None])
def test_a_change_says_why(alice, reason):
    job_id = alice.send(delay=60_000)

    answer = change(alice, job_id, FILE, reason=reason)

    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, ["reason"])


@pytest.mark.parametrize("state", ["running", "succeeded", "cancelled"])
def test_a_job_that_runs_or_ended_keeps_its_data(alice, force, state):
    job_id = alice.send()
    force(job_id, state)
    if state == "cancelled":
        alice.http.delete(f"/jobs/{job_id}")

    answer = change(alice, job_id, {**FILE, "fileId": "other"})

    told = f"The job is {state}; only one that waits or has failed takes other data."
    assert (answer.status_code, answer.json()["detail"]) == (409, told)
    assert Job.objects.get().arguments["file_id"] == "file-123"


def test_a_repeated_request_is_one_change(alice):
    job_id = alice.send(delay=60_000)
    key = {"Idempotency-Key": "once"}

    answers = [change(alice, job_id, {**FILE, "fileId": "other"}, headers=key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert ("Idempotency-Replayed" in answers[1].headers, JobChange.objects.count()) == (True, 1)

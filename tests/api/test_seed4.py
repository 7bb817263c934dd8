"""Every request of seed 4, as it is written there, over real HTTP."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from modules.jobs import services
from modules.jobs.models import Job, JobSchedule, Worker
from modules.jobs.registry import open_specs
from modules.kernel import clock

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

CREATE = """{
  "type": "file-analysis",
  "data": {
    "fileId": "file-123",
    "fileUrl": "s3://bucket/file.stl",
    "fileName": "part.stl",
    "fileType": "stl"
  },
  "options": {
    "priority": 1,
    "attempts": 3
  }
}"""
SCHEDULE = """{
  "type": "email-notification",
  "data": {
    "type": "quote-ready",
    "recipientEmail": "customer@example.com",
    "templateData": {"quoteNumber": "Q-123"}
  },
  "delay": 300000
}"""


SEED = ["email-notification", "file-analysis", "quote-calculation", "report-generation"]


def of_the_seed(rows):
    """Leave the product's own types out."""
    return [row for row in rows if row["name"] in SEED]


def post(caller, path, text):
    return caller.http.post(path, content=text, headers={"Content-Type": "application/json"})


@pytest.fixture
def live_worker():
    now = clock.now()
    Worker.objects.create(hostname="h", pid=1, started_at=now, seen_at=now, lease_until=now + timedelta(minutes=1))


def test_create_job(alice):
    answer = post(alice, "/jobs", CREATE)

    job = Job.objects.get()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/jobs/{job.id}"
    assert (job.actor, job.tenant_id, job.priority, job.max_attempts) == ("tests.analyze_file", alice.tenant.pk, 1, 3)
    assert job.arguments == {
        "tenant_id": alice.tenant.pk,
        "file_id": "file-123",
        "file_url": "s3://bucket/file.stl",
        "file_name": "part.stl",
        "file_type": "stl",
    }
    body = answer.json()
    assert datetime.fromisoformat(body.pop("createdAt")) == job.created_at
    assert datetime.fromisoformat(body.pop("runAt")) == job.run_at
    assert body == {
        "id": str(job.id),
        "type": "file-analysis",
        "queue": "normal",
        "state": "queued",
        "priority": 1,
        "attemptsMade": 0,
        "maxAttempts": 3,
        "progress": None,
        "error": None,
        "tags": [],
        "startedAt": None,
        "finishedAt": None,
        "cancelRequestedAt": None,
    }


def test_create_job_with_analysis_options(alice):
    data = {**json.loads(CREATE)["data"], "analysisOptions": {"performDfm": True, "extractGeometry": True}}

    alice.send(data=data)

    assert Job.objects.get().arguments["analysis_options"] == {"performDfm": True, "extractGeometry": True}


def test_schedule_job(alice):
    answer = post(alice, "/jobs/schedule", SCHEDULE)

    job = Job.objects.get()
    assert (answer.status_code, answer.json()["state"]) == (202, "scheduled")
    assert timedelta(seconds=290) < job.run_at - datetime.now(UTC) <= timedelta(seconds=300)
    assert job.arguments["template_data"] == {"quoteNumber": "Q-123"}


def test_schedule_job_at_a_time(alice):
    body = {**json.loads(SCHEDULE), "runAt": "2099-01-01T12:00:00+01:00"}
    del body["delay"]

    answer = alice.http.post("/jobs/schedule", json=body)

    assert answer.json()["runAt"] == "2099-01-01T11:00:00Z"
    assert Job.objects.get().run_at == datetime(2099, 1, 1, 11, tzinfo=UTC)


def test_get_job_status(alice, drain):
    job_id = alice.send()
    drain()

    body = alice.http.get(f"/jobs/{job_id}").json()

    assert (body["id"], body["state"], body["attemptsMade"], body["maxAttempts"]) == (job_id, "succeeded", 1, 3)
    assert body["progress"] == {"done": 4, "total": 4, "percent": 100.0, "message": "done"}
    assert body["data"] == json.loads(CREATE)["data"]
    assert [(run["number"], run["outcome"], run["error"]) for run in body["attempts"]] == [(1, "succeeded", None)]


def test_get_queue_metrics(alice, drain):
    alice.send()
    alice.send(data={**json.loads(CREATE)["data"], "fileName": "broken.stl"}, attempts=1)
    drain()
    alice.send()
    alice.send(delay=60_000)

    answer = alice.http.get("/jobs/queues/metrics", params={"type": "file-analysis"})

    assert answer.json() == {
        "metrics": [
            {
                "name": "file-analysis",
                "active": 0,
                "waiting": 1,
                "delayed": 1,
                "failed": 1,
                "failedRate": 50.0,
                "paused": False,
                "throughput": 1,
            }
        ]
    }


def test_get_queue_metrics_of_all_types(alice):
    names = [row["name"] for row in alice.http.get("/jobs/queues/metrics").json()["metrics"]]

    assert names == sorted(spec.api_name for spec in open_specs())
    assert {*SEED} <= {*names}


def test_retry_failed_job(alice, drain):
    job_id = alice.send(data={**json.loads(CREATE)["data"], "fileName": "broken.stl"}, attempts=1)
    drain()

    answer = alice.http.post(f"/jobs/{job_id}/retry")

    assert (answer.status_code, answer.headers["Location"]) == (202, f"/api/v1/jobs/{job_id}")
    assert (answer.json()["state"], answer.json()["attemptsMade"]) == ("queued", 0)


def test_cancel_job(alice, drain):
    job_id = alice.send()

    answers = [alice.http.delete(f"/jobs/{job_id}") for _ in range(2)]

    assert [(answer.status_code, answer.json()["state"]) for answer in answers] == [(200, "cancelled")] * 2
    assert drain() == 0


def test_recurring_job(alice):
    body = {"type": "report-generation", "data": {"reportType": "analytics", "format": "pdf"}, "cron": "0 2 * * *"}

    answer = alice.http.post("/jobs/recurring", json=body)

    schedule = JobSchedule.objects.get()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/jobs/recurring/{schedule.public_id}"
    assert (schedule.tenant_id, schedule.actor, schedule.is_declared) == (alice.tenant.pk, "tests.write_report", False)
    assert schedule.effective_options == {"tenant_id": alice.tenant.pk, "report_type": "analytics", "format": "pdf"}
    found = answer.json()
    assert datetime.fromisoformat(found.pop("nextRunAt")).hour in {0, 1}  # 02:00 in Prague
    assert found == {
        **body,
        "id": schedule.public_id,
        "timezone": "Europe/Prague",
        "overlap": "skip",
        "catchUp": "one",
        "skippedHour": "next",
        "doubledHour": "first",
        "onDayOff": "run",
        "country": "",
        "areWeekendsOff": False,
        "waitingSince": None,
        "lastRunAt": None,
        "lastJobId": None,
        "problem": None,
    }


@pytest.mark.slow
def test_queue_health_check(alice, drain, live_worker):
    for _ in range(9):
        alice.send()
    alice.send(data={**json.loads(CREATE)["data"], "fileName": "broken.stl"}, attempts=1)
    drain()

    answer = alice.http.get("/jobs/health/check")

    quiet = {"active": 0, "failed": 0, "failedRate": 0.0, "paused": False}
    told = answer.json()
    assert (answer.status_code, {**told, "metrics": of_the_seed(told["metrics"])}) == (
        200,
        {
            "status": "healthy",
            "queues": len(open_specs()),
            "totalJobs": 10,
            "metrics": [
                {"name": "email-notification", **quiet},
                {"name": "file-analysis", "active": 0, "failed": 1, "failedRate": 10.0, "paused": False},
                {"name": "quote-calculation", **quiet},
                {"name": "report-generation", **quiet},
            ],
        },
    )


def test_health_says_why_it_is_not_well(alice, drain):
    alice.send(data={**json.loads(CREATE)["data"], "fileName": "broken.stl"}, attempts=1)
    drain()

    body = alice.http.get("/jobs/health/check").json()

    assert body["status"] == "degraded"
    assert body["reasons"] == ["No worker is running.", "100.0 % of file-analysis failed in the last 24 hours."]


@pytest.mark.parametrize(
    ("kind", "value", "names"),
    [
        ("actor", "tests.analyze_file", ["file-analysis"]),
        ("queue", "normal", ["file-analysis", "quote-calculation"]),
        ("tenant", "0", []),
    ],
)
def test_metrics_and_health_say_what_is_paused(alice, live_worker, kind, value, names):
    services.pause(kind=kind, value=value, now=clock.now())

    metrics = alice.http.get("/jobs/queues/metrics").json()["metrics"]
    health = alice.http.get("/jobs/health/check").json()

    assert [row["name"] for row in metrics if row["paused"]] == names
    assert health.get("reasons", []) == [f"{name} is paused." for name in names]


def test_a_paused_tenant_is_told_that_all_its_types_are(alice):
    services.pause(kind="tenant", value=str(alice.tenant.pk), now=clock.now())

    metrics = alice.http.get("/jobs/queues/metrics").json()["metrics"]
    assert [row["paused"] for row in metrics] == [True] * len(open_specs())

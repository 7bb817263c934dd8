"""What is refused, how it is said, and that nothing was done."""

import pytest

from modules.jobs.models import Job, JobSchedule
from modules.jobs.registry import open_specs
from tests.api.within import within

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

SENT = {"type": "quote-calculation", "data": {"quoteId": "q"}}
MAIL = {"type": "email-notification", "data": {"type": "t", "recipientEmail": "e", "templateData": {}}}
DAILY = {**SENT, "cron": "@daily"}


@pytest.fixture
def place(db):
    with within() as place:
        yield place


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


ALL = ", ".join(sorted(str(spec.api_name) for spec in open_specs()))


@pytest.mark.parametrize(
    ("path", "body", "field", "words"),
    [
        ("/jobs", {}, "type", "Field required"),
        ("/jobs", [], "body", "valid dictionary"),
        ("/jobs", {**SENT, "type": "nobody"}, "type", f"There is no type 'nobody'; there are: {ALL}."),
        ("/jobs", {**SENT, "type": "tests.note"}, "type", "There is no type 'tests.note'"),
        ("/jobs", {**SENT, "type": "jobs.prune_jobs"}, "type", "There is no type 'jobs.prune_jobs'"),
        ("/jobs", {**SENT, "type": ""}, "type", "at least 1 character"),
        ("/jobs", {**SENT, "type": "a\0"}, "type", "match pattern"),
        ("/jobs", {**SENT, "kind": 1}, "kind", "Extra inputs are not permitted"),
        ("/jobs", {**SENT, "data": []}, "data", "valid dictionary"),
        ("/jobs", {**SENT, "data": {}}, "data.quoteId", "Missing."),
        (
            "/jobs",
            {**SENT, "data": {"quoteId": "q", "size": 1}},
            "data.size",
            "Not known; there are: quoteId, quantity",
        ),
        ("/jobs", {**SENT, "data": {"quoteId": "q", "is_express": True}}, "data.is_express", "Not known"),
        ("/jobs", {**SENT, "data": {"quoteId": 5}}, "data.quoteId", "Input should be a valid string."),
        ("/jobs", {**SENT, "data": {"quoteId": "a\0b"}}, "data.quoteId", "no NUL"),
        ("/jobs", {**SENT, "data": {"quoteId": "q", "quantity": "5"}}, "data.quantity", "valid integer"),
        ("/jobs", {**SENT, "data": {"quoteId": "q", "quantity": True}}, "data.quantity", "valid integer"),
        ("/jobs", {**SENT, "data": {"quoteId": "q", "discount": "1"}}, "data.discount", "valid number"),
        ("/jobs", {**SENT, "data": {"quoteId": "q", "isExpress": 1}}, "data.isExpress", "valid boolean"),
        ("/jobs", {**SENT, "data": {"quoteId": "q", "parts": ["a", 2]}}, "data.parts", "valid string at [1]"),
        ("/jobs", {**MAIL, "data": {**MAIL["data"], "templateData": []}}, "data.templateData", "should be an object"),
        ("/jobs", {**MAIL, "data": {**MAIL["data"], "templateData": {"x": deep(40)}}}, "data", "at most 32 lists"),
        ("/jobs", {**SENT, "options": {"priority": "1"}}, "options.priority", "valid integer"),
        ("/jobs", {**SENT, "options": {"priority": -1}}, "options.priority", "greater than or equal to 0"),
        ("/jobs", {**SENT, "options": {"priority": 101}}, "options.priority", "less than or equal to 100"),
        ("/jobs", {**SENT, "options": {"attempts": 0}}, "options.attempts", "greater than or equal to 1"),
        ("/jobs", {**SENT, "options": {"delay": -1}}, "options.delay", "greater than or equal to 0"),
        ("/jobs", {**SENT, "options": {"delay": 10**18}}, "options.delay", "less than or equal to"),
        ("/jobs", {**SENT, "options": {"uniqueKey": ""}}, "options.uniqueKey", "at least 1 character"),
        ("/jobs", {**SENT, "options": {"tags": ["a"] * 21}}, "options.tags", "at most 20 items"),
        ("/jobs", {**SENT, "options": {"tags": ["a\nb"]}}, "options.tags.0", "match pattern"),
        ("/jobs", {**SENT, "options": {"queue": "high"}}, "options.queue", "Extra inputs are not permitted"),
        ("/jobs/schedule", SENT, "body", "give either delay (milliseconds) or runAt"),
        ("/jobs/schedule", {**SENT, "delay": 1, "runAt": "2099-01-01T00:00:00Z"}, "body", "give either delay"),
        ("/jobs/schedule", {**SENT, "delay": 1, "options": {"delay": 1}}, "body", "give either delay"),
        ("/jobs/schedule", {**SENT, "runAt": "2099-01-01T00:00:00"}, "runAt", "timezone"),
        ("/jobs/schedule", {**SENT, "runAt": 4102444800}, "runAt", "write a time with its zone"),
        ("/jobs/schedule", {**SENT, "runAt": "tomorrow"}, "runAt", "write a time with its zone"),
        ("/jobs/recurring", SENT, "cron", "Field required"),
        ("/jobs/recurring", {**DAILY, "cron": "every day"}, "cron", "write five fields"),
        ("/jobs/recurring", {**DAILY, "cron": "* * * * * *"}, "cron", "write five fields"),
        ("/jobs/recurring", {**DAILY, "cron": "61 * * * *"}, "cron", "The cron line '61 * * * *' is wrong"),
        ("/jobs/recurring", {**DAILY, "timezone": "Mars/Base"}, "timezone", "There is no time zone 'Mars/Base'"),
        ("/jobs/recurring", {**DAILY, "onDayOff": "skip", "country": "XX"}, "country", "two letters like CZ"),
        ("/jobs/recurring", {**DAILY, "onDayOff": "skip", "country": "Czechia"}, "country", "at most 2 characters"),
        ("/jobs/recurring", {**DAILY, "onDayOff": "move"}, "onDayOff", "choose a country"),
        ("/jobs/recurring", {**DAILY, "areWeekendsOff": True}, "onDayOff", "leave it out or move it"),
        ("/jobs/recurring", {**DAILY, "onDayOff": "never"}, "onDayOff", "'run', 'skip' or 'move'"),
        ("/jobs/recurring", {**DAILY, "overlap": "wait"}, "overlap", "'skip', 'queue' or 'allow'"),
        ("/jobs/recurring", {**DAILY, "type": "nobody"}, "type", "There is no type 'nobody'"),
        ("/jobs/recurring", {**DAILY, "data": {}}, "data.quoteId", "Missing."),
    ],
)
def test_a_wrong_field_is_named_with_the_way_out(alice, path, body, field, words):
    answer = alice.http.post(path, json=body)

    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    told = {error["field"]: error["message"] for error in answer.json()["errors"]}
    assert [*told] == [field]
    assert words in told[field]
    assert (Job.objects.count(), JobSchedule.objects.count()) == (0, 0)


def test_all_wrong_fields_are_named_at_once(alice):
    answer = alice.http.post("/jobs", json={"data": 1, "options": {"priority": "x", "attempts": "y"}})

    fields = [error["field"] for error in answer.json()["errors"]]
    assert fields == ["type", "data", "options.priority", "options.attempts"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"state": "lost"}, "state"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"tag": "a\0"}, "tag"),
        ({"createdFrom": "2026-01-01"}, "createdFrom"),
        ({"createdTo": "1"}, "createdTo"),
        ({"stat": "failed"}, "stat"),
    ],
)
def test_a_wrong_filter_is_named(alice, params, field):
    answer = alice.http.get("/jobs", params=params)

    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"type": 1e999999}x', "\x00", '{"a": ' + "9" * 5_000 + "}"])
def test_a_body_that_is_no_json_is_refused(alice, text):
    answer = alice.http.post("/jobs", content=text)

    assert (answer.status_code, answer.headers["Content-Type"]) == (
        422 if not text else 400,
        "application/problem+json",
    )
    assert Job.objects.count() == 0


def test_half_a_surrogate_pair_is_refused(alice):
    text = (
        '{"type": "email-notification", "data": {"type": "t", "recipientEmail": "e", "templateData": {"x": "\\ud800"}}}'
    )

    answer = alice.http.post("/jobs", content=text)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "data.templateData")


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "\x7f"])
def test_a_key_that_is_none_is_refused(alice, key):
    answer = alice.http.post("/jobs", json=SENT, headers={"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert Job.objects.count() == 0


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["/nothing", "/jobs/no-id/data", "/jobs/%0A"])
def test_an_address_that_there_is_not_is_a_problem_by_any_method(alice, method, path):
    answer = alice.http.request(method, path)

    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize("state", ["queued", "running", "succeeded", "cancelled"])
def test_only_a_failed_job_can_be_retried(alice, force, state):
    job_id = alice.send()
    force(job_id, state)

    answer = alice.http.post(f"/jobs/{job_id}/retry")

    assert answer.status_code == 409
    assert answer.json()["detail"] == f"The job is {state}; only a failed one can be retried."
    assert Job.objects.get().state == state


@pytest.mark.parametrize("state", ["succeeded", "failed", "quarantined"])
def test_a_job_that_has_ended_cannot_be_cancelled(alice, force, state):
    job_id = alice.send()
    force(job_id, state)

    answer = alice.http.delete(f"/jobs/{job_id}")

    assert (answer.status_code, answer.json()["detail"]) == (409, f"The job has ended already: it is {state}.")
    assert Job.objects.get().state == state


def test_a_running_job_is_asked_to_stop(alice, force):
    job_id = alice.send()
    force(job_id, "running")

    answer = alice.http.delete(f"/jobs/{job_id}")

    assert (answer.status_code, answer.json()["state"]) == (202, "running")
    assert Job.objects.get().cancel_requested_at is not None


@pytest.mark.parametrize("path", ["/jobs/", "/jobs/x", "/jobs/recurring/1", "/parcels", "/jobs/../x"])
def test_an_address_that_there_is_not(alice, path):
    answer = alice.http.get(path)

    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_a_method_that_an_address_does_not_have(alice):
    answer = alice.http.put("/jobs", json=SENT)

    assert (answer.status_code, answer.headers["Content-Type"]) == (405, "application/problem+json")
    assert (answer.headers["Allow"], answer.json()["detail"]) == ("GET, POST", "This address takes GET, POST.")


def test_a_parameter_given_twice_is_refused(alice):
    answer = alice.http.get("/jobs?state=failed&state=queued")

    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, ["state"])

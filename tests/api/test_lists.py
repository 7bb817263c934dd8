"""Lists: what they hold, how they are paged, what they cost."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.jobs.models import Attempt, Job
from modules.kernel import clock
from tests.api.within import within

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def place(db):
    with within() as place:
        yield place


# A token's use is written down once a minute, the sender's view of the gates read anew once a second.
RARE = ('"last_used_at" =', "FROM jobs_pause UNION")


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


def pages(caller, **params):
    """Go through all pages, doing something between two of them."""
    cursor, meanwhile = None, params.pop("meanwhile", lambda: None)
    while True:
        answer = caller.http.get("/jobs", params={**params, **({"cursor": cursor} if cursor else {})})
        yield ids(answer)
        cursor = answer.json()["nextCursor"]
        if cursor is None:
            return
        meanwhile()


def test_newest_first_and_without_payloads(alice):
    sent = [alice.send() for _ in range(3)]

    answer = alice.http.get("/jobs")

    assert ids(answer) == sent[::-1]
    assert answer.json()["nextCursor"] is None
    assert {"data", "result"} & answer.json()["jobs"][0].keys() == set()


@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (3, [3]), (4, [3, 1]), (6, [3, 3])])
def test_pages_hold_each_job_once(alice, count, sizes):
    sent = [alice.send() for _ in range(count)]

    found = list(pages(alice, limit=3))

    assert [len(page) for page in found] == sizes
    assert [job_id for page in found for job_id in page] == sent[::-1]


def test_pages_stay_as_they_are_while_jobs_are_added(alice):
    sent = [alice.send() for _ in range(5)]

    found = list(pages(alice, limit=2, meanwhile=alice.send))

    assert [job_id for page in found for job_id in page] == sent[::-1]
    assert Job.objects.count() == 7


@pytest.fixture
def mixed(alice, force):
    """Return jobs of different kinds by name."""
    done = alice.send("quote-calculation", {"quoteId": "q"}, tags=["order:1", "vip"])
    force(done, "succeeded")
    later = alice.send("quote-calculation", {"quoteId": "q"}, delay=60_000, tags=["order:2"])
    mail = {"type": "t", "recipientEmail": "e", "templateData": {}}
    return {"done": done, "later": later, "mail": alice.send("email-notification", mail)}


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"state": "succeeded"}, ["done"]),
        ({"state": "scheduled"}, ["later"]),
        ({"state": "failed"}, []),
        ({"type": "quote-calculation"}, ["later", "done"]),
        ({"type": "tests.calculate_quote"}, ["later", "done"]),
        ({"type": "email-notification"}, ["mail"]),
        ({"type": "file-analysis"}, []),
        ({"queue": "high"}, ["mail"]),
        ({"tag": "vip"}, ["done"]),
        ({"tag": "order:2"}, ["later"]),
        ({"tag": "vip", "state": "scheduled"}, []),
        ({"createdTo": "2026-01-01T00:00:00Z"}, []),
    ],
)
def test_filters(alice, mixed, params, names):
    assert ids(alice.http.get("/jobs", params=params)) == [mixed[name] for name in names]


def test_filter_by_time_takes_its_first_instant_and_leaves_its_last(alice):
    sent = [alice.send() for _ in range(3)]
    start = datetime(2026, 11, 1, tzinfo=UTC)
    for number, job_id in enumerate(sent):
        Job.objects.filter(id=job_id).update(created_at=start + timedelta(hours=number))

    answer = alice.http.get(
        "/jobs", params={"createdFrom": "2026-11-01T01:00:00+01:00", "createdTo": "2026-11-01T02:00:00Z"}
    )

    assert ids(answer) == [sent[1], sent[0]]


@pytest.mark.parametrize("path", ["/jobs", "/jobs/recurring", "/jobs/queues/metrics", "/jobs/health/check"])
def test_a_list_costs_as_many_queries_with_one_row_as_with_three(alice, path):
    costs = [queries(alice, path)]
    for _ in range(3):
        alice.send()
        body = {"type": "quote-calculation", "data": {"quoteId": "q"}, "cron": "@daily"}
        assert alice.http.post("/jobs/recurring", json=body).status_code == 201
        costs.append(queries(alice, path))

    assert costs == [costs[0]] * 4


def test_a_job_costs_as_many_queries_with_three_attempts_as_with_one(alice):
    once, thrice = alice.send(), alice.send()
    for job_id, number in [(once, 1), (thrice, 1), (thrice, 2), (thrice, 3)]:
        run = {"worker_id": uuid4(), "started_at": clock.now(), "ended_at": clock.now(), "outcome": "failed"}
        Attempt.objects.create(job_id=job_id, number=number, **run)

    assert [run["number"] for run in alice.http.get(f"/jobs/{thrice}").json()["attempts"]] == [1, 2, 3]
    assert queries(alice, f"/jobs/{once}") == queries(alice, f"/jobs/{thrice}") == 3


def test_sending_costs_two_statements_beside_the_token_and_the_transaction(alice):
    body = {"type": "quote-calculation", "data": {"quoteId": "q"}}

    assert queries(alice, "/jobs", body=body) == 5


def queries(caller, path, body=None):
    """Count the statements of a request, without those that one in a while makes for all."""
    with CaptureQueriesContext(connection) as found:
        answer = caller.http.post(path, json=body) if body else caller.http.get(path)
    assert answer.status_code in {200, 202}
    return len([query for query in found if not any(rare in query["sql"] for rare in RARE)])

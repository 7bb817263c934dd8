"""A tenant retries its failed jobs in steps, and nobody else's."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.jobs import selectors, services
from modules.jobs.models import Job, Replay
from tests.api.within import within

pytestmark = pytest.mark.django_db

CAUSE, OTHER = "a" * 16, "b" * 16


@pytest.fixture
def place(db):
    with within() as place:
        yield place


@pytest.fixture
def fail(force):
    """Let so many of a tenant's jobs fail, and return their ids."""

    def fail(caller, count=1, *, fingerprint=CAUSE, **fields):
        ids = [caller.send(**fields) for _ in range(count)]
        for job_id in ids:
            force(job_id, "failed", error_type="ValueError", error_message="no luck", fingerprint=fingerprint)
        return ids

    return fail


def queued(ids):
    return Job.objects.filter(id__in=ids, state="queued").count()


def start(caller, **body):
    return caller.http.post("/jobs/replays", json=body)


def test_five_are_released_first_and_the_answer_says_where_all_are(alice, fail):
    ids = fail(alice, 7)

    answer = start(alice, reason="the printer is mended")

    assert (answer.status_code, queued(ids)) == (202, 5)
    told, looked_at = answer.json(), alice.http.get(answer.headers["Location"].removeprefix("/api/v1")).json()
    assert told | {"startedAt": ""} == looked_at | {"startedAt": ""}
    assert told | {"id": 0, "startedAt": ""} == {
        "id": 0,
        "what": "all failed jobs",
        "reason": "the printer is mended",
        "state": "running",
        "stoppedFor": None,
        "stoppedNote": None,
        "stoppedJobId": None,
        "step": 1,
        "total": 7,
        "counts": {"waiting": 2, "inFlight": 5, "succeeded": 0, "failed": 0, "cancelled": 0, "gone": 0},
        "startedAt": "",
        "endedAt": None,
    }
    assert Replay.objects.get().started_by == "API: test"


def test_the_return_of_the_cause_is_told(alice, fail, force):
    ids = fail(alice, 7)
    replay_id = start(alice).json()["id"]
    again = str(Job.objects.filter(id__in=ids, state="queued").first().id)
    force(again, "failed")
    services.continue_replays()

    told = alice.http.get(f"/jobs/replays/{replay_id}").json()
    assert {name: told[name] for name in ("state", "stoppedFor", "stoppedJobId", "stoppedNote")} == {
        "state": "stopped",
        "stoppedFor": "same_cause",
        "stoppedJobId": again,
        "stoppedNote": "ValueError: no luck",
    }


def test_conditions_choose_and_hold_together(alice, fail):
    same, other = fail(alice, 2), fail(alice, fingerprint=OTHER)
    report = fail(alice, type_="report-generation", data={"reportType": "analytics"})

    for body, chosen in [
        ({"type": "report-generation", "sameCauseAs": same[0]}, report),
        ({"jobs": [*other, same[0]], "sameCauseAs": same[1]}, same[:1]),
    ]:
        answer = start(alice, **body)
        assert (answer.status_code, queued(chosen), answer.json()["total"]) == (202, len(chosen), len(chosen))
    assert queued([same[1], *other]) == 0


def test_nobody_elses_jobs_can_be_chosen(alice, bob, fail):
    theirs = fail(alice, 2)
    own = fail(bob, 1)

    by_id = start(bob, jobs=theirs)
    by_cause = start(bob, sameCauseAs=theirs[0])
    every_one = start(bob)

    assert [by_id.status_code, by_cause.status_code, every_one.status_code] == [409, 422, 202]
    assert by_cause.json()["errors"] == [{"field": "sameCauseAs", "message": "No failed job of yours has this id."}]
    assert (every_one.json()["total"], queued(own), queued(theirs)) == (1, 1, 0)


def test_an_operators_replay_is_not_there(alice, fail):
    fail(alice, 7)
    by_hand = services.start_replay(jobs=selectors.dead_letters(), what="all", by="eva")

    answers = [
        alice.http.get(f"/jobs/replays/{by_hand.pk}"),
        alice.http.post(f"/jobs/replays/{by_hand.pk}/stop"),
        alice.http.delete(f"/jobs/replays/{by_hand.pk}"),
    ]

    by_hand.refresh_from_db()
    assert ([answer.status_code for answer in answers], by_hand.state) == ([404, 404, 404], "running")
    assert alice.http.get("/jobs/replays").json() == {"replays": [], "nextCursor": None}


def test_it_is_stopped_resumed_and_ended_each_once(alice, fail):
    fail(alice, 7)
    address = f"/jobs/replays/{start(alice).json()['id']}"
    acts = [("POST", "/stop"), ("POST", "/resume"), ("DELETE", "")]
    done = [alice.http.request(method, address + act) for method, act in acts for _ in range(2)]

    assert [answer.status_code for answer in done] == [200, 409] * 3
    assert [answer.json()["state"] for answer in done[::2]] == ["stopped", "running", "cancelled"]
    assert done[1].json()["detail"] == "The replay is stopped; this cannot be done with it."


def test_the_same_request_with_a_key_starts_one_replay(alice, fail):
    fail(alice, 12)
    answers = [alice.http.post("/jobs/replays", json={}, headers={"Idempotency-Key": "once"}).text for _ in range(2)]

    assert (answers[0], Replay.objects.count()) == (answers[1], 1)


def test_without_a_failed_job_there_is_nothing_to_start(alice):
    alice.send()

    assert (start(alice).status_code, Replay.objects.count()) == (409, 0)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"jobs": []}, "jobs"),
        ({"jobs": ["x"]}, "jobs.0"),
        ({"sameCauseAs": 7}, "sameCauseAs"),
        ({"reason": "x" * 301}, "reason"),
        ({"tenantId": 7}, "tenantId"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(alice, fail, body, field):
    ids = fail(alice)

    answer = start(alice, **body)

    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])
    assert queued(ids) == 0


def test_the_list_comes_in_pages_newest_first_by_as_many_questions(alice, fail):
    made = [start(alice, jobs=fail(alice)).json()["id"] for _ in range(3)]

    first = alice.http.get("/jobs/replays", params={"limit": 2}).json()
    second = alice.http.get("/jobs/replays", params={"limit": 2, "cursor": first["nextCursor"]}).json()
    asked = []
    for limit in (1, 3):
        with CaptureQueriesContext(connection) as queries:
            alice.http.get("/jobs/replays", params={"limit": limit})
        asked.append(len(queries))

    assert [[one["id"] for one in page["replays"]] for page in (first, second)] == [made[:0:-1], made[:1]]
    assert (first["nextCursor"], second["nextCursor"], asked[0]) == (made[1], None, asked[1])

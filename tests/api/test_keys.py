"""Idempotency-Key: asked twice, done once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction

from modules.jobs import services
from modules.jobs.models import Job, JobSchedule, KeyedAnswer
from modules.jobs.services import _answers
from modules.kernel import clock
from tests.api.operations import BODIES

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

BODY = BODIES["JobIn"]
KEY = {"Idempotency-Key": "order-17"}


@pytest.mark.parametrize(
    ("path", "body", "table"),
    [
        ("/jobs", BODIES["JobIn"], Job),
        ("/jobs/schedule", BODIES["ScheduledJobIn"], Job),
        ("/jobs/recurring", BODIES["RecurringJobIn"], JobSchedule),
    ],
)
def test_the_same_request_again_is_answered_alike_and_done_once(alice, path, body, table):
    first, second = (alice.http.post(path, json=body, headers=KEY) for _ in range(2))

    assert (first.status_code, first.json(), first.headers["Location"]) == (
        second.status_code,
        second.json(),
        second.headers["Location"],
    )
    assert ("Idempotency-Replayed" in first.headers, second.headers["Idempotency-Replayed"]) == (False, "true")
    assert table.objects.count() == 1


def test_a_retry_with_a_key_is_done_once(alice, drain):
    job_id = alice.send(data={"fileId": "", "fileUrl": "", "fileName": "broken.x", "fileType": ""}, attempts=1)
    drain()
    first = alice.http.post(f"/jobs/{job_id}/retry", headers=KEY)
    drain()
    second = alice.http.post(f"/jobs/{job_id}/retry", headers=KEY)

    assert (first.status_code, second.status_code, second.json()) == (202, 202, first.json())
    assert Job.objects.get().state == "failed"


def test_ten_at_once_make_one_job(alice):
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: alice.http.post("/jobs", json=BODY, headers=KEY), range(10)))

    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 9
    assert Job.objects.count() == 1


def test_the_order_of_fields_does_not_make_another_request(alice):
    alice.http.post("/jobs", json=BODY, headers=KEY)

    answer = alice.http.post("/jobs", json=dict(reversed(BODY.items())), headers=KEY)

    assert (answer.status_code, Job.objects.count()) == (202, 1)


@pytest.mark.parametrize(
    ("path", "body"), [("/jobs", {**BODY, "data": {"quoteId": "other"}}), ("/jobs/schedule", {**BODY, "delay": 0})]
)
def test_a_key_of_another_request_is_refused(alice, path, body):
    alice.http.post("/jobs", json=BODY, headers=KEY)

    answer = alice.http.post(path, json=body, headers=KEY)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert Job.objects.count() == 1


def test_a_key_is_the_tenants_own(alice, bob):
    ids = {caller.http.post("/jobs", json=BODY, headers=KEY).json()["id"] for caller in (alice, bob)}

    assert len(ids) == 2


def test_a_refused_request_does_not_use_up_its_key(alice):
    refused = alice.http.post("/jobs", json={**BODY, "data": {}}, headers=KEY)
    accepted = alice.http.post("/jobs", json=BODY, headers=KEY)

    assert (refused.status_code, accepted.status_code) == (422, 202)


def test_after_a_day_the_key_is_free(alice):
    alice.http.post("/jobs", json=BODY, headers=KEY)
    KeyedAnswer.objects.update(created_at=clock.now() - timedelta(hours=24))

    answer = alice.http.post("/jobs", json={**BODY, "data": {"quoteId": "other"}}, headers=KEY)

    assert (answer.status_code, Job.objects.count(), KeyedAnswer.objects.count()) == (202, 2, 1)


@pytest.mark.slow
def test_a_request_that_takes_too_long_lets_no_second_wait_for_ever(alice, monkeypatch):
    monkeypatch.setattr(_answers, "WAIT_SECONDS", 1)
    holding, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            now = clock.now()
            KeyedAnswer.objects.create(tenant_id=alice.tenant.pk, key="order-17", fingerprint="", created_at=now)
            holding.set()
            done.wait(20)
        connection.close()

    first = threading.Thread(target=hold)
    first.start()
    holding.wait(20)
    answer = alice.http.post("/jobs", json=BODY, headers=KEY)
    done.set()
    first.join()

    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "1")
    assert Job.objects.count() == 0


def test_old_answers_are_pruned_and_young_ones_stay(alice):
    for key in ("old", "young"):
        alice.http.post("/jobs", json=BODY, headers={"Idempotency-Key": key})
    KeyedAnswer.objects.filter(key="old").update(created_at=clock.now() - timedelta(hours=25))

    assert [services.prune_answers(now=clock.now(), limit=10) for _ in range(2)] == [1, 0]
    assert [row.key for row in KeyedAnswer.objects.all()] == ["young"]

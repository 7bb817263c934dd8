"""How often and how much: buckets in Redis, bodies of a bounded size."""

import pytest

from modules.accounts import clients
from modules.accounts.models import ApiToken
from modules.jobs.models import Job
from modules.kernel import clock
from tests.api.within import within

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(db):
    with within() as place:
        yield place


@pytest.fixture
def limits(settings):
    """Set how many requests a minute a token and a tenant have."""

    def limit(*, token, tenant):
        settings.API = {**settings.API, "TOKEN_PER_MINUTE": token, "TENANT_PER_MINUTE": tenant}

    return limit


@pytest.fixture(autouse=True)
def _redis_is_trusted_again():
    yield
    clients._silent_until = 0.0


def rates(answer):
    return [int(answer.headers[f"RateLimit-{name}"]) for name in ("Limit", "Remaining")]


def test_each_answer_tells_what_is_left(alice, limits):
    limits(token=3, tenant=100)

    answers = [alice.http.get("/jobs") for _ in range(3)]

    assert [rates(answer) for answer in answers] == [[3, 2], [3, 1], [3, 0]]
    assert [19 <= int(answer.headers["RateLimit-Reset"]) <= 60 for answer in answers] == [True] * 3


def test_one_too_many_is_refused_with_the_time_to_wait_and_does_nothing(alice, limits):
    limits(token=1, tenant=100)
    alice.http.get("/jobs")

    answer = alice.http.post("/jobs", json={"type": "quote-calculation", "data": {"quoteId": "q"}})

    assert (answer.status_code, answer.json()["title"]) == (429, "Too Many Requests")
    assert answer.json()["detail"] == "Too many requests: 1 a minute are allowed."
    assert (50 <= int(answer.headers["Retry-After"]) <= 60, rates(answer)) == (True, [1, 0])
    assert Job.objects.count() == 0


def test_a_bucket_fills_evenly_and_never_over_its_size(settings):
    buckets = {"slow": 2}
    taken = [clients.take(buckets) for _ in range(2)]
    key, client = "backroom:api:slow", clients._client(settings.REDIS_URL)
    client.hset(key, "at", float(client.hget(key, "at")) - 30)  # half a minute ago

    later = clients.take(buckets)
    client.hset(key, "at", float(client.hget(key, "at")) - 3600)
    much_later = clients.take(buckets)

    assert [(found.remaining, found.wait_seconds) for found in taken] == [(1, 0), (0, 0)]
    assert (later.remaining, later.wait_seconds) == (0, 0)
    assert (much_later.remaining, much_later.wait_seconds) == (1, 0)


def test_a_refused_request_takes_from_no_bucket():
    found = [clients.take({"narrow": 1, "wide": 10}) for _ in range(5)]

    assert [bool(allowance.wait_seconds) for allowance in found] == [False, True, True, True, True]
    assert clients.take({"wide": 10}).remaining == 8


def test_a_tenants_tokens_share_its_bucket(alice, make_caller, limits):
    limits(token=100, tenant=2)
    second = make_caller("Alice")

    answers = [caller.http.get("/jobs") for caller in (alice, second, alice, second)]

    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]


def test_another_tenant_is_not_slowed(alice, bob, limits):
    limits(token=1, tenant=1)

    answers = [caller.http.get("/jobs") for caller in (alice, alice, bob)]

    assert [answer.status_code for answer in answers] == [200, 429, 200]


def test_without_redis_nobody_is_refused(alice, limits, settings):
    limits(token=1, tenant=1)
    settings.REDIS_URL = "unix:///nowhere/redis.sock"

    answers = [alice.http.get("/jobs") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert ["RateLimit-Limit" in answer.headers for answer in answers] == [False] * 3


def test_a_body_over_the_limit_is_refused_unread(alice, settings):
    limit = settings.API["MAX_BODY_BYTES"]
    body = '{"type": "quote-calculation", "data": {"quoteId": "' + "x" * limit + '"}}'

    answer = alice.http.post("/jobs", content=body)

    assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/problem+json")
    assert answer.json()["detail"] == f"The body is over {limit} bytes; store the data and send its id."
    assert Job.objects.count() == 0


def test_arguments_over_their_own_limit_are_refused_with_it(alice):
    answer = alice.http.post("/jobs", json={"type": "quote-calculation", "data": {"quoteId": "x" * 270_000}})

    assert answer.status_code == 422
    assert "at most 262144 are kept" in answer.json()["errors"][0]["message"]


def test_a_tenant_has_so_many_recurring_jobs(alice, settings):
    settings.API = {**settings.API, "TENANT_SCHEDULES": 1}
    body = {"type": "quote-calculation", "data": {"quoteId": "q"}, "cron": "@daily"}

    answers = [alice.http.post("/jobs/recurring", json=body) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 409]
    assert answers[1].json()["detail"] == "At most 1 recurring jobs are allowed; delete one first."


def test_a_tokens_use_is_written_once_a_minute(alice):
    alice.http.get("/jobs")
    first = ApiToken.objects.get().last_used_at
    alice.http.get("/jobs")
    second = ApiToken.objects.get().last_used_at

    assert (first, (clock.now() - first).total_seconds() < 20) == (second, True)

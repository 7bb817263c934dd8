"""People over HTTP: they log in, see their own tenants alone, and are let in so many times a minute."""

import base64
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.accounts import clients
from modules.accounts.models import Login, Membership, Tenant, User
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.notifications.models import Notification
from tests.api.conftest import FILE, open_http
from tests.api.within import within
from tests.support.hashers import CountingHasher

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse"


@pytest.fixture
def place(db):
    with within() as place:
        yield place


@pytest.fixture(autouse=True)
def _redis_is_trusted_again():
    yield
    clients._silent_until = 0.0


@pytest.fixture
def join(place, nobody):
    """Make a person who belongs to tenants, and return what their program calls with."""
    opened = []

    def joined(username, **roles):
        user = User.objects.create_user(username, f"{username}@example.com", PASSWORD)
        for name, role in roles.items():
            tenant, _ = Tenant.objects.get_or_create(name=name)
            Membership.objects.create(user=user, tenant=tenant, role=role)
        keys = log_in(nobody, username).json()
        opened.append(open_http(place, keys["accessToken"]))
        return opened[-1]

    yield joined
    for client in opened:
        client.close()


def log_in(http, username="jana", password=PASSWORD):
    return http.post("/auth/login", json={"username": username, "password": password})


def send(http, **headers):
    return http.post("/jobs", json={"type": "file-analysis", "data": FILE}, headers=headers)


def refresh(http, keys):
    return http.post("/auth/refresh", json={"refreshToken": keys["refreshToken"]})


def number(name):
    return str(Tenant.objects.get(name=name).pk)


def test_a_person_logs_in_looks_at_themselves_refreshes_and_logs_out(join, nobody, place):
    join("jana", Alice="operator")
    answer = log_in(nobody)
    keys = answer.json()
    assert (answer.status_code, keys["tokenType"], answer.headers["Cache-Control"]) == (200, "Bearer", "no-store")

    with open_http(place, keys["accessToken"]) as jana:
        me = jana.get("/auth/me").json()
        newer = refresh(nobody, keys).json()
        again = refresh(nobody, keys)
        out = nobody.post("/auth/logout", json={"refreshToken": newer["refreshToken"]})
        after = jana.get("/auth/me")

    assert (me["username"], me["email"]) == ("jana", "jana@example.com")
    assert [(row["tenantId"], row["tenant"], row["role"]) for row in me["memberships"]] == [
        (int(number("Alice")), "Alice", "operator")
    ]
    assert (again.status_code, again.json()["detail"][:26]) == (409, "This token has just been u")
    assert (out.status_code, out.content, after.status_code) == (204, b"", 401)
    assert refresh(nobody, newer).status_code == 401


def test_nobody_learns_whether_there_is_such_a_name(join, nobody):
    join("jana")
    User.objects.create_user("petr", password=PASSWORD, is_active=False)

    pairs = [("jana", "wrong"), ("nobody", "wrong"), ("petr", PASSWORD)]
    answers = [log_in(nobody, *pair) for pair in pairs]

    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    headers = [{name: answer.headers[name] for name in answer.headers if "ratelimit" not in name} for answer in answers]
    assert headers[0] == headers[1] == headers[2]


def test_a_name_that_there_is_not_costs_as_many_slow_hashes(nobody, settings):
    settings.PASSWORD_HASHERS = ["tests.support.hashers.CountingHasher"]
    User.objects.create_user("jana", password=PASSWORD)
    User.objects.create_user("petr", password=PASSWORD, is_active=False)
    CountingHasher.made.clear()

    for username in ("jana", "nobody", "petr"):
        log_in(nobody, username, "wrong")

    assert CountingHasher.made == ["wrong"] * 3


def test_a_person_acts_for_the_only_tenant(join):
    jana = join("jana", Alice="operator")

    answer = send(jana)

    assert (answer.status_code, Job.objects.get().tenant_id) == (202, int(number("Alice")))


def test_a_person_of_several_tenants_names_one(join):
    jana = join("jana", Alice="operator", Bob="viewer")

    unnamed = jana.get("/jobs")
    named = send(jana, **{"Backroom-Tenant": number("Alice")})

    numbers = f"{number('Alice')}, {number('Bob')}"
    assert (unnamed.status_code, unnamed.json()["detail"]) == (
        400,
        f"Name one of your tenants in the header Backroom-Tenant: {numbers}.",
    )
    assert (named.status_code, Job.objects.get().tenant_id) == (202, int(number("Alice")))


def test_a_role_is_the_named_tenants_own(join):
    jana = join("jana", Alice="operator", Bob="viewer")

    answers = [send(jana, **{"Backroom-Tenant": number(name)}) for name in ("Alice", "Bob")]
    reading = jana.get("/jobs", headers={"Backroom-Tenant": number("Bob")})

    assert [*(answer.status_code for answer in answers), reading.status_code] == [202, 403, 200]


@pytest.mark.parametrize("named", ["another's", "999999", "x", "", "-1"])
def test_a_strangers_tenant_opens_nothing(join, alice, named):
    alice.send()
    mallory = join("mallory", Mallory="admin")

    header = number("Alice") if named == "another's" else named
    answers = [send(mallory, **{"Backroom-Tenant": header}), mallory.get("/jobs", headers={"Backroom-Tenant": header})]

    assert [(answer.status_code, answer.json()["detail"]) for answer in answers] == [
        (403, "You are no member of this tenant.")
    ] * 2
    assert Job.objects.count() == 1


def test_a_stranger_sees_nothing_of_others(join, alice):
    job_id = alice.send()
    mallory = join("mallory", Mallory="admin")

    assert [mallory.get(f"/jobs/{job_id}").status_code, mallory.get("/jobs").json()["jobs"]] == [404, []]


def test_a_membership_that_ends_or_a_tenant_switched_off_closes_at_once(join):
    jana = join("jana", Alice="admin", Bob="admin")
    header = {"Backroom-Tenant": number("Alice")}
    Tenant.objects.filter(name="Alice").update(is_active=False)
    off = jana.get("/jobs", headers=header).status_code
    Membership.objects.all().delete()

    assert [off, jana.get("/jobs").status_code] == [403, 403]
    assert jana.get("/auth/me").json()["memberships"] == []


def test_a_superuser_without_a_membership_opens_no_tenant(join):
    root = join("root")
    User.objects.update(is_superuser=True, is_staff=True)

    assert root.get("/jobs").status_code == 403


def test_a_program_stays_in_its_tenant_whatever_header_it_sends(alice, bob):
    alice.send()

    answer = bob.http.get("/jobs", headers={"Backroom-Tenant": str(alice.tenant.pk)})

    assert (answer.status_code, answer.json()["jobs"]) == (200, [])
    assert bob.http.get("/auth/me").status_code == 401


def test_a_person_reads_and_changes_only_their_own_notices(join):
    jana, petr = join("jana", Alice="operator"), join("petr", Alice="admin")
    user = User.objects.get(username="jana")
    notice = Notification.objects.create(
        tenant_id=number("Alice"), user=user, type="draft_reminder", payload={}, created_at=clock.now()
    )

    seen = [person.get("/notifications").json()["notifications"] for person in (jana, petr)]
    foreign = [
        petr.post(f"/notifications/{notice.pk}/read"),
        petr.post(f"/notifications/users/{user.pk}/read", json={"untilId": notice.pk}),
        petr.get(f"/notifications/users/{user.pk}/preferences"),
    ]

    assert ([len(rows) for rows in seen], [answer.status_code for answer in foreign]) == ([1, 0], [404] * 3)
    with all_tenants():
        assert Notification.objects.get().read_at is None
    assert jana.post(f"/notifications/{notice.pk}/read").status_code == 200


def test_too_many_logins_of_one_name_are_refused_even_with_the_right_password(join, nobody, settings):
    join("jana")
    settings.API = {**settings.API, "LOGIN_PER_MINUTE": 3}
    before = Login.objects.count()

    answers = [log_in(nobody, name, "wrong") for name in ("nobody", "Nobody", "nobody", "nobody")]
    right = [log_in(nobody), log_in(nobody), log_in(nobody), log_in(nobody)]

    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert right[-1].status_code == 429
    assert 1 <= int(right[-1].headers["Retry-After"]) <= 60
    assert Login.objects.count() - before == [answer.status_code for answer in right].count(200)


def test_too_many_requests_of_one_address_are_refused(nobody, settings):
    settings.API = {**settings.API, "ADDRESS_PER_MINUTE": 2}

    answers = [nobody.post("/auth/logout", json={"refreshToken": "x"}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [204, 204, 429]


def test_a_person_has_so_many_requests_a_minute(join, settings):
    jana = join("jana", Alice="viewer")
    settings.API = {**settings.API, "TOKEN_PER_MINUTE": 2}

    assert [jana.get("/jobs").status_code for _ in range(3)] == [200, 200, 429]


def test_without_redis_people_are_let_in(join, nobody, settings):
    join("jana")
    settings.REDIS_URL = "unix:///nowhere/redis.sock"

    assert log_in(nobody).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"username": "jana"},
        {"username": "jana", "password": "x" * 1_025},
        {"username": "ja\x00na", "password": "x"},
        {"username": ["jana"], "password": "x"},
        {"username": "jana", "password": "x", "tenant": 1},
    ],
)
def test_what_is_no_login_is_refused(nobody, body):
    assert nobody.post("/auth/login", json=body).status_code == 422


def test_a_request_of_a_person_asks_the_database_as_often_for_many_tenants(join):
    one = join("jana", Alice="viewer")
    many = join("petr", **dict.fromkeys(("Bob", "Cyril", "Dana"), "viewer"))

    counts = []
    for http in (one, many):
        with CaptureQueriesContext(connection) as captured:
            assert http.get("/auth/me").status_code == 200
        counts.append(len(captured))

    assert counts == [2, 2]


def test_an_access_token_cannot_be_changed(join, nobody, place):
    join("jana", Alice="admin")
    text = log_in(nobody).json()["accessToken"]
    payload = json.dumps([Login.objects.latest("id").pk, 9e12]).encode()
    forged = "bra_" + base64.urlsafe_b64encode(payload).decode().rstrip("=") + ":" + text.rpartition(":")[2]

    with open_http(place, forged) as http:
        assert http.get("/jobs").status_code == 401

"""The diary through the API: who acts, what is listed, and changes against what was seen."""

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.accounts import services as accounts
from modules.kernel import clock
from tests.admin.factories import make_member
from tests.api.conftest import open_http
from tests.api.within import within

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PASSWORD = "correct horse battery"
RARE = '"last_used_at" ='


@pytest.fixture
def place(db):
    with within() as place:
        yield place


@pytest.fixture
def jana(alice):
    jana = make_member(alice.tenant, "jana")
    jana.memberships.update(role="operator")
    return jana


@pytest.fixture
def logged_in(place):
    """Open HTTP for a person who logged in."""
    clients = []

    def log_in(user):
        user.set_password(PASSWORD)
        user.save()
        keys = accounts.open_login(username=user.username, password=PASSWORD, agent="", now=clock.now())
        clients.append(open_http(place, keys.access))
        return clients[-1]

    yield log_in
    for client in clients:
        client.close()


def made(answer):
    assert answer.status_code == 201, answer.text
    return answer.json()


def rows(answer):
    """Return the only list of a page."""
    assert answer.status_code == 200, answer.text
    return next(value for value in answer.json().values() if isinstance(value, list))


def make_cottage(http, name="Cottage", **project):
    project = made(http.post("/drafts/projects", json={"name": "Family", **project}))
    return made(http.post(f"/drafts/projects/{project['id']}/properties", json={"name": name}))


def make_record(http, place, **fields):
    return made(http.post(f"/drafts/properties/{place['id']}/records", json={"title": "Revision", **fields}))


def problem(answer):
    return answer.status_code, [fault["field"] for fault in answer.json().get("errors", [])]


def test_a_person_writes_and_publishes_what_happened(jana, logged_in):
    http = logged_in(jana)
    cottage = make_cottage(http)
    cellar = made(http.post(f"/drafts/properties/{cottage['id']}/units", json={"name": "Cellar"}))
    record = make_record(http, cottage, unitId=cellar["id"], body="Water\nin it.")
    url = f"/drafts/records/{record['id']}"

    edited = http.patch(url, json={"baseVersion": 1, "body": "Dry."}).json()
    published = http.post(f"{url}/publish", json={"baseVersion": 2}).json()
    again = http.post(f"{url}/publish", json={"baseVersion": 2})

    assert (record["authorId"], record["unitId"], record["status"], record["version"]) == (
        jana.pk,
        cellar["id"],
        "draft",
        1,
    )
    assert (edited["title"], edited["body"], edited["version"]) == ("Revision", "Dry.", 2)
    assert (published["status"], published["version"], published["publishedAt"] is None) == ("published", 3, False)
    assert (again.status_code, again.json()) == (200, published)
    assert http.get(url).json() == published
    assert rows(http.get("/drafts/projects"))[0]["ownerId"] == jana.pk


def test_who_changes_an_older_version_is_told(alice, jana):
    record = make_record(alice.http, make_cottage(alice.http), authorId=jana.pk)
    url = f"/drafts/records/{record['id']}"
    alice.http.patch(url, json={"baseVersion": 1, "title": "First"})

    answers = [
        alice.http.patch(url, json={"baseVersion": 1, "title": "Second"}),
        alice.http.post(f"{url}/publish", json={"baseVersion": 1}),
    ]

    assert [answer.status_code for answer in answers] == [409, 409]
    now = alice.http.get(url).json()
    assert (now["title"], now["status"], now["version"]) == ("First", "draft", 2)


@pytest.mark.parametrize("change", [{}, {"title": ""}, {"title": "a\nb"}, {"body": "\0"}, {"status": "published"}])
def test_a_change_that_is_none_is_refused(alice, jana, change):
    record = make_record(alice.http, make_cottage(alice.http), authorId=jana.pk)

    assert alice.http.patch(f"/drafts/records/{record['id']}", json={"baseVersion": 1, **change}).status_code == 422


def test_a_program_names_who_acts_and_a_person_is_it_oneself(alice, bob, jana, logged_in):
    petr, stranger = make_member(alice.tenant, "petr"), make_member(bob.tenant, "stranger")
    cottage = make_cottage(alice.http, ownerId=jana.pk)
    url = f"/drafts/properties/{cottage['id']}/records"

    answers = [
        alice.http.post(url, json={"title": "Revision"}),
        alice.http.post(url, json={"title": "Revision", "authorId": stranger.pk}),
        logged_in(jana).post(url, json={"title": "Revision", "authorId": petr.pk}),
    ]

    assert [problem(answer) for answer in answers] == [(422, ["authorId"])] * 3
    assert rows(alice.http.get("/drafts/records")) == []
    assert make_record(alice.http, cottage, authorId=petr.pk)["authorId"] == petr.pk


def test_a_unit_of_another_property_is_refused(alice, jana):
    cottage, house = make_cottage(alice.http), make_cottage(alice.http, "House")
    garage = made(alice.http.post(f"/drafts/properties/{house['id']}/units", json={"name": "Garage"}))
    wanted = {"title": "Revision", "authorId": jana.pk}

    answers = [
        alice.http.post(f"/drafts/properties/{cottage['id']}/records", json={**wanted, "unitId": unit})
        for unit in (garage["id"], str(uuid4()))
    ]

    assert [problem(answer) for answer in answers] == [(422, ["unitId"])] * 2


def test_records_are_narrowed_and_come_page_by_page(alice, jana):
    cottage, house = make_cottage(alice.http), make_cottage(alice.http, "House")
    old, new = (make_record(alice.http, cottage, authorId=jana.pk)["id"] for _ in range(2))
    other = make_record(alice.http, house, authorId=make_member(alice.tenant, "petr").pk)["id"]
    alice.http.post(f"/drafts/records/{old}/publish", json={"baseVersion": 1})

    def ids(**params):
        return [row["id"] for row in rows(alice.http.get("/drafts/records", params=params))]

    first = alice.http.get("/drafts/records", params={"limit": 2}).json()
    assert [row["id"] for row in first["records"]] == [other, new]
    assert ids(cursor=first["nextCursor"]) == [old]
    assert ids(propertyId=cottage["id"]) == [new, old]
    assert ids(projectId=house["projectId"]) == [other]
    assert ids(authorId=jana.pk, status="published") == [old]
    assert [row["id"] for row in rows(alice.http.get(f"/drafts/properties?projectId={house['projectId']}"))] == [
        house["id"]
    ]


def test_remarks_and_contacts_are_listed_newest_first(alice, jana):
    cottage = make_cottage(alice.http)
    record = make_record(alice.http, cottage, authorId=jana.pk)
    remarks, contacts = f"/drafts/records/{record['id']}/comments", f"/drafts/properties/{cottage['id']}/contacts"
    for text in ("first", "second"):
        made(alice.http.post(remarks, json={"text": text, "authorId": jana.pk}))
    sweep = made(alice.http.post(contacts, json={"name": "Sweep", "purpose": "chimney", "phone": "+420 1"}))

    assert [row["text"] for row in rows(alice.http.get(remarks))] == ["second", "first"]
    assert rows(alice.http.get(contacts)) == [sweep]
    assert (sweep["purpose"], sweep["email"], sweep["propertyId"]) == ("chimney", "", cottage["id"])
    assert problem(alice.http.post(contacts, json={"name": "Sweep", "email": "nobody"})) == (422, ["email"])


@pytest.mark.parametrize(
    "params", [{"property": "x"}, {"propertyId": "x"}, {"status": "gone"}, {"limit": 101}, {"cursor": 0}]
)
def test_a_wrong_filter_is_refused(alice, params):
    assert alice.http.get("/drafts/records", params=params).status_code == 422


def test_a_longer_list_asks_no_more_questions(alice, jana):
    cottage = make_cottage(alice.http)
    counts = []
    for _ in range(2):
        make_record(alice.http, cottage, authorId=jana.pk)
        with CaptureQueriesContext(connection) as asked:
            alice.http.get("/drafts/records")
        counts.append(len([query for query in asked.captured_queries if RARE not in query["sql"]]))

    assert counts[0] == counts[1]


def test_who_only_looks_writes_nothing(alice, jana, logged_in):
    jana.memberships.update(role="viewer")
    http = logged_in(jana)

    assert http.get("/drafts/projects").status_code == 200
    assert http.post("/drafts/projects", json={"name": "Family"}).status_code == 403

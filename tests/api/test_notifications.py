"""Notices and preferences through the API."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.accounts.models import Membership
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.notifications.models import Notification, Preference
from tests.admin.factories import make_member
from tests.api.within import within

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

RARE = '"last_used_at" ='


@pytest.fixture
def place(db):
    with within() as place:
        yield place


@pytest.fixture
def jana(alice):
    return make_member(alice.tenant, "jana")


def tell(tenant, user, *, type_="draft_reminder", **payload):
    return Notification.objects.create(tenant=tenant, user=user, type=type_, payload=payload, created_at=clock.now()).pk


def unread():
    with all_tenants():
        return Notification.objects.filter(read_at=None).count()


def preferences():
    with all_tenants():
        return Preference.objects.count()


def ids(answer):
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["notifications"]]


def test_newest_first_page_by_page(alice, jana):
    sent = [tell(alice.tenant, jana, recordId=str(number)) for number in range(3)]

    first = alice.http.get("/notifications", params={"limit": 2})
    rest = alice.http.get("/notifications", params={"limit": 2, "cursor": first.json()["nextCursor"]})

    assert (ids(first), ids(rest), rest.json()["nextCursor"]) == (sent[:0:-1], sent[:1], None)
    row = rest.json()["notifications"][0]
    assert (row["userId"], row["type"], row["payload"], row["readAt"]) == (
        jana.pk,
        "draft_reminder",
        {"recordId": "0"},
        None,
    )


def test_the_list_is_narrowed_by_person_kind_and_whether_it_is_read(alice, jana):
    petr = make_member(alice.tenant, "petr")
    one, other = tell(alice.tenant, jana), tell(alice.tenant, petr, type_="sync_failed")
    alice.http.post(f"/notifications/{one}/read")

    found = [
        ids(alice.http.get("/notifications", params=params))
        for params in ({"userId": petr.pk}, {"type": "draft_reminder"}, {"unread": True}, {"unread": False})
    ]

    assert found == [[other], [one], [other], [one]]


@pytest.mark.parametrize(
    "params", [{"users": 1}, {"type": "other"}, {"limit": 0}, {"limit": 101}, {"cursor": 0}, {"unread": "maybe"}]
)
def test_a_wrong_filter_is_refused(alice, params):
    assert alice.http.get("/notifications", params=params).status_code == 422


def test_read_twice_is_read_since_the_first_time(alice, jana):
    notice = tell(alice.tenant, jana)

    first, second = (alice.http.post(f"/notifications/{notice}/read").json() for _ in range(2))

    assert first["readAt"] is not None
    assert first == second


def test_all_is_read_up_to_what_was_seen(alice, jana):
    seen = tell(alice.tenant, jana)
    tell(alice.tenant, jana)

    answers = [alice.http.post(f"/notifications/users/{jana.pk}/read", json={"untilId": seen}).json() for _ in range(2)]

    assert answers == [{"read": 1}, {"read": 0}]
    assert unread() == 1


def test_preferences_are_all_on_until_they_are_switched(alice, jana):
    url = f"/notifications/users/{jana.pk}/preferences"
    before = alice.http.get(url).json()["preferences"]
    change = {"type": "weekly_summary", "channel": "email", "isOn": False}

    after = alice.http.put(url, json={"preferences": [change]}).json()["preferences"]

    assert ({row["isOn"] for row in before}, len(before)) == ({True}, 10)
    assert [row for row in after if row not in before] == [change]
    assert alice.http.get(url).json()["preferences"] == after


def test_a_way_that_there_is_not_is_named(alice, jana):
    change = {"type": "weekly_summary", "channel": "in_app", "isOn": False}

    answer = alice.http.put(f"/notifications/users/{jana.pk}/preferences", json={"preferences": [change]})

    assert (answer.status_code, preferences()) == (422, 0)
    message = "weekly_summary is not told by in_app; it is by: email."
    assert answer.json()["errors"] == [{"field": "preferences", "message": message}]


def test_a_person_of_two_tenants_wants_different_things_of_each(alice, bob, jana):
    Membership.objects.create(user=jana, tenant=bob.tenant)
    url = f"/notifications/users/{jana.pk}/preferences"
    change = {"type": "draft_expiring", "channel": "email", "isOn": False}
    alice.http.put(url, json={"preferences": [change]})
    tell(alice.tenant, jana)

    assert {row["isOn"] for row in bob.http.get(url).json()["preferences"]} == {True}
    assert ids(bob.http.get("/notifications")) == []


def test_a_stranger_is_not_there(alice, bob, jana):
    notice = tell(alice.tenant, jana)
    calls = [
        bob.http.post(f"/notifications/{notice}/read"),
        bob.http.post(f"/notifications/users/{jana.pk}/read", json={"untilId": notice}),
        bob.http.get(f"/notifications/users/{jana.pk}/preferences"),
    ]

    assert [answer.status_code for answer in calls] == [404] * 3
    assert unread() == 1


def test_a_longer_list_asks_no_more_questions(alice, jana):
    counts = []
    for _ in range(3):
        tell(alice.tenant, jana)
        with CaptureQueriesContext(connection) as captured:
            alice.http.get("/notifications")
        counts.append(len([query for query in captured if RARE not in query["sql"]]))

    assert counts[1] == counts[2]

"""Things of the diary are renamed, handed over and deleted through the API."""

import pytest

from modules.drafts.models import Project, Record
from modules.kernel.tenancy import all_tenants
from tests.admin.factories import make_member
from tests.api.test_drafts import jana, logged_in, made, make_cottage, make_record, place, problem, rows

__all__ = ["jana", "logged_in", "place"]  # fixtures

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def test_what_is_named_changes_and_the_rest_stays(alice):
    cottage = make_cottage(alice.http)
    url = f"/drafts/properties/{cottage['id']}"
    contact = made(alice.http.post(f"{url}/contacts", json={"name": "Sweep", "purpose": "chimney", "phone": "1"}))

    renamed = alice.http.patch(url, json={"name": "House"}).json()
    called = alice.http.patch(f"/drafts/contacts/{contact['id']}", json={"phone": ""}).json()

    assert renamed == {**cottage, "name": "House"}
    assert called == {**contact, "phone": ""}
    assert alice.http.get(url).json() == renamed


@pytest.mark.parametrize(
    ("change", "field"),
    [({}, "name"), ({"name": None}, "name"), ({"name": ""}, "name"), ({"name": "a\nb"}, "name"), ({"id": "x"}, "id")],
)
def test_a_change_that_is_none_is_refused(alice, change, field):
    cottage = make_cottage(alice.http)

    assert problem(alice.http.patch(f"/drafts/properties/{cottage['id']}", json=change)) == (422, [field])


def test_a_project_is_handed_over_by_its_owner_to_a_member_alone(alice, bob, jana, logged_in):
    petr, stranger = make_member(alice.tenant, "petr"), make_member(bob.tenant, "stranger")
    http = logged_in(jana)
    project = make_cottage(http)["projectId"]
    url = f"/drafts/projects/{project}"

    refused = http.patch(url, json={"ownerId": stranger.pk})
    handed = http.patch(url, json={"ownerId": petr.pk, "name": "Petr's"})

    assert problem(refused) == (422, ["ownerId"])
    assert (handed.status_code, handed.json()["ownerId"]) == (200, petr.pk)
    assert http.get(url).status_code == 404  # it is hers no more
    assert logged_in(petr).get(url).json() == handed.json()


def test_what_is_in_it_is_counted_before_it_goes(alice, jana):
    cottage = make_cottage(alice.http)
    record = make_record(alice.http, cottage, authorId=jana.pk)
    made(alice.http.post(f"/drafts/records/{record['id']}/comments", json={"text": "ok", "authorId": jana.pk}))
    url = f"/drafts/projects/{cottage['projectId']}"

    refused = alice.http.delete(url)
    gone = alice.http.delete(url, params={"withContents": "true"})

    assert refused.status_code == 409
    assert "1 properties, 0 units, 0 contacts, 1 records, 1 comments, 0 documents" in refused.json()["detail"]
    nothing = dict.fromkeys(("units", "contacts", "documents", "shares", "invitations"), 0)
    assert (gone.status_code, gone.json()) == (200, {"properties": 1, "records": 1, "comments": 1, **nothing})
    assert [rows(alice.http.get(f"/drafts/{what}")) for what in ("projects", "properties", "records")] == [[], [], []]
    assert alice.http.delete(url).status_code == 404


def test_an_empty_place_goes_without_a_question(alice):
    cottage = make_cottage(alice.http)

    assert alice.http.delete(f"/drafts/properties/{cottage['id']}").status_code == 200
    assert alice.http.delete(f"/drafts/projects/{cottage['projectId']}").status_code == 200


def test_a_record_that_somebody_changed_is_not_deleted_unseen(alice, jana):
    record = make_record(alice.http, make_cottage(alice.http), authorId=jana.pk)
    url = f"/drafts/records/{record['id']}"
    alice.http.patch(url, json={"baseVersion": 1, "title": "Faster"})

    answers = [alice.http.delete(url, params={"baseVersion": number}).status_code for number in (1, 2, 2)]

    assert answers == [409, 200, 404]
    with all_tenants():
        assert Record.objects.get().deleted_at is not None


def test_an_owner_withdraws_what_others_said_and_changes_none_of_it(alice, jana, logged_in):
    petr = make_member(alice.tenant, "petr")
    record = make_record(alice.http, make_cottage(alice.http, ownerId=jana.pk), authorId=jana.pk)
    said = made(alice.http.post(f"/drafts/records/{record['id']}/comments", json={"text": "Ha", "authorId": petr.pk}))
    url, http = f"/drafts/comments/{said['id']}", logged_in(jana)

    assert http.patch(url, json={"text": "No"}).status_code == 403
    assert (http.delete(url).status_code, http.delete(url).status_code) == (204, 404)
    assert rows(http.get(f"/drafts/records/{record['id']}/comments")) == []


def test_who_a_project_was_handed_to_is_in_the_row(alice, jana):
    project = make_cottage(alice.http)["projectId"]

    alice.http.patch(f"/drafts/projects/{project}", json={"ownerId": jana.pk})

    with all_tenants():
        assert Project.objects.get().owner == jana

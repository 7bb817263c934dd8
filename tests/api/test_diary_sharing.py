"""Invitations, shares and offline changes of the diary through the API."""

from uuid import uuid4

import pytest

from modules.drafts.models import Invitation, Record, SyncItem
from modules.kernel.tenancy import all_tenants
from tests.admin.factories import make_member
from tests.api.test_drafts import jana, logged_in, made, make_cottage, make_record, place, problem, rows

__all__ = ["jana", "logged_in", "place"]  # fixtures

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def offer(cottage, person, **fields):
    boring = {"targetType": "property", "targetId": cottage["id"], "email": "Petr@example.com"}
    return {**boring, "invitedById": person.pk, **fields}


def change(operation, **payload):
    return {"clientId": str(uuid4()), "operation": operation, "payload": payload}


def outcomes(answer):
    assert answer.status_code == 200, answer.text
    return [row["outcome"] for row in answer.json()["outcomes"]]


def test_who_is_invited_joins_once(alice, bob, jana, logged_in):
    cottage = make_cottage(alice.http)
    answer = alice.http.post("/drafts/invitations", json=offer(cottage, jana, role="editor"))
    invited = made(answer)
    petr, other = (logged_in(make_member(bob.tenant, name)) for name in ("petr", "pavel"))

    share, again = (petr.post("/invitations/accept", json={"token": invited["token"]}) for _ in range(2))
    late = other.post("/invitations/accept", json={"token": invited["token"]})

    assert (answer.headers["Cache-Control"], invited["email"], invited["status"]) == (
        "no-store",
        "petr@example.com",
        "pending",
    )
    assert (share.status_code, again.json(), late.status_code) == (200, share.json(), 409)
    assert (share.json()["targetId"], share.json()["role"]) == (cottage["id"], "editor")
    assert rows(alice.http.get("/drafts/shares")) == [share.json()]
    listed = rows(alice.http.get("/drafts/invitations", params={"status": "accepted"}))
    assert [(row["id"], "token" in row) for row in listed] == [(invited["id"], False)]


def test_a_token_of_nothing_opens_nothing_and_a_program_joins_nowhere(alice, jana, logged_in):
    body = {"token": "none"}

    assert logged_in(jana).post("/invitations/accept", json=body).status_code == 404
    assert alice.http.post("/invitations/accept", json=body).status_code == 401


def test_what_was_withdrawn_cannot_be_accepted(alice, jana, logged_in):
    invited = made(alice.http.post("/drafts/invitations", json=offer(make_cottage(alice.http), jana)))
    url = f"/drafts/invitations/{invited['id']}/revoke"

    first, second = (alice.http.post(url) for _ in range(2))

    assert (first.json()["status"], second.json()) == ("revoked", first.json())
    assert logged_in(jana).post("/invitations/accept", json={"token": invited["token"]}).status_code == 409


def test_what_was_accepted_cannot_be_withdrawn(alice, jana, logged_in):
    invited = made(alice.http.post("/drafts/invitations", json=offer(make_cottage(alice.http), jana)))
    share = logged_in(jana).post("/invitations/accept", json={"token": invited["token"]}).json()

    assert alice.http.post(f"/drafts/invitations/{invited['id']}/revoke").status_code == 409
    assert [alice.http.delete(f"/drafts/shares/{share['id']}").status_code for _ in range(2)] == [204, 404]
    assert logged_in(jana).post("/invitations/accept", json={"token": invited["token"]}).status_code == 409


def test_one_offer_waits_at_a_time_and_of_ones_own_alone(alice, bob, jana):
    cottage, theirs = make_cottage(alice.http), make_cottage(bob.http)
    made(alice.http.post("/drafts/invitations", json=offer(cottage, jana)))

    answers = [
        alice.http.post("/drafts/invitations", json=body)
        for body in (
            offer(cottage, jana),
            offer(theirs, jana),
            offer(cottage, jana, targetType="unit"),
            offer(cottage, jana, email="petr"),
        )
    ]

    assert [answer.status_code for answer in answers] == [409, 404, 404, 422]
    with all_tenants():
        assert Invitation.objects.count() == 1


def test_changes_made_offline_are_made_once_and_in_order(jana, logged_in):
    http = logged_in(jana)
    cottage, record = make_cottage(http), str(uuid4())
    changes = [
        change("create_record", recordId=record, propertyId=cottage["id"], title="Revision"),
        change("update_record", recordId=record, baseVersion=1, body="Dry."),
        change("add_comment", commentId=str(uuid4()), recordId=record, text="At last."),
        change("publish_record", recordId=record, baseVersion=2),
    ]

    first, second = (outcomes(http.post("/drafts/sync", json={"changes": changes})) for _ in range(2))

    assert (first, second) == (["applied"] * 4, ["applied"] * 4)
    after = http.get(f"/drafts/records/{record}").json()
    assert (after["body"], after["status"], after["version"], after["authorId"]) == ("Dry.", "published", 3, jana.pk)
    assert len(rows(http.get(f"/drafts/records/{record}/comments"))) == 1
    assert rows(http.get("/drafts/sync")) == []


def test_a_conflict_and_a_failure_are_told_apart_and_listed(alice, jana, logged_in):
    petr = make_member(alice.tenant, "petr")
    record = make_record(alice.http, make_cottage(alice.http, ownerId=jana.pk), authorId=jana.pk)
    alice.http.patch(f"/drafts/records/{record['id']}", json={"baseVersion": 1, "title": "Faster"})
    late = change("update_record", recordId=record["id"], baseVersion=1, title="Slower")
    lost = change("publish_record", recordId=str(uuid4()), baseVersion=1)

    answer = alice.http.post("/drafts/sync", json={"userId": jana.pk, "changes": [late, lost]})

    assert outcomes(answer) == ["conflict", "failed"]
    failed, conflict = rows(alice.http.get("/drafts/sync"))
    assert (conflict["clientId"], conflict["status"], conflict["nextRetryAt"]) == (late["clientId"], "conflict", None)
    assert (failed["payload"], failed["status"], failed["nextRetryAt"] is None) == (lost["payload"], "failed", False)
    assert rows(alice.http.get("/drafts/sync", params={"status": "conflict"})) == [conflict]
    assert rows(logged_in(jana).get("/drafts/sync")) == [failed, conflict]
    assert rows(logged_in(petr).get("/drafts/sync")) == []


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"operation": "delete_record"}, "changes.0.operation"),
        ({"payload": {}}, "changes.0.payload.recordId"),
        ({"payload": {"recordId": "x", "baseVersion": 1}}, "changes.0.payload.recordId"),
        ({"clientId": "x"}, "changes.0.clientId"),
    ],
)
def test_a_change_that_can_never_be_made_is_refused_with_all_others(alice, jana, fault, field):
    record = make_record(alice.http, make_cottage(alice.http), authorId=jana.pk)
    good = change("publish_record", recordId=record["id"], baseVersion=1)
    changes = [{**good, "clientId": str(uuid4()), **fault}, good]

    answer = alice.http.post("/drafts/sync", json={"userId": jana.pk, "changes": changes})

    assert problem(answer) == (422, [field])
    with all_tenants():
        assert (Record.objects.get().status, SyncItem.objects.count()) == ("draft", 0)


def test_a_clients_number_comes_once(alice, jana):
    one = change("publish_record", recordId=str(uuid4()), baseVersion=1)

    answer = alice.http.post("/drafts/sync", json={"userId": jana.pk, "changes": [one, one]})

    assert problem(answer) == (422, ["changes.0.clientId", "changes.1.clientId"])


def test_a_strangers_records_cannot_be_changed_offline(alice, bob, jana):
    record = make_record(alice.http, make_cottage(alice.http), authorId=jana.pk)
    petr = make_member(bob.tenant, "petr")
    changes = [
        change("update_record", recordId=record["id"], baseVersion=1, title="Mine"),
        change("publish_record", recordId=record["id"], baseVersion=1),
        change("add_comment", recordId=record["id"], commentId=str(uuid4()), text="Ha"),
        change("create_record", recordId=str(uuid4()), propertyId=record["propertyId"], title="Mine"),
    ]

    answer = bob.http.post("/drafts/sync", json={"userId": petr.pk, "changes": changes})

    assert outcomes(answer) == ["failed"] * 4
    assert alice.http.get(f"/drafts/records/{record['id']}").json() == record
    assert rows(bob.http.get("/drafts/records")) == []

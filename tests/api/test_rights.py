"""Owner, editor, reader, stranger and a guest from elsewhere at each operation of the diary in the OpenAPI file."""

import pytest

from modules.accounts.models import ActivityEntry, Membership, Tenant, User
from modules.accounts.selectors import visible_tenant_ids
from modules.drafts import selectors
from modules.drafts.domain import Right
from modules.drafts.models import Record, ShareMember
from modules.drafts.selectors import Who, places_of
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants, tenant_scope
from tests.admin.factories import make_member
from tests.api.operations import EVERY
from tests.api.test_drafts import logged_in, made, place, rows
from tests.api.test_strangers import everything
from tests.drafts.factories import DAY, attach, make_draft, make_invitation, make_property

__all__ = ["logged_in", "place"]  # fixtures

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

DIARY = [operation for operation in EVERY if operation.path.startswith("/drafts/")]
WITH_ID = [operation for operation in DIARY if "{" in operation.path]
FOR_OWNERS = {
    "POST /drafts/invitations/{invitation_id}/revoke": 404,
    "DELETE /drafts/shares/{share_id}": 404,
    "DELETE /drafts/projects/{project_id}": 403,
    "DELETE /drafts/properties/{property_id}": 403,
    "DELETE /drafts/units/{unit_id}": 403,
    "PATCH /drafts/comments/{comment_id}": 403,  # the owner said it
    "DELETE /drafts/comments/{comment_id}": 403,
}
"""What takes an owner, and what others are told: 404 where they do not see the thing itself."""
DONE = {200, 201, 204}


@pytest.fixture
def tenant(db):
    return Tenant.objects.create(name="Alice")


@pytest.fixture
def owner(tenant):
    return member(tenant, "owner")


@pytest.fixture
def cottage(tenant, owner):
    with all_tenants():
        return make_property(tenant, owner=owner)


@pytest.fixture
def diary(tenant, owner, cottage, settings, tmp_path):
    """Something of the owner's behind every kind of id."""
    settings.MEDIA_ROOT = str(tmp_path)
    with all_tenants():
        record = published(cottage, owner)
        unit = cottage.units.create(tenant=tenant, name="Attic", created_at=clock.now())
        boring = {"tenant": tenant, "created_at": clock.now()}
        return {
            "project_id": str(cottage.project.public_id),
            "property_id": str(cottage.public_id),
            "unit_id": str(unit.public_id),
            "record_id": str(record.public_id),
            "document_id": str(attach(record).public_id),
            "comment_id": str(record.comments.create(author=owner, text="Indeed.", **boring).public_id),
            "contact_id": str(cottage.contacts.create(name="Sweep", **boring).public_id),
            "invitation_id": str(make_invitation(cottage, owner, expires_in=DAY).public_id),
            "share_id": shared(cottage, member(tenant, "other"), "reader").pk,
        }


def member(tenant, name, role="operator"):
    user = make_member(tenant, name)
    user.memberships.update(role=role)
    return user


def published(where, author, **fields):
    now = clock.now()
    return make_draft(where, author, status="published", published_at=now, **fields)


def shared(target, user, role):
    kind = type(target).__name__.lower()
    fields = {"target_type": kind, "target_id": target.pk, "role": role, "created_at": clock.now()}
    return ShareMember.objects.create(tenant_id=target.tenant_id, user=user, **fields)


@pytest.fixture
def person(tenant, owner, cottage, logged_in):
    """Log in as who has so much to do with the cottage."""

    def open_for(kind):
        if kind == "owner":
            return owner, logged_in(owner)
        user = member(tenant, kind)
        if kind != "stranger":
            with all_tenants():
                shared(cottage.project, user, kind)
        return user, logged_in(user)

    return open_for


def at(operation, who, diary):
    user, http = who
    return operation.call(http, **diary, user_id=user.pk)


def test_the_file_has_operations_of_each_kind():
    assert len(WITH_ID) >= 30
    assert {operation.method for operation in WITH_ID} >= {"GET", "POST", "PATCH", "DELETE"}


@pytest.mark.parametrize("operation", WITH_ID, ids=str)
def test_an_owner_does_everything(operation, person, diary):
    answer = at(operation, person("owner"), diary)

    assert answer.status_code in DONE, answer.text


@pytest.mark.parametrize("operation", [each for each in WITH_ID if each.method != "GET"], ids=str)
def test_what_is_done_is_written_down(operation, person, diary):
    user, http = person("owner")
    with all_tenants():
        if operation.path.endswith("/publish"):
            Record.objects.update(status="draft", published_at=None)
        before = ActivityEntry.objects.filter(tenant__isnull=False).count()

    at(operation, (user, http), diary)

    with all_tenants():
        entries = ActivityEntry.objects.filter(tenant__isnull=False)
        entry = entries.latest("id")
        assert entries.count() == before + 1
    kind, _, what = entry.verb.partition(".")
    assert (entry.user, entry.tenant.name, entry.target_type) == (user, "Alice", kind)
    assert what in {"created", "changed", "published", "deleted", "withdrawn", "ended"}
    if operation.method != "POST":
        assert entry.target_id in map(str, diary.values())


@pytest.mark.parametrize("operation", WITH_ID, ids=str)
def test_an_editor_does_what_takes_no_owner(operation, person, diary):
    who, before = person("editor"), everything()

    answer = at(operation, who, diary)

    refused = FOR_OWNERS.get(str(operation))
    assert answer.status_code in ({refused} if refused else DONE), answer.text
    if refused:
        assert everything() == before


@pytest.mark.parametrize("operation", WITH_ID, ids=str)
def test_a_reader_reads(operation, person, diary):
    who, before = person("reader"), everything()

    answer = at(operation, who, diary)

    wanted = 200 if operation.method == "GET" else FOR_OWNERS.get(str(operation), 403)
    assert answer.status_code == wanted, answer.text
    assert everything() == before


@pytest.mark.parametrize("operation", WITH_ID, ids=str)
def test_nothing_is_there_for_a_stranger_of_the_same_tenant(operation, person, diary):
    who, before = person("stranger"), everything()

    assert at(operation, who, diary).status_code == 404
    assert everything() == before


LISTS = [operation for operation in DIARY if "{" not in operation.path and operation.method == "GET"]


@pytest.mark.parametrize("operation", LISTS, ids=str)
def test_a_list_holds_what_one_may_see(operation, person, diary):
    counts = {kind: len(rows(at(operation, person(kind), diary))) for kind in ("owner", "editor", "reader", "stranger")}

    less = {"/drafts/invitations": (1, 0, 0, 0), "/drafts/sync": (0, 0, 0, 0)}
    assert tuple(counts.values()) == less.get(operation.path, (1, 1, 1, 0))


def test_what_is_refused_to_a_reader_says_why(person, diary):
    _user, reader = person("reader")

    answer = reader.patch(f"/drafts/records/{diary['record_id']}", json={"baseVersion": 1, "title": "Mine"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/problem+json")
    assert answer.json()["detail"] == "This is shared with you for reading; its owner can let you write, too."


@pytest.mark.parametrize(("kind", "status"), [("owner", 201), ("editor", 403), ("reader", 403), ("stranger", 404)])
def test_only_an_owner_invites(person, diary, kind, status):
    user, http = person(kind)
    offer = {"targetType": "property", "targetId": diary["property_id"], "email": "new@example.com"}

    assert http.post("/drafts/invitations", json={**offer, "invitedById": user.pk}).status_code == status


@pytest.mark.parametrize("role", ["viewer", "guest"])
def test_who_only_looks_or_is_a_guest_writes_where_it_is_shared_and_begins_nothing(
    tenant, cottage, diary, logged_in, role
):
    user = member(tenant, "petr", role=role)
    with all_tenants():
        shared(cottage, user, "editor")
    http = logged_in(user)

    begun = http.post("/drafts/projects", json={"name": "Mine"})

    assert (begun.status_code, begun.json()["detail"]) == (403, "A viewer or a guest begins no projects.")
    made(http.post(f"/drafts/properties/{diary['property_id']}/records", json={"title": "Revision"}))


def test_a_unit_alone_opens_what_is_in_it(tenant, owner, cottage, diary, logged_in):
    user = member(tenant, "tenant-of-the-attic", role="guest")
    with all_tenants():
        attic = cottage.units.get()
        shared(attic, user, "editor")
        inside = published(cottage, owner, unit=attic)
    http = logged_in(user)
    url = f"/drafts/properties/{diary['property_id']}"

    assert [http.get(path).status_code for path in (url, f"{url}/contacts", f"/drafts/units/{diary['unit_id']}")] == [
        404,
        404,
        200,
    ]
    assert [row["id"] for row in rows(http.get("/drafts/records"))] == [str(inside.public_id)]
    assert http.post(f"{url}/records", json={"title": "In the house"}).status_code == 404
    made(http.post(f"{url}/records", json={"title": "In the attic", "unitId": diary["unit_id"]}))


def test_a_draft_is_its_authors_alone_and_its_owners_when_they_left(tenant, owner, cottage, person, logged_in):
    writer, at_work = person("editor")
    with all_tenants():
        draft = make_draft(cottage, writer)
    url = f"/drafts/records/{draft.public_id}"
    of_owner = logged_in(owner)
    _reader, looking = person("reader")

    before = [http.get(url).status_code for http in (at_work, of_owner, looking)]
    Membership.objects.filter(user=writer).delete()

    assert before == [200, 404, 404]
    assert [http.get(url).status_code for http in (of_owner, looking)] == [200, 404]
    assert of_owner.post(f"{url}/publish", json={"baseVersion": 1}).status_code == 200


def test_a_share_that_ended_leaves_what_one_wrote_to_be_read(tenant, cottage, person):
    writer, http = person("editor")
    with all_tenants():
        record = published(cottage, writer)
        ShareMember.objects.filter(user=writer).delete()
    url = f"/drafts/records/{record.public_id}"

    assert [row["id"] for row in rows(http.get("/drafts/records"))] == [str(record.public_id)]
    assert http.patch(url, json={"baseVersion": 1, "title": "Mine"}).status_code == 403


def test_what_nobody_owns_is_the_admins(tenant, cottage, diary, logged_in):
    with all_tenants():
        type(cottage.project).objects.update(owner=None)
    url = f"/drafts/properties/{diary['property_id']}"
    answers = [logged_in(member(tenant, role, role=role)).get(url).status_code for role in ("admin", "operator")]

    assert answers == [200, 404]


def test_who_accepts_from_elsewhere_is_a_guest_until_nothing_is_shared(tenant, owner, diary, logged_in):
    petr = member(Tenant.objects.create(name="Bob"), "petr")
    at_home = {"Backroom-Tenant": str(petr.memberships.get().tenant_id)}
    of_owner, http = logged_in(owner), logged_in(petr)
    there, url = {"Backroom-Tenant": str(tenant.pk)}, f"/drafts/properties/{diary['property_id']}"
    offer = {"targetType": "property", "targetId": diary["property_id"], "email": "petr@example.com"}
    before = http.get(url, headers=there).status_code
    token = made(of_owner.post("/drafts/invitations", json={**offer, "role": "editor"}))["token"]

    share = http.post("/invitations/accept", json={"token": token}).json()

    assert (before, http.get(url, headers=there).status_code) == (403, 200)
    assert [http.get(url).status_code, http.get(url, headers=at_home).status_code] == [404, 404]  # home is as before
    made(http.post(f"{url}/records", json={"title": "Revision"}, headers=there))
    elsewhere = ("/jobs", "/orders", "/customers", "/catalog/products", "/shoptet/shops")
    assert {http.get(path, headers=there).status_code for path in elsewhere} == {403}
    assert [row["role"] for row in http.get("/auth/me").json()["memberships"]] == ["guest", "operator"]
    assert http.delete(f"/drafts/shares/{share['id']}", headers=there).status_code == 204  # a guest may leave
    assert http.get(url, headers=there).status_code == 403
    assert petr.memberships.count() == 1


def test_a_guest_sees_nothing_of_the_tenant_in_the_console(tenant):
    user = member(tenant, "petr", role="guest")
    User.objects.filter(pk=user.pk).update(is_staff=True)
    assert visible_tenant_ids(user) == []


def test_offline_changes_obey_the_same_rights(cottage, person, diary):
    change = {"recordId": diary["record_id"], "baseVersion": 1, "title": "Mine"}
    sent = [{"clientId": diary["record_id"], "operation": "update_record", "payload": change}]

    outcomes = {
        kind: person(kind)[1].post("/drafts/sync", json={"changes": sent}).json()["outcomes"][0]["outcome"]
        for kind in ("stranger", "reader", "editor")
    }

    assert outcomes == {"stranger": "failed", "reader": "failed", "editor": "applied"}
    with all_tenants():
        assert Record.objects.get(public_id=diary["record_id"]).title == "Mine"


def test_what_is_told_of_many_is_what_each_of_them_sees(tenant, owner, cottage):
    """The batch of the weekly summaries and the rows of the API are one rule."""
    with tenant_scope(tenant.pk):
        attic = cottage.units.create(tenant=tenant, name="Attic", created_at=clock.now())
        make_property(tenant, owner=None, name="Nobody's")
        gone = make_property(tenant, owner=owner, name="Gone")
        type(gone.project).objects.filter(pk=gone.project_id).update(deleted_at=clock.now())
        people = [owner, *(member(tenant, role, role=role) for role in ("admin", "viewer", "guest", "operator"))]
        for user, target in zip(people[1:], (cottage.project, cottage, attic, gone), strict=True):
            shared(target, user, "reader")
        places = places_of([Who(tenant.pk, user.pk) for user in people])

        for user in people:
            who = Who(tenant.pk, user.pk)
            batch = [
                {number for number, readers in kind.items() if who in readers}
                for kind in (places.projects, places.properties)
            ]
            units = {number for number, readers in places.units.items() if who in readers}
            alone = [
                set(found(to=user.pk).values_list("pk", flat=True))
                for found in (selectors.projects, selectors.properties)
            ]
            inside = set(selectors.units(to=user.pk).filter(property__in=batch[1]).values_list("pk", flat=True))
            assert batch == alone, user
            assert units | inside == set(selectors.units(to=user.pk).values_list("pk", flat=True)), user


def test_a_share_opens_nothing_in_another_tenant(tenant, cottage):
    bob = Tenant.objects.create(name="Bob")
    petr = member(bob, "petr")
    with all_tenants():
        fields = {"target_id": cottage.pk, "role": "editor", "created_at": clock.now()}
        ShareMember.objects.create(tenant=bob, user=petr, target_type="property", **fields)

        assert not selectors.properties(to=petr.pk).exists()
        assert not selectors.properties(to=petr.pk, right=Right.WRITE).exists()


def test_a_right_is_asked_for_in_one_question_however_much_is_shared(tenant, cottage, django_assert_num_queries):
    user = member(tenant, "petr")
    with all_tenants():
        for number in range(3):
            shared(make_property(tenant, name=str(number)), user, "editor")
        with django_assert_num_queries(1):
            assert len(selectors.properties(to=user.pk, right=Right.WRITE)) == 3

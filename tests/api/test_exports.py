"""A person's exports over HTTP: asked for, fetched and withdrawn by that person alone."""

import io
import json
import zipfile

import pytest

from modules.accounts.models import Membership, Tenant, User
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.reports import services
from modules.reports.models import Export
from tests.api.conftest import open_http
from tests.api.test_auth import PASSWORD, log_in
from tests.api.within import within

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(db):
    with within() as place:
        yield place


@pytest.fixture
def join(place, nobody, settings, tmp_path):
    """Make a person who belongs to tenants, and return what their program calls with."""
    settings.MEDIA_ROOT = str(tmp_path)
    opened = []

    def joined(username, *tenants):
        user = User.objects.create_user(username, f"{username}@example.com", PASSWORD)
        for name in tenants:
            Membership.objects.create(user=user, tenant=Tenant.objects.get_or_create(name=name)[0], role="viewer")
        opened.append(open_http(place, log_in(nobody, username).json()["accessToken"]))
        return opened[-1]

    yield joined
    for client in opened:
        client.close()


def make():
    with all_tenants():
        export = Export.objects.latest("id")
        services.make_export(export_id=export.pk, now=clock.now(), report=lambda _count: None)


def test_a_person_asks_fetches_and_withdraws(join, nobody):
    jana = join("jana", "Alice")

    asked = jana.post("/users/me/export", params={"includePhotos": "false"})
    again = jana.post("/users/me/export")

    assert (asked.status_code, asked.json()["state"], asked.json()["includePhotos"]) == (202, "pending", False)
    assert (asked.json()["downloadUrl"], again.json()["id"]) == (None, asked.json()["id"])
    assert Job.objects.get().tenant_id == Tenant.objects.get(name="Alice").pk
    address = f"/users/me/exports/{asked.json()['id']}"
    assert jana.delete(address).status_code == 409

    make()
    ready = jana.get(address).json()
    answer = nobody.get(ready["downloadUrl"])

    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert json.loads(archive.read("data/profile.json"))[0]["username"] == "jana"
    assert (ready["state"], ready["size"], ready["entries"]) == ("ready", len(answer.content), len(archive.namelist()))
    assert [export["id"] for export in jana.get("/users/me/exports").json()["exports"]] == [ready["id"]]
    gone = jana.delete(address).json()
    assert (gone["state"], gone["downloadUrl"]) == ("revoked", None)
    assert (jana.delete(address).status_code, nobody.get(ready["downloadUrl"]).status_code) == (200, 404)


def test_a_stranger_in_the_same_tenant_or_another_finds_nothing(join):
    jana, petr, bobek = join("jana", "Alice"), join("petr", "Alice"), join("bobek", "Bob")
    export_id = jana.post("/users/me/export").json()["id"]
    make()

    for stranger in (petr, bobek):
        answers = [stranger.request(method, f"/users/me/exports/{export_id}") for method in ("GET", "DELETE")]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert stranger.get("/users/me/exports").json() == {"exports": [], "nextCursor": None}
    assert jana.get(f"/users/me/exports/{export_id}").json()["state"] == "ready"


def test_who_belongs_to_several_tenants_names_one(join):
    jana = join("jana", "Alice", "Bob")
    bob = {"Backroom-Tenant": str(Tenant.objects.get(name="Bob").pk)}

    assert jana.post("/users/me/export").status_code == 400
    assert jana.post("/users/me/export", headers={"Backroom-Tenant": "0"}).status_code == 403
    assert jana.post("/users/me/export", headers=bob).status_code == 202
    with all_tenants():
        assert Export.objects.get().tenant.name == "Bob"


@pytest.mark.parametrize("how", ["program", "nobody", "wrong"])
def test_only_a_person_who_is_logged_in_asks(alice, nobody, place, how):
    caller = {"program": alice.http, "nobody": nobody, "wrong": open_http(place, "bra_wrong")}[how]

    assert caller.post("/users/me/export").status_code == 401
    with all_tenants():
        assert Export.objects.count() == 0


def test_the_list_comes_in_pages_and_refuses_what_it_does_not_know(join):
    jana = join("jana", "Alice")
    for _ in range(3):
        jana.post("/users/me/export")
        make()

    first = jana.get("/users/me/exports", params={"limit": 2}).json()
    rest = jana.get("/users/me/exports", params={"limit": 2, "cursor": first["nextCursor"]}).json()

    assert (len(first["exports"]), len(rest["exports"]), rest["nextCursor"]) == (2, 1, None)
    assert jana.get("/users/me/exports", params={"page": 2}).status_code == 422
    assert jana.post("/users/me/export", params={"photos": "no"}).status_code == 422

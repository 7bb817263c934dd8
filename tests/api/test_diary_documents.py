"""Documents of the diary through the API: what was sent is what comes back, and nothing over the limit is kept."""

import hashlib
import json
from pathlib import Path

import pytest

from modules.drafts.models import Document
from modules.kernel.tenancy import all_tenants
from tests.admin.factories import make_member
from tests.api.test_drafts import jana, logged_in, made, make_cottage, make_record, place, problem, rows

__all__ = ["jana", "logged_in", "place"]  # fixtures

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PHOTO = bytes(range(256)) * 14_000  # 3.4 MiB: over what is held in memory and what a JSON body may have


@pytest.fixture
def files(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    return tmp_path


@pytest.fixture
def record(alice, jana, files):
    return make_record(alice.http, make_cottage(alice.http, ownerId=jana.pk), authorId=jana.pk)


def upload(http, record, content=b"photo", name="photo.jpg", kind="image/jpeg", **about):
    return http.post(f"/drafts/records/{record['id']}/documents", data=about, files={"file": (name, content, kind)})


def stored(files):
    return [path for path in Path(files).rglob("*") if path.is_file()]


def test_what_was_sent_comes_back(alice, jana, record, files):
    sent = made(upload(alice.http, record, PHOTO, "střecha.jpg", uploadedById=str(jana.pk)))

    got = alice.http.get(f"/drafts/documents/{sent['id']}/content")

    assert (sent["name"], sent["contentType"], sent["size"], sent["uploadedById"]) == (
        "střecha.jpg",
        "image/jpeg",
        len(PHOTO),
        jana.pk,
    )
    assert sent["sha256"] == hashlib.sha256(PHOTO).hexdigest()
    assert (got.status_code, got.content == PHOTO, got.headers["Content-Length"]) == (200, True, str(len(PHOTO)))
    assert (got.headers["Content-Type"], got.headers["Content-Disposition"].split(";")[0]) == (
        "application/octet-stream",
        "attachment",
    )
    assert rows(alice.http.get(f"/drafts/records/{record['id']}/documents")) == [sent]
    assert alice.http.get(f"/drafts/documents/{sent['id']}").json() == sent


def test_a_person_is_who_uploaded(jana, record, logged_in):
    assert made(upload(logged_in(jana), record))["uploadedById"] == jana.pk


@pytest.mark.parametrize(("name", "kind"), [("../../etc/passwd", "text/html; x"), ("a.jpg", "none")])
def test_a_name_or_type_of_no_use_does_no_harm(alice, record, files, name, kind):
    sent = made(upload(alice.http, record, name=name, kind=kind))

    assert "/" not in sent["name"]
    assert [files.resolve() in path.resolve().parents for path in stored(files)] == [True]


def test_a_document_over_the_limit_is_not_kept(alice, record, files, settings):
    settings.DRAFTS = {**settings.DRAFTS, "MAX_DOCUMENT_BYTES": 100}

    assert upload(alice.http, record, b"x" * 101).status_code == 413
    assert (stored(files), rows(alice.http.get(f"/drafts/records/{record['id']}/documents"))) == ([], [])
    assert upload(alice.http, record, b"x" * 100).status_code == 201


def test_an_upload_over_the_limit_is_refused_unread(alice, record, settings):
    settings.API = {**settings.API, "MAX_UPLOAD_BYTES": 1_000}

    answer = upload(alice.http, record, b"x" * 1_001)

    assert (answer.status_code, answer.json()["detail"]) == (413, "The upload is over 1000 bytes.")


def test_no_other_body_is_longer_by_calling_itself_an_upload(alice, record, jana, settings):
    settings.API = {**settings.API, "MAX_BODY_BYTES": 1_000}
    body = json.dumps({"text": "x" * 1_001, "authorId": jana.pk})
    as_upload = {"Content-Type": "multipart/form-data; boundary=x"}

    answer = alice.http.post(f"/drafts/records/{record['id']}/comments", content=body, headers=as_upload)

    assert answer.status_code == 400
    assert rows(alice.http.get(f"/drafts/records/{record['id']}/comments")) == []


def test_what_is_no_upload_is_refused(alice, bob, record, files):
    stranger = make_member(bob.tenant, "stranger")
    url = f"/drafts/records/{record['id']}/documents"

    assert problem(alice.http.post(url, data={"name": "x"})) == (422, ["file"])
    assert problem(upload(alice.http, record, uploadedById=str(stranger.pk))) == (422, ["uploadedById"])
    assert stored(files) == []


def test_what_the_storage_lost_is_said_to_be_lost(alice, record, files):
    sent = made(upload(alice.http, record))
    for path in stored(files):
        path.unlink()

    assert alice.http.get(f"/drafts/documents/{sent['id']}/content").status_code == 404


def test_a_storage_that_fails_keeps_nothing(alice, record, settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path / "file")
    (tmp_path / "file").write_text("no directory")

    answer = upload(alice.http, record)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    with all_tenants():
        assert Document.objects.count() == 0

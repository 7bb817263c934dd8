"""Documents and exports on S3: a real S3 server on the loopback, over HTTP."""

import io
import zipfile
from urllib.parse import quote

import boto3
import httpx
import pytest
from django.core.exceptions import ImproperlyConfigured
from moto.server import ThreadedMotoServer

from config.settings.files import storage
from modules.drafts import clients as diary_files
from modules.drafts import services as diary
from modules.kernel import clock
from modules.kernel.secrets import decrypt
from modules.notifications.models import EmailMessage, Notification
from modules.reports import clients, services
from modules.reports.models import Export
from tests.drafts.factories import attach, make_draft
from tests.notifications.test_live import key_of
from tests.reports.test_exports import make

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def s3(settings, monkeypatch):
    """Return the bucket in which files are from now on."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    httpx.post(f"{endpoint}/moto-api/reset")
    bucket = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="diary")
    use(settings, endpoint)
    yield bucket
    server.stop()


def use(settings, endpoint):
    url = f"s3://diary/files?region=us-east-1&endpoint={quote(endpoint, safe='')}"
    settings.STORAGES = {**settings.STORAGES, "default": storage(url)}


def keys(bucket):
    return sorted(found.key for found in bucket.objects.all())


def test_a_document_comes_back_and_goes(s3, cottage, jana, drain):
    document = attach(make_draft(cottage, jana), b"photo")

    with diary_files.open_object(document.storage_key) as file:
        assert file.read() == b"photo"
    assert keys(s3) == [f"files/{document.storage_key}"]
    diary.delete_document(document, now=clock.now())
    drain()
    assert keys(s3) == []
    diary_files.delete_object(document.storage_key)  # what is gone is fine
    with pytest.raises(FileNotFoundError):
        diary_files.open_object(document.storage_key)
    with pytest.raises(clients.ObjectGone):
        clients.read_object(document.storage_key)


def test_a_document_is_read_piece_by_piece(s3, cottage, jana):
    document = attach(make_draft(cottage, jana), b"x" * 300_000)

    pieces = list(clients.read_object(document.storage_key))

    assert (b"".join(pieces), len(pieces)) == (b"x" * 300_000, 2)


def test_an_export_is_written_while_it_is_made_and_fetched_by_its_link(s3, alice, cottage, jana, client):
    content = bytes(range(256)) * 40_000  # 10 MB: more than one part
    attach(make_draft(cottage, jana), content)

    export = make(jana, alice)
    answer = client.get(services.link_of(export))
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))

    assert (export.state, archive.testzip()) == ("ready", None)
    assert archive.read("files/Chalupa/Revize komínu/a.jpg") == content
    assert s3.Object(f"files/{export.storage_key}").content_length == export.size
    services.revoke_export(export_id=export.pk, now=clock.now(), by_id=jana.pk)
    assert not any("exports/" in key for key in keys(s3))


def test_the_only_way_to_an_export_is_our_link_and_it_ends_after_a_day(s3, alice, cottage, jana, client):
    attach(make_draft(cottage, jana), b"photo")
    export = make(jana, alice)
    jana.set_password("secret")
    jana.save()
    headers = {"Authorization": f"Bearer {key_of(jana)}"}

    mail = EmailMessage.objects.get(template="export_ready")
    said = [
        decrypt(mail.text_encrypted),
        decrypt(mail.html_encrypted),
        str(Notification.objects.values_list("payload")),
    ]
    said += [client.get("/api/v1/users/me/exports", headers=headers).text]
    assert not any(
        name in text for text in said for name in (export.storage_key, "X-Amz", s3.meta.client.meta.endpoint_url)
    )
    assert services.link_of(export) in said[0]
    assert client.get(services.link_of(export)).status_code == 200  # sent by us: no redirect to the storage
    Export.objects.update(expires_at=clock.now())
    assert client.get(services.link_of(export)).status_code == 404
    assert any("exports/" in key for key in keys(s3))  # dead though the file is there still


def test_a_server_that_is_gone_is_a_failure_that_may_be_tried_again(s3, settings, cottage, jana):
    document = attach(make_draft(cottage, jana))
    use(settings, "http://127.0.0.1:1")

    for act in (diary_files.open_object, diary_files.delete_object, clients.delete_object):
        with pytest.raises((diary_files.StorageFailed, clients.StorageFailed)):
            act(document.storage_key)
    with pytest.raises(diary_files.StorageFailed):
        attach(make_draft(cottage, jana))


def test_a_folder_is_named_by_its_address(tmp_path):
    assert storage(f"file://{tmp_path}")["OPTIONS"] == {"location": str(tmp_path)}


@pytest.mark.parametrize(
    "url",
    ["", "files", "file://", "file://host/x", "s3://", "s3://key:secret@diary", "s3://diary?acl=x", "ftp://diary"],
)
def test_another_address_stops_the_start_and_tells_no_secret(url):
    with pytest.raises(ImproperlyConfigured, match="FILES_URL") as refused:
        storage(url)
    assert "secret" not in str(refused.value)

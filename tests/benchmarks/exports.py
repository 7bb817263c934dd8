"""`python -m tests.benchmarks.exports --mebibytes 1024`: an export of so much data, and the memory that it takes.

On servers of its own. In a folder the files are links to one, so that the disk holds the data once and the archive
once; with `--s3` they and the archive are on an S3 server: moto's, in a process of its own, or the one that is named
(keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY).
"""

import argparse
import hashlib
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import django

from deploy.local import folder, servers
from deploy.local.log import Log

MEBIBYTE = 1024 * 1024
MOST_MEBIBYTES = 200
DOCUMENT_MEBIBYTES = 4
OWN = "moto"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.exports", description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=1024, help="of documents")
    parser.add_argument(
        "--s3", nargs="?", const=OWN, metavar="URL", help="files on this S3 server, or on one of its own"
    )
    arguments = parser.parse_args()
    with ExitStack() as stack:
        data = stack.enter_context(folder.temporary())
        log = stack.enter_context((data / "servers.log").open("w", encoding="utf-8"))
        stack.enter_context(servers.running(data=data, log=Log(log)))
        os.environ.update(servers.environment(data), DJANGO_SETTINGS_MODULE="config.settings.test")
        if arguments.s3:
            os.environ["FILES_URL"] = stack.enter_context(bucket(arguments.s3))
        os.environ["EXPORT_MAX_BYTES"] = str((arguments.mebibytes + 16) * MEBIBYTE)  # room for the JSON around them
        django.setup()
        found = measure(mebibytes=arguments.mebibytes, files=None if arguments.s3 else data / "files")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0 if found["peak_of_process_mebibytes"] < MOST_MEBIBYTES else 1


@contextmanager
def bucket(endpoint: str) -> Iterator[str]:
    """Yield the FILES_URL of a bucket of ours on the S3 server."""
    import boto3

    with moto() if endpoint == OWN else nullcontext(endpoint) as url:
        storage = boto3.resource("s3", endpoint_url=url, region_name="us-east-1")
        name = f"backroom-benchmark-{os.getpid()}"
        storage.create_bucket(Bucket=name)
        try:
            yield f"s3://{name}/files?region=us-east-1&endpoint={quote(url, safe='')}"
        finally:
            storage.Bucket(name).objects.all().delete()
            storage.Bucket(name).delete()


@contextmanager
def moto() -> Iterator[str]:
    """Yield the address of an S3 server in a process of its own, which keeps objects in its own memory."""
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "benchmark")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "benchmark")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def wait_for(port: int, *, seconds: float = 60) -> None:
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError("The S3 server did not start.")


def measure(*, mebibytes: int, files: Path | None) -> dict[str, Any]:
    """Return the figures; `files` is the folder in which files are, or None where they are on S3."""
    from django.conf import settings
    from django.core.management import call_command

    from config.settings.files import storage
    from modules.kernel import clock
    from modules.kernel.tenancy import tenant_scope
    from modules.reports import services

    url = os.environ["FILES_URL"] if files is None else f"file://{files}"
    settings.STORAGES = {**settings.STORAGES, "default": storage(url)}
    call_command("migrate", verbosity=0)
    tenant_id, user_id = fill(files, mebibytes=mebibytes)
    before, began_at = peak(), time.perf_counter()
    with tenant_scope(tenant_id), Watch() as resident:
        asked = services.request_export(tenant_id=tenant_id, user_id=user_id, now=clock.now())
        export = services.make_export(export_id=asked.pk, now=clock.now(), report=lambda _count: None)
    seconds = time.perf_counter() - began_at
    if export is None or not export.size:
        raise AssertionError("The export was refused.")
    most = peak()  # before the archive is looked at
    check(export)
    return {
        "storage": "folder" if files else "S3",
        "documents": mebibytes // DOCUMENT_MEBIBYTES,
        "archive_mebibytes": round(export.size / MEBIBYTE, 1),
        "seconds": round(seconds, 2),
        "mebibytes_a_second": round(export.size / MEBIBYTE / seconds, 1),
        "before_mebibytes": before,
        "peak_while_exporting_mebibytes": resident.most,
        "peak_of_process_mebibytes": most,
    }


def check(export: Any) -> None:
    """Raise AssertionError unless the archive in the storage is whole."""
    from modules.reports import clients

    with tempfile.TemporaryFile() as copy:
        for piece in clients.read_object(export.storage_key):
            copy.write(piece)
        with zipfile.ZipFile(copy) as archive:
            if archive.testzip() is not None:
                raise AssertionError("The archive is damaged.")


def store(files: Path | None, content: bytes, *, count: int) -> None:
    """Put `count` objects of this content into the storage, as `drafts/<number>`."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    if files is None:
        for number in range(count):
            default_storage.save(f"drafts/{number}", ContentFile(content))
        return
    folder_of_all = files / "drafts"
    folder_of_all.mkdir(parents=True)
    (folder_of_all / "0").write_bytes(content)
    for number in range(1, count):
        (folder_of_all / str(number)).hardlink_to(folder_of_all / "0")


def fill(files: Path | None, *, mebibytes: int) -> tuple[int, int]:
    from modules.accounts.models import Membership, Tenant, User
    from modules.drafts import services as drafts
    from modules.drafts.models import Document
    from modules.kernel import clock
    from modules.kernel.tenancy import all_tenants

    content = os.urandom(DOCUMENT_MEBIBYTES * MEBIBYTE)
    digest, now = hashlib.sha256(content).hexdigest(), clock.now()
    with all_tenants():
        tenant, user = Tenant.objects.create(name="Benchmark"), User.objects.create(username="benchmark")
        Membership.objects.create(tenant=tenant, user=user)
        project = drafts.create_project(tenant_id=tenant.pk, name="Family", owner_id=user.pk, now=now)
        place = drafts.add_property(project=project, name="House", now=now)
        record = drafts.create_record(property_id=place.public_id, title="Photos", author_id=user.pk, now=now)
        documents = range(mebibytes // DOCUMENT_MEBIBYTES)
        store(files, content, count=len(documents))
        boring = {"tenant": tenant, "record": record, "size": len(content), "sha256": digest, "created_at": now}
        Document.objects.bulk_create(
            Document(name=f"{number}.jpg", storage_key=f"drafts/{number}", **boring) for number in documents
        )
    return tenant.pk, user.pk


class Watch:
    """Looks at this process's resident memory a hundred times a second."""

    def __init__(self) -> None:
        self.most = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(0.01):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.most = max(self.most, round(pages * resource.getpagesize() / MEBIBYTE, 1))


def peak() -> float:
    """Return the most memory that this process ever had, in mebibytes."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


if __name__ == "__main__":
    sys.exit(main())

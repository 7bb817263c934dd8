"""`python -m tests.benchmarks.exports --mebibytes 1024`: an export of so much data, and the memory that it takes.

On servers of its own; the files are links to one, so that the disk holds the data once and the archive once.
"""

import argparse
import hashlib
import json
import os
import resource
import sys
import threading
import time
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import django

from deploy.local import folder, servers
from deploy.local.log import Log

MEBIBYTE = 1024 * 1024
MOST_MEBIBYTES = 200
DOCUMENT_MEBIBYTES = 4


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.exports", description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=1024, help="of documents")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        data = stack.enter_context(folder.temporary())
        log = stack.enter_context((data / "servers.log").open("w", encoding="utf-8"))
        stack.enter_context(servers.running(data=data, log=Log(log)))
        os.environ.update(servers.environment(data), DJANGO_SETTINGS_MODULE="config.settings.test")
        os.environ["EXPORT_MAX_BYTES"] = str((arguments.mebibytes + 16) * MEBIBYTE)  # room for the JSON around them
        django.setup()
        found = measure(files=data / "files", mebibytes=arguments.mebibytes)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0 if found["peak_of_process_mebibytes"] < MOST_MEBIBYTES else 1


def measure(*, files: Path, mebibytes: int) -> dict[str, Any]:
    from django.conf import settings
    from django.core.management import call_command

    from modules.kernel import clock
    from modules.kernel.tenancy import tenant_scope
    from modules.reports import services

    settings.MEDIA_ROOT = str(files)
    call_command("migrate", verbosity=0)
    tenant_id, user_id = fill(files, mebibytes=mebibytes)
    before, began_at = peak(), time.perf_counter()
    with tenant_scope(tenant_id), Watch() as resident:
        asked = services.request_export(tenant_id=tenant_id, user_id=user_id, now=clock.now())
        export = services.make_export(export_id=asked.pk, now=clock.now(), report=lambda _count: None)
    seconds = time.perf_counter() - began_at
    if export is None or not export.size:
        raise AssertionError("The export was refused.")
    with zipfile.ZipFile(files / export.storage_key) as archive:
        if archive.testzip() is not None:
            raise AssertionError("The archive is damaged.")
    return {
        "documents": mebibytes // DOCUMENT_MEBIBYTES,
        "archive_mebibytes": round(export.size / MEBIBYTE, 1),
        "seconds": round(seconds, 2),
        "mebibytes_a_second": round(export.size / MEBIBYTE / seconds, 1),
        "before_mebibytes": before,
        "peak_while_exporting_mebibytes": resident.most,
        "peak_of_process_mebibytes": peak(),
    }


def fill(files: Path, *, mebibytes: int) -> tuple[int, int]:
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
        folder_of_all = files / "drafts"
        folder_of_all.mkdir(parents=True)
        (folder_of_all / "0").write_bytes(content)
        documents = range(mebibytes // DOCUMENT_MEBIBYTES)
        for number in documents[1:]:
            (folder_of_all / str(number)).hardlink_to(folder_of_all / "0")
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

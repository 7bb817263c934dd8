"""Workers that are killed in the middle: no person is mailed twice or forgotten, no file is left behind."""

import io
import zipfile

import pytest

from modules.drafts.models import Document
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.notifications.models import EmailMessage
from modules.reports import services
from modules.reports.actors import send_summaries
from modules.reports.models import Export, SummaryReceipt, WeeklySummary
from tests.reports.test_summaries import crowd, publish
from tests.support.processes import WorkerProcess, wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.journey, pytest.mark.timeout(300)]


def worker(files, queues):
    env = {"DIARY_URL": "https://diary.example", "PUBLIC_URL": "https://backroom.example", "BACKROOM_DATA": str(files)}
    return WorkerProcess(queues=queues, env=env)


def killed_once(process, is_time):
    """Kill the worker's process when it is time; its master ends with it."""
    wait_until(process.children, seconds=60)
    wait_until(is_time, seconds=60)
    process.kill_child()
    process.process.wait(timeout=60)


def test_a_worker_killed_among_250_people_mails_each_of_them_once(alice, files):
    with all_tenants():
        crowd(alice, 250)
    send_summaries.send(cron="* * * * *", late_hours=1)

    with worker(files, "default") as first:
        killed_once(first, lambda: EmailMessage.objects.count() >= 100)
    assert 100 <= EmailMessage.objects.count() < 250

    with worker(files, "default quarantine"):
        wait_until(lambda: Job.objects.get(actor="reports.send_summaries").state == "succeeded", seconds=60)

    assert EmailMessage.objects.count() == EmailMessage.objects.values("user_id").distinct().count() == 250
    assert WeeklySummary.objects.filter(outcome="mailed").count() == 250
    assert SummaryReceipt.objects.get().mailed == 250


def test_a_worker_killed_in_an_export_leaves_one_file_and_one_mail(alice, jana, cottage, files, settings):
    settings.MEDIA_ROOT = str(files / "files")
    record = publish(cottage, jana)
    (files / "files").mkdir()
    (files / "files" / "photo").write_bytes(b"x" * 2**20)
    for number in range(400):
        (files / "files" / f"k{number}").hardlink_to(files / "files" / "photo")
    boring = {"tenant": alice, "record": record, "name": "a.jpg", "size": 2**20, "sha256": "0" * 64}
    Document.objects.bulk_create(
        Document(storage_key=f"k{number}", created_at=record.created_at, **boring) for number in range(400)
    )
    export = services.request_export(tenant_id=alice.pk, user_id=jana.pk, now=clock.now())

    with worker(files, "low") as first:
        killed_once(first, lambda: any(path.stat().st_size > 2**22 for path in files.glob("files/exports/*/*")))
    half = [path.name for path in files.glob("files/exports/*/*")]

    with worker(files, "low quarantine"):
        wait_until(lambda: Export.objects.get().state == "ready", seconds=90)

    made = list(files.glob("files/exports/*/*"))
    assert (len(half), len(made), made[0].name in half) == (1, 1, False)
    assert zipfile.ZipFile(io.BytesIO(made[0].read_bytes())).testzip() is None
    export.refresh_from_db()
    assert (export.entries, made[0].stat().st_size) == (400 + 9, export.size)
    assert EmailMessage.objects.filter(template="export_ready").count() == 1

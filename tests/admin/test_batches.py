"""A batch's page: how far it is, where its jobs are, what it sends; and how to stop it."""

import pytest

from modules.jobs.models import Batch, Job
from modules.jobs.services import batch, chain
from tests.admin.factories import make_batch, make_job
from tests.admin.pages import detail, listing, press, told, words
from tests.support.actors import fail, note

pytestmark = pytest.mark.django_db(transaction=True)


def opened(tenant, *words_):
    with batch("import shop 1", tenant_id=tenant.pk, on_finish=note.request(word="finish")) as found:
        found.send(*(note.request(word=word) for word in words_), fail.request(kind="permanent"))
    return Batch.objects.get(id=found.id)


def test_the_page_tells_progress_members_and_callbacks(root, alice, drain):
    row = opened(alice, "a", "b")
    before = words(root.get(detail("jobs_batch", row)))
    drain()
    response = root.get(detail("jobs_batch", row))
    after = words(response)

    assert "0 / 3 (0 %)" in before
    assert "waiting 3" in before
    assert "When all have ended: tests.note" in before
    assert "3 / 3 (100 %) failed or cancelled: 1" in after
    assert "Succeeded 2 · Failed 1" in after
    assert "Ended with failures" in after
    row.refresh_from_db()
    assert f"/jobs/job/{row.sent['finish']}/" in response.content.decode()


def test_the_list_shows_each_batchs_progress(root, alice, drain):
    opened(alice, "a")
    drain()

    assert "2 / 2 (100 %) failed or cancelled: 1" in words(root.get(listing("jobs_batch")))
    assert "import shop 1" not in words(root.get(listing("jobs_batch", "?state=running")))
    assert "import shop 1" in words(root.get(listing("jobs_batch", "?q=import")))


def test_the_links_lead_to_the_batchs_jobs_and_back(root, alice):
    row = make_batch(tenant_id=alice.pk, name="Mark")
    member = make_job("failed", batch_id=row.pk, error_message="mine")
    make_job("failed", error_message="another")
    listed = words(root.get(listing("jobs_job", f"?batch={row.pk}&state=failed")))

    assert ("mine" in listed, "another" in listed) == (True, False)
    page = root.get(detail("jobs_job", member)).content.decode()
    assert f"/jobs/batch/{row.pk}/" in page
    assert "another" not in words(root.get(listing("jobs_job", "?batch=nonsense")))


def test_a_job_page_shows_what_follows_with_secrets_hidden(root):
    job_id = chain(note.request(word="a"), note.request(word="b"), fail.request(message="password=s3cr3t"))
    page = words(root.get(detail("jobs_job", Job.objects.get(id=job_id))))

    assert "→ tests.note" in page
    assert "→ tests.fail" in page
    assert "s3cr3t" not in page


def test_an_operator_cancels_a_batch_and_a_viewer_cannot(operator, viewer, alice):
    row = opened(alice, "a")

    refused = viewer.post(press("jobs_batch", row, "cancel"))
    before = Job.objects.filter(state="cancelled").count()
    response = operator.post(press("jobs_batch", row, "cancel"), follow=True)

    assert (refused.status_code, before) == (403, 0)
    assert told(response) == ["Jobs cancelled or asked to stop: 2."]
    assert Job.objects.filter(state="cancelled", batch_id=row.id).count() == 2

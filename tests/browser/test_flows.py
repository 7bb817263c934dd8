"""What an operator does all day, from the press of a button to a real worker's answer."""

import pytest
from playwright.sync_api import expect

from modules.jobs.domain import State
from modules.jobs.models import Job, JobSchedule, Pause, Replay
from tests.admin.factories import make_job, make_schedule
from tests.browser.conftest import READERS
from tests.support import actors
from tests.support.processes import wait_until

pytestmark = pytest.mark.timeout(180)
STATE = ".bk-panel > h2 .bk-badge"  # of a job, on its page


@pytest.mark.parametrize("reader", READERS, ids=str)
def test_an_operator_logs_in_and_is_told_of_a_wrong_password(operator, open_view, reader):
    view = open_view(reader)
    view.visit("/admin/jobs/job/")
    for password in ("a wrong one", "a long password"):
        view.page.fill("[name=username]", operator.username)
        view.page.fill("[name=password]", password)
        view.page.locator("#login-form button[type=submit]").click()
        if password == "a wrong one":
            expect(view.page.locator("#login-form")).to_be_visible()
            assert "username" not in view.page.url

    expect(view.page.locator("#main")).to_contain_text(view.say("Queued"))
    assert view.page.url == f"{view.origin}/admin/jobs/job/"


def test_a_job_is_watched_from_queued_to_its_end_without_a_reload(view, start_worker):
    job_id = actors.step.send(steps=14, seconds=0.5).message_id
    view.visit(_page_of(job_id))
    view.wait_for("Queued", inside=STATE)
    view.page.evaluate("window.isTheSame = true")

    start_worker()
    view.wait_for("Running", inside=STATE)
    expect(view.page.locator(".bk-progress")).to_be_visible(timeout=15_000)
    view.wait_for("Succeeded", inside=STATE)

    assert view.page.evaluate("window.isTheSame") is True
    expect(view.page.locator(".bk-run .bk-pre")).to_contain_text("step 14")


def test_a_running_job_is_cancelled(view, start_worker):
    job_id = actors.step.send(steps=400, seconds=0.1).message_id
    start_worker()
    view.visit(_page_of(job_id))
    view.wait_for("Running", inside=STATE)

    view.press("Cancel")
    view.press("Yes", exact=False)
    view.wait_for("The job was asked to stop at its next checkpoint.")
    view.wait_for("Cancelled", inside=STATE)

    assert Job.objects.get().state == State.CANCELLED


def test_a_group_of_failures_is_replayed_5_then_all_to_its_end(view, start_worker):
    for number in range(8):
        make_job(State.FAILED, actor="tests.fail_once", arguments={"word": str(number)}, attempt=1, max_attempts=1)
    view.visit("/admin/jobs/failedjob/")

    view.press("Replay 5, then all", inside=view.page.locator(".bk-causes"), exact=False)
    view.page.fill("[name=reason]", "the shop is back")
    view.press("Replay 5, then all")
    assert "/admin/jobs/replay/" in view.page.url
    view.wait_for("the shop is back")
    start_worker()
    view.wait_for("Done", inside=".bk-badge", seconds=60)

    replay = Replay.objects.get()
    assert (replay.total, replay.succeeded, replay.started_by) == (8, 8, "jana")
    assert set(Job.objects.values_list("state", flat=True)) == {State.SUCCEEDED}


def test_a_schedule_is_edited_and_run_now(view, start_worker):
    schedule = make_schedule("tests.nightly")
    view.visit(f"/admin/jobs/jobschedule/{schedule.pk}/change/")

    view.page.fill("[name=cron]", "15 6 * * 1")
    view.page.locator("[name=_continue]").click()
    expect(view.page.locator("#preview li").first).to_contain_text("06:15")
    view.press("Run now")
    start_worker()
    wait_until(lambda: Job.objects.filter(actor="tests.note", state=State.SUCCEEDED).exists(), seconds=30)

    view.visit("/admin/jobs/jobschedule/")
    expect(view.page.locator("#result_list")).to_contain_text("15 6 * * 1")
    expect(view.page.locator("#result_list")).to_contain_text(view.say("Succeeded"))
    assert JobSchedule.objects.get().cron == "15 6 * * 1"


def test_a_queue_is_paused_with_a_reason_holds_its_jobs_and_goes_on(view, start_worker):
    view.visit("/admin/jobs/queues/")
    row = view.page.locator("tr").filter(has=view.page.locator("b", has_text="default"))
    view.press("Pause", inside=row, exact=False)
    row.locator("[name=reason]").fill("the shop moves")
    row.locator("details button[type=submit]").click()

    expect(row).to_contain_text("the shop moves")
    assert Pause.objects.get().paused_by == "jana"
    job_id = actors.note.send(word="held").message_id
    start_worker()
    view.visit(_page_of(job_id))
    expect(view.page.locator(".bk-why")).to_contain_text("the shop moves")
    view.visit("/admin/jobs/queues/")
    view.press("Resume", inside=row, exact=False)
    view.visit(_page_of(job_id))
    view.wait_for("Succeeded", inside=STATE)


def _page_of(job_id):
    return f"/admin/jobs/job/{job_id}/change/"

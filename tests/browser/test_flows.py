"""What an operator does all day, from the press of a button to a real worker's answer."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from modules.jobs import services
from modules.jobs.domain import State
from modules.jobs.models import AlertRule, BulkOperation, Job, JobSchedule, Pause, Replay
from modules.kernel import clock
from modules.kernel.ids import uuid7
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
    job_id = actors.step.send(steps=4_000, seconds=0.1).message_id  # longer than the test, on a slow machine too
    start_worker()
    view.visit(_page_of(job_id))
    view.wait_for("Running", inside=STATE, seconds=60)

    question = view.page.locator(".bk-ask").first
    question.locator("summary").click()
    view.press("Yes", inside=question, exact=False)
    view.wait_for("The job was asked to stop at its next checkpoint.")
    view.wait_for("Cancelled", inside=STATE, seconds=60)

    assert Job.objects.get().state == State.CANCELLED


def test_a_press_that_a_refresh_comes_into_is_not_lost(open_view, operator):
    job = make_job(State.RUNNING)
    view = open_view(READERS[0])
    view.log_in(operator)
    view.visit(_page_of(job.pk))
    Job.objects.filter(pk=job.pk).update(progress_done=1, progress_total=7)  # the page has something to replace

    question = view.page.locator(".bk-ask").first
    question.locator("summary").hover()
    view.page.mouse.down()
    expect(view.page.locator("[data-live-pill]")).to_have_attribute("data-state", "paused", timeout=15_000)
    view.page.mouse.up()

    expect(question.get_by_role("button")).to_be_visible()


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


def test_ten_thousand_failures_are_replayed_and_watched_to_the_end(view, start_worker):
    example = make_job(State.FAILED)
    copies = [Job(**{**_columns(example), "id": uuid7()}) for _ in range(9_999)]
    Job.objects.bulk_create(copies, batch_size=2_000)
    view.visit("/admin/jobs/job/?q=state:failed")

    view.press("Replay all matching", exact=False)
    view.page.fill("[name=reason]", "the shop is back")
    view.page.fill("[name=number]", "10000")
    view.page.locator("#main form.bk-buttons button[type=submit]").click()
    assert "/admin/jobs/bulkoperation/" in view.page.url
    view.page.evaluate("window.isTheSame = true")
    start_worker(queues="high")
    view.wait_for("Done", inside="[data-live] .bk-badge", seconds=90)

    operation = BulkOperation.objects.get()
    assert (operation.total, operation.done, operation.passed_over, operation.reason) == (
        *(10_000, 10_000, 0, "the shop is back"),
    )
    assert view.page.evaluate("window.isTheSame") is True
    assert not Job.objects.filter(state=State.FAILED).exists()


def test_a_search_is_mended_by_its_own_words(view):
    make_job(State.FAILED, actor="tests.wanted")
    view.visit("/admin/jobs/job/")
    for text in ("state:borken", "state:failed"):
        view.page.fill("#searchbar", text)
        view.page.locator("#searchbar").press("Enter")
        view.page.wait_for_url(f"**q={text.replace(':', '%3A')}**")
        if text == "state:borken":
            expect(view.page.locator("[role=alert]")).to_contain_text("quarantined")

    expect(view.page.locator("#result_list")).to_contain_text("tests.wanted")


def test_a_rule_looks_back_as_its_limit_is_typed(view):
    services.sync_alert_rules()
    now = clock.now()
    make_job(run_at=now - timedelta(hours=3), started_at=now - timedelta(hours=2))
    view.visit(f"/admin/jobs/alertrule/{AlertRule.objects.get(key='jobs.queue_wait').pk}/change/")
    expect(view.page.locator("[data-preview] .bk-table")).to_contain_text("default", timeout=15_000)

    view.page.fill("[name=limit]", "7200")

    view.wait_for("With these limits it would have told of nothing.", inside="[data-preview]")


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


def _columns(job):
    return {field.attname: getattr(job, field.attname) for field in Job._meta.fields}


def _page_of(job_id):
    return f"/admin/jobs/job/{job_id}/change/"

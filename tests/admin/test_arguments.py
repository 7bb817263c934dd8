"""Changing a job's arguments on its page."""

import pytest
from django.contrib.admin.models import LogEntry

from modules.jobs.models import Job, JobChange
from tests.admin.factories import make_job
from tests.admin.pages import detail, told, words


def form(job):
    return detail("jobs_job", job).replace("/change/", "/arguments/")


def arguments(job):
    return Job.objects.get(pk=job.pk).arguments


def test_the_page_leads_to_the_form_which_hides_secrets(operator, alice):
    job = make_job("failed", tenant_id=alice.pk, arguments={"word": "hello", "token": "s3cr3t"})

    page, asked = operator.get(detail("jobs_job", job)), operator.get(form(job))

    assert f'href="{form(job)}"' in page.content.decode()
    assert "hello" in asked.content.decode()
    assert "s3cr3t" not in asked.content.decode()


def test_arguments_are_changed_told_and_noted(operator, alice):
    job = make_job("failed", tenant_id=alice.pk)

    response = operator.post(form(job), {"arguments": '{"word": "bye"}', "reason": "a typo"}, follow=True)

    assert response.redirect_chain == [(detail("jobs_job", job), 302)]
    assert told(response) == ["The arguments are changed."]
    assert "operator a typo" in words(response)
    assert 'word "hello" → "bye"' in words(response)
    assert (arguments(job), Job.objects.get(pk=job.pk).state) == ({"word": "bye"}, "failed")
    assert LogEntry.objects.get().get_change_message() == "Changed the arguments: a typo"


def test_a_failed_job_is_changed_and_replayed_at_once(operator, alice):
    job = make_job("failed", tenant_id=alice.pk)

    data = {"arguments": '{"word": "bye"}', "reason": "a typo", "replay": "yes"}
    response = operator.post(form(job), data, follow=True)

    assert told(response) == ["The arguments are changed.", "The job is queued again."]
    assert (arguments(job), Job.objects.get(pk=job.pk).state) == ({"word": "bye"}, "queued")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"arguments": '{"wrod": "bye"}', "reason": "x"}, "wrod"),
        ({"arguments": '{"word": 1}', "reason": "x"}, "'word' does not fit"),
        ({"arguments": "[1]", "reason": "x"}, "Write a JSON object"),
        ({"arguments": "", "reason": "x"}, "Write a JSON object"),
        ({"arguments": "{word", "reason": "x"}, "Enter a valid JSON"),
        ({"arguments": '{"word": "bye"}', "reason": ""}, "This field is required"),
        ({"arguments": '{"word": "bye"}', "reason": "  "}, "This field is required"),
        ({"arguments": '{"word": "••••"}', "reason": "x"}, "hidden value"),
    ],
)
def test_what_does_not_fit_is_told_at_the_field_and_changes_nothing(root, data, error):
    job = make_job("failed")

    response = root.post(form(job), {**data, "replay": "yes"})

    assert error in words(response)
    assert (arguments(job), Job.objects.get(pk=job.pk).state) == ({"word": "hello"}, "failed")
    assert JobChange.objects.count() == 0


@pytest.mark.parametrize("state", ["running", "succeeded", "cancelled"])
def test_a_job_that_runs_or_ended_is_left_alone(root, state):
    job = make_job(state)

    answers = [root.get(form(job), follow=True), root.post(form(job), {"arguments": "{}", "reason": "x"}, follow=True)]

    assert [told(answer) for answer in answers] == [["This job runs or has ended; its arguments stay."]] * 2
    assert form(job) not in answers[0].content.decode()
    assert arguments(job) == {"word": "hello"}


def test_a_viewer_is_offered_no_form_and_changes_nothing(viewer, alice):
    job = make_job("failed", tenant_id=alice.pk)
    data = {"arguments": '{"word": "bye"}', "reason": "x"}

    assert form(job) not in viewer.get(detail("jobs_job", job)).content.decode()
    assert [viewer.get(form(job)).status_code, viewer.post(form(job), data).status_code] == [403, 403]
    assert arguments(job) == {"word": "hello"}


def test_a_strangers_job_is_not_there(operator, bob):
    job = make_job("failed", tenant_id=bob.pk)
    data = {"arguments": '{"word": "bye"}', "reason": "x"}

    assert [operator.get(form(job)).status_code, operator.post(form(job), data).status_code] == [404, 404]
    assert arguments(job) == {"word": "hello"}


def test_the_form_needs_its_token(root):
    job = make_job("failed")
    root.handler.enforce_csrf_checks = True

    assert root.post(form(job), {"arguments": '{"word": "bye"}', "reason": "x"}).status_code == 403
    assert arguments(job) == {"word": "hello"}

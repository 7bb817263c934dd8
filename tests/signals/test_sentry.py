"""Through sentry-sdk's own pipeline, with the production's options; only the last step, the network, is ours."""

import json
from datetime import timedelta

import pytest
import sentry_sdk
from django.utils import timezone
from sentry_sdk.transport import Transport

from config.sentry import start_reports
from modules.jobs import services
from modules.jobs.clients import post_webhook
from modules.jobs.engine import actor, runner
from modules.jobs.models import Job, Worker
from tests.support.actors import fail, note, snooze, step

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

CANARY = "canary-4711-secret"


class Kept(Transport):
    """Keeps what would go over the network."""

    def __init__(self):
        super().__init__()
        self.events = []

    def capture_envelope(self, envelope):
        for item in envelope.items:
            if event := item.get_event():
                self.events.append(event)


@pytest.fixture
def sent():
    transport = Kept()
    before = sentry_sdk.get_client()
    start_reports("https://key@sentry.example.com/1", environment="tests", transport=transport)
    yield transport.events
    sentry_sdk.get_global_scope().set_client(before)


def run_to_the_end(drain):
    while drain():
        services.dispatch()


def leak(token, *, nested=None):
    raise ValueError(f"the shop refused {token}")


@actor(actor_name="tests.leak", max_retries=0)
def leak_all(*, token: str, options: dict) -> None:
    """Fail with a secret in arguments, locals and the error's text."""
    password_local = token
    leak(password_local, nested=options)


@pytest.mark.slow
def test_an_unforeseen_error_is_reported_once_when_the_job_ends_for_good(sent, drain):
    fail.send(message="no luck with 12")

    run_to_the_end(drain)

    assert Job.objects.get().attempt == 3
    error = sent[0]["exception"]["values"][0]
    assert (len(sent), error["type"], error["value"]) == (1, "ValueError", "no luck with 12")
    assert sent[0]["tags"] == {"actor": "tests.fail", "queue": "default"}
    assert sent[0]["fingerprint"] == [Job.objects.get().fingerprint]


@pytest.mark.parametrize("kind", ["permanent", "throws"])
def test_an_error_that_its_actor_foresaw_is_not_reported(sent, drain, kind):
    fail.send(kind=kind)
    run_to_the_end(drain)

    assert (Job.objects.get().state, sent) == ("failed", [])


def test_snoozes_cancellations_and_successes_are_not_reported(sent, drain):
    @actor(actor_name="tests.cancel_this", max_retries=0)
    def cancel_this() -> None:
        services.cancel([Job.objects.get(actor="tests.cancel_this").id])
        step.fn(steps=2)

    snooze.send(seconds=3600)
    cancel_this.send()
    note.send(word="fine")
    drain()

    assert sorted(Job.objects.values_list("state", flat=True)) == ["cancelled", "scheduled", "succeeded"]
    assert sent == []


def test_a_job_that_will_be_tried_again_is_not_reported(sent, drain):
    fail.send()
    drain(limit=1)

    assert (Job.objects.get().state, sent) == ("retrying", [])


def test_a_canary_in_arguments_locals_and_the_errors_text_is_nowhere_in_the_report(sent, drain):
    leak_all.send(token=CANARY, options={"customer": {"password": CANARY, "name": "Eva"}})
    drain()

    report = json.dumps(sent, default=str)
    assert (len(sent), CANARY in report) == (1, False)
    assert sent[0]["exception"]["values"][0]["value"] == "the shop refused ••••"
    assert sent[0]["contexts"]["job"]["arguments"]["options"] == {"customer": {"password": "••••", "name": "Eva"}}


def test_the_next_jobs_report_does_not_carry_the_last_ones_secret(sent, drain):
    leak_all.send(token=CANARY, options={})
    drain()
    fail.send()
    run_to_the_end(drain)

    assert (len(sent), CANARY in json.dumps(sent, default=str)) == (2, False)


def test_integrations_that_send_messages_addresses_and_command_lines_are_off(sent):
    integrations = sentry_sdk.get_client().integrations

    assert [name for name in ("dramatiq", "stdlib", "argv") if name in integrations] == []


def test_a_report_tells_no_address_that_was_called_before_the_error(sent, drain, hook):
    @actor(actor_name="tests.call_and_fail", max_retries=0)
    def call_and_fail() -> None:
        post_webhook(hook.url, text="x", may_be_private=True)
        raise ValueError("after the call")

    call_and_fail.send()
    drain()

    assert (len(hook.requests), len(sent)) == (1, 1)
    assert "SECRETPATH" not in json.dumps(sent, default=str)
    assert "sentry-trace" not in hook.requests[0]["headers"]


def test_a_report_has_neither_local_variables_nor_the_query_log(sent, drain):
    fail.send()
    run_to_the_end(drain)

    frames = sent[0]["exception"]["values"][0]["stacktrace"]["frames"]
    assert [frame for frame in frames if "vars" in frame] == []
    crumbs = [crumb["category"] for crumb in sent[0].get("breadcrumbs", {}).get("values", [])]
    assert [category for category in crumbs if category in {"query", "backroom.jobs"}] == []


def test_a_job_that_goes_into_quarantine_is_reported_by_whoever_puts_it_there(sent, worker, settings):
    settings.JOBS = {**settings.JOBS, "MAX_CRASHES": 1}
    note.send(word=CANARY)
    claim()
    Worker.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    services.dispatch()

    assert [event["message"] for event in sent] == ["tests.note killed its worker too often"]
    assert CANARY not in json.dumps(sent, default=str)


def test_a_job_that_hung_past_its_deadline_is_reported_when_it_has_no_attempt_left(sent, worker):
    note.send_with_options(kwargs={"word": "x"}, max_attempts=1)
    claim()
    Job.objects.update(deadline_at=timezone.now() - timedelta(seconds=1))
    services.dispatch()

    assert [event["message"] for event in sent] == ["tests.note ran over its time limit"]


def claim():
    return services.claim(services.next_bell(), worker_id=runner.worker_id, time_limit=timedelta(hours=1))


def test_without_an_address_nothing_is_started():
    start_reports("", environment="tests")

    assert sentry_sdk.get_client().is_active() is False

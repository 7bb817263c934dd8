"""Check-ins as Sentry gets them: through sentry-sdk and the network, to a server that speaks its protocol."""

import gzip
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import sentry_sdk
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from config.sentry import start_reports
from modules.jobs import registry, services
from modules.jobs.domain import ExponentialBackoff, Schedule, TableBackoff, Timetable, minutes_at_most, monitor_slug
from modules.jobs.models import Job, JobSchedule
from tests.support.actors import note

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

NOON = datetime(2026, 12, 23, 11, 0, tzinfo=UTC)  # noon in Prague, a Wednesday
CANARY = "canary-4711-secret"
KEY = "tests.say_noon"


class Receiver:
    """Sentry's side: keeps the items of the envelopes that came."""

    def __init__(self, port):
        self.address = f"http://key@127.0.0.1:{port}/1"
        self.items = []

    def take(self, envelope):
        _header, *lines = envelope.decode().splitlines()
        kinds = [json.loads(line)["type"] for line in lines[::2]]
        self.items += zip(kinds, map(json.loads, lines[1::2]), strict=True)

    def check_ins(self):
        sentry_sdk.flush()
        return [body for kind, body in self.items if kind == "check_in"]

    def told(self):
        return [(body["monitor_slug"], body["check_in_id"], body["status"]) for body in self.check_ins()]


@pytest.fixture
def receiver():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.receiver.take(gzip.decompress(body))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.receiver = Receiver(server.server_port)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server.receiver
    server.shutdown()
    server.server_close()


@pytest.fixture
def sentry(receiver):
    before = sentry_sdk.get_client()
    # Where brotli is installed, it would be the choice.
    start_reports(receiver.address, environment="tests", _experiments={"transport_compression_algo": "gzip"})
    yield receiver
    sentry_sdk.get_client().close(timeout=2)
    sentry_sdk.get_global_scope().set_client(before)


@pytest.fixture
def declare(monkeypatch):
    """Let the code declare one schedule, last evaluated at eleven."""

    def declare(**fields):
        options = {"word": CANARY}
        fields = {"actor": "tests.note", "cron": "0 * * * *", "timezone": "Europe/Prague", "options": options} | fields
        monkeypatch.setattr(registry, "_schedules", {KEY: Schedule(KEY, **fields)})
        services.sync_schedules(now=NOON - timedelta(minutes=1))

    return declare


def fire(at=NOON):
    services.fire_due_schedules(now=at)


def test_a_run_is_told_when_it_is_sent_and_when_it_has_ended(sentry, declare, drain, effects):
    declare()
    fire()
    job = Job.objects.get()
    begun = ("tests-say_noon", job.id.hex, "in_progress")
    assert sentry.told() == [begun]

    drain()

    assert (effects, sentry.told()) == ([CANARY], [begun, ("tests-say_noon", job.id.hex, "ok")])


def test_the_monitor_comes_along_and_nothing_of_the_arguments(sentry, declare, drain):
    declare()
    fire()
    drain()

    begun, ended = sentry.check_ins()
    assert begun["monitor_config"] == {
        "schedule": {"type": "crontab", "value": "0 * * * *"},
        "timezone": "Europe/Prague",
        "checkin_margin": 5,
        "max_runtime": 15 + 3 * 10,  # minutes that it may wait, and three runs of the default time limit
    }
    assert (begun["environment"], "monitor_config" in ended) == ("tests", False)
    assert CANARY not in json.dumps(sentry.items)


@pytest.mark.parametrize("end", ["fails", "is cancelled"])
def test_a_run_that_has_not_done_its_work_is_an_error(sentry, declare, drain, end):
    declare(actor="tests.fail", options={"kind": "permanent"})
    fire()
    if end == "fails":
        drain()
    else:
        services.cancel([Job.objects.get().id])

    assert [status for _, _, status in sentry.told()] == ["in_progress", "error"]


def test_a_dead_letter_that_is_discarded_is_told_no_second_time(sentry, declare, drain):
    declare(actor="tests.fail", options={"kind": "permanent"})
    fire()
    drain()
    services.discard([Job.objects.get().id])

    assert [status for _, _, status in sentry.told()] == ["in_progress", "error"]


def test_a_due_time_that_is_held_back_tells_that_the_run_before_goes_on(sentry, declare):
    declare(overlap="skip")
    fire()
    fire(NOON + timedelta(hours=1))

    job = Job.objects.get()
    assert sentry.told() == [("tests-say_noon", job.id.hex, "in_progress")] * 2


def test_a_schedule_with_days_off_tells_when_its_next_run_comes(sentry, declare, time_machine):
    declare(cron="0 12 * * *", on_day_off="skip", country="CZ", are_weekends_off=True)
    time_machine.move_to(NOON, tick=True)
    fire()

    config = sentry.check_ins()[0]["monitor_config"]
    assert "timezone" not in config
    # After Christmas (Thursday to Saturday) and Sunday comes Monday the 28th.
    assert config["schedule"] == {"type": "interval", "value": 5 * 24 * 60, "unit": "minute"}


def test_a_tenants_own_schedule_and_a_job_that_nobody_scheduled_are_not_told(sentry, declare, drain):
    declare(is_enabled=False)
    made = services.create_schedule(
        tenant_id=7,
        actor="tests.note",
        timetable=Timetable(cron="0 * * * *"),
        options={"word": "x"},
        now=NOON - timedelta(minutes=1),
    )
    fire()
    note.send(word="by hand")
    note.send_with_options(kwargs={"word": "a tenant's"}, tenant_id=7, tags=[f"schedule:{KEY}"])
    assert drain() == 3

    assert (JobSchedule.objects.get(pk=made.pk).last_job_id is not None, sentry.told()) == (True, [])


def test_a_firing_that_is_rolled_back_is_not_told(sentry, declare):
    declare()
    with pytest.raises(RuntimeError), transaction.atomic():
        fire()
        raise RuntimeError

    assert (Job.objects.count(), sentry.told()) == (0, [])


def test_without_an_address_nothing_is_sent_or_asked(receiver, declare, drain):
    declare()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        fire()
        drain()

    asked = [query["sql"] for query in queries if '"jobs_job"."tags" FROM' in query["sql"]]
    assert (Job.objects.get().state, asked, receiver.items) == ("succeeded", [], [])


@pytest.mark.parametrize(
    ("key", "slug"),
    [
        ("jobs.prune", "jobs-prune"),
        ("a" * 50, "a" * 50),
        ("a" * 51, "a" * 41 + "-bfc5fe0e"),
        ("Jobs.prune", "jobs-prune-bbac8484"),
        ("jobs-prune", "jobs-prune-04baab56"),
    ],
)
def test_a_monitors_name_is_short_and_one_schedules_alone(key, slug):
    assert (len(monitor_slug(key)) <= 50, monitor_slug(key)) == (True, slug)


@pytest.mark.parametrize(
    ("backoff", "attempts", "minutes"),
    [
        (TableBackoff([60, 120]), 1, 10 + 1),
        (TableBackoff([60, 120]), 4, 40 + 1 + 2 + 2 + 1),
        (ExponentialBackoff(60, 100, jitter=0.5), 3, 30 + 1.5 + 2.5 + 1),
        (TableBackoff([86_400]), 100, 28 * 24 * 60),
    ],
)
def test_a_run_may_take_all_its_attempts_and_rests(backoff, attempts, minutes):
    ten, one = timedelta(minutes=10), timedelta(minutes=1)
    assert minutes_at_most(time_limit=ten, attempts=attempts, backoff=backoff, wait=one) == minutes

"""What somebody puts into a queue by hand: named in the log, dropped, and no neighbor of it notices."""

import json
import logging

import dramatiq
import pytest
from django.db import connection
from django.db.models import F
from dramatiq import Middleware, Worker

from modules.jobs.engine import WorkerLife
from modules.jobs.engine.foreground import foreground_worker
from modules.jobs.models import Job
from tests.support import actors, lanes
from tests.support.actors import note
from tests.support.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

JOB = "01a21c8e-c90e-7000-ac88-d66b7e2d108f"
BELLS = {
    "garbage": b"\x00\xff\xfe garbage",
    "empty": b"",
    "no start": JOB.encode(),
    "no number": f"{JOB}:first:tests.note".encode(),
    "negative": f"{JOB}:-1:tests.note".encode(),
    "more than the ledger can count": f"{JOB}:{2**63}:tests.note".encode(),
    "unknown actor": f"{JOB}:0:tests.nobody".encode(),
    "plain actor": f"{JOB}:0:tests.beat".encode(),
    "huge": b"x" * 5_000_000,
}
PLAIN = {"queue_name": "default", "actor_name": "tests.beat", "args": [], "kwargs": {}, "message_id": "1"}
PLAIN |= {"options": {"redis_message_id": "1"}, "message_timestamp": 1}
MESSAGES = {
    "half of it": b'{"queue_name": "default", ',
    "no message": b'{"a": 1}',
    "field too many": json.dumps({**PLAIN, "more": 1}).encode(),
    "another queue": json.dumps({**PLAIN, "queue_name": "high"}).encode(),
    "unknown actor": json.dumps({**PLAIN, "actor_name": "tests.nobody"}).encode(),
    "job past the ledger": json.dumps({**PLAIN, "actor_name": "tests.note", "kwargs": {"word": "past"}}).encode(),
    "list as a name": json.dumps({**PLAIN, "actor_name": ["tests.beat"]}).encode(),
    "list as an id": json.dumps({**PLAIN, "message_id": ["1"]}).encode(),
    "no options": json.dumps({**PLAIN, "options": None}).encode(),
    "no arguments": json.dumps({**PLAIN, "kwargs": None}).encode(),
    "delay": json.dumps({**PLAIN, "options": {"eta": 1, "redis_message_id": "1"}}).encode(),
    "deep": b'{"a":' * 100_000,
}


@dramatiq.actor(actor_name="tests.beat", queue_name="default")
def beat():
    """A plain Dramatiq actor, as the scheduler's tick is."""
    actors.effects.append("beat")


class HangUp(Middleware):
    """Lets go of the database when a thread ends, or it could not be dropped after the tests."""

    def before_worker_thread_shutdown(self, broker, thread):
        connection.close()


@pytest.fixture
def heard():
    """A worker of this process that listens to the queue `default`, under the lease of this thread."""
    worker = Worker(dramatiq.get_broker(), queues={"default"}, worker_timeout=100, worker_threads=2)
    with foreground_worker(queues=["default"]):
        worker.broker.middleware = [each for each in worker.broker.middleware if not isinstance(each, WorkerLife)]
        worker.broker.add_middleware(HangUp())
        worker.start()
        yield worker
        worker.stop(timeout=5_000)


@pytest.fixture(autouse=True)
def _same_middleware_after():
    broker = dramatiq.get_broker()
    before = list(broker.middleware)
    yield
    broker.middleware = before


def dropped(caplog):
    return [record.getMessage() for record in caplog.records if "malformed" in record.getMessage()]


def test_malformed_bells_are_dropped_and_the_job_between_them_runs(heard, effects, caplog):
    caplog.set_level(logging.WARNING)
    for body in BELLS.values():
        lanes.put(body)
    note.send(word="between")
    for body in BELLS.values():
        lanes.put(body)

    wait_until(lambda: len(dropped(caplog)) == 2 * len(BELLS), seconds=20)
    wait_until(lambda: effects == ["between"], seconds=20)

    assert (Job.objects.count(), lanes.entries()) == (1, [])
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert max(len(text) for text in dropped(caplog)) < 300


def test_malformed_messages_are_dropped_and_the_beat_between_them_is_heard(heard, effects, caplog):
    caplog.set_level(logging.WARNING)
    for body in MESSAGES.values():
        lanes.put(body, is_plain=True)
    beat.send()
    lanes.put(b"[1]", is_plain=True)

    wait_until(lambda: len(dropped(caplog)) == len(MESSAGES) + 1, seconds=20)
    wait_until(lambda: effects == ["beat"], seconds=20)
    wait_until(lanes.is_plain_empty, seconds=5)

    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_bell_that_names_another_actor_runs_the_jobs_own(heard, effects):
    message = note.send_with_options(kwargs={"word": "mine"}, delay=60_000)
    Job.objects.update(state="queued", run_at=F("created_at"), dispatched_at=F("created_at"))
    lanes.put(f"{message.message_id}:0:tests.fail".encode())

    wait_until(lambda: Job.objects.get().state == "succeeded", seconds=20)

    assert effects == ["mine"]

"""A lane's name in Redis, taken by somebody else's value: the queue goes on, and so do its neighbors."""

import logging

import dramatiq
import pytest

from modules.jobs import health, selectors, services
from modules.jobs.models import Job
from tests.support import lanes
from tests.support.actors import note
from tests.support.lanes import lane

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(lanes.is_rabbitmq(), reason="a queue of RabbitMQ is declared as what it is"),
]


@pytest.fixture
def taken():
    """The key of the lane of `default`, at which somebody keeps a word."""
    broker = dramatiq.get_broker()
    broker.bell_client.set(broker.lane_name("default"), "a word")
    return broker.lane_name("default")


def found_at(key):
    return dramatiq.get_broker().bell_client.get(f"{key}.found")


def test_the_dispatcher_puts_it_aside_and_rings_for_all(taken, caplog):
    ids = [note.send_with_options(kwargs={"word": "x"}, queue=queue).message_id for queue in ("low", "default")]
    Job.objects.update(dispatched_at=None)
    lanes.empty()
    dramatiq.get_broker().bell_client.set(taken, "a word")

    with caplog.at_level(logging.ERROR, logger="backroom.jobs"):
        assert services.dispatch().rung == 2

    assert (lane("low"), lane("default")) == ([f"{ids[0]}:0"], [f"{ids[1]}:0"])
    assert found_at(taken) == b"a word"
    assert f"is now {taken}.found" in caplog.text


def test_a_send_rings_all_the_same(taken):
    requests = [services.JobRequest(actor="tests.note", kwargs={"word": "x"}, queue=q) for q in ("low", "default")]
    ids = services.enqueue_many(requests)

    assert (lane("low"), lane("default")) == ([f"{ids[0]}:0"], [f"{ids[1]}:0"])


def test_a_worker_that_listens_goes_on_listening(taken):
    consumer = dramatiq.get_broker().consume("default", prefetch=2, timeout=10)
    assert next(consumer) is None
    job_id = note.send(word="x").message_id

    assert next(consumer).message_id == f"{job_id}:0"
    assert found_at(taken) == b"a word"


def test_mending_a_lane_that_another_has_mended_takes_nothing_out_of_it(taken):
    note.send(word="x")
    dramatiq.get_broker().mend_lane("default")

    assert len(lane()) == 1
    assert found_at(taken) == b"a word"


def test_until_then_the_probe_and_why_name_it_and_the_broker_is_well(taken):
    job_id = note.send_with_options(kwargs={"word": "x"}, queue="low").message_id
    Job.objects.update(queue="default")

    assert health.broken_lanes() == ["The lane of default is no lane: something else has its name in Redis."]
    assert health.READY_CHECKS["broker"]() == []
    reasons = [reason.what for reason in services.why(job_id)]
    assert "The lane of the queue default is no lane: something else has its name in Redis." in reasons
    assert selectors.ledger_imbalance()["unheard"] == 0

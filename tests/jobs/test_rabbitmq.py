"""RabbitMQ that is away, silent, killed or wrongly addressed."""

import json
import os
import signal
import socket
import time
from pathlib import Path
from statistics import quantiles

import dramatiq
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from dramatiq.errors import ConnectionClosed

from config.broker import build_broker
from modules.jobs.clients import Bell
from modules.jobs.engine.rabbit_broker import LedgerRabbitBroker
from modules.jobs.models import Job
from modules.kernel.ids import uuid7
from tests.support import lanes
from tests.support.actors import write
from tests.support.processes import WorkerProcess, wait_until

BELLS = [Bell(uuid7(), 0, "tests.note", "default")]
on_rabbitmq = pytest.mark.skipif(not lanes.is_rabbitmq(), reason="only with --transport rabbitmq")


def seconds_of(call, error):
    began_at = time.monotonic()
    with pytest.raises(error):
        call()
    return time.monotonic() - began_at


@pytest.fixture
def silent_url():
    """The address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"amqp://user:pass@127.0.0.1:{server.getsockname()[1]}/0"


@pytest.mark.parametrize("url", ["kafka://user:pass@host/0", "user:pass@host", "amqp:host"])
def test_an_unknown_transport_is_named_with_the_known_ones_and_without_its_password(settings, url):
    settings.BROKER_URL = url

    with pytest.raises(ImproperlyConfigured, match=r"BROKER_URL has .*redis://.*amqp://") as error:
        build_broker()

    assert "pass" not in str(error.value)


def test_nobody_waits_for_a_rabbitmq_that_is_away():
    broker = LedgerRabbitBroker(url="amqp://user:pass@127.0.0.1:1/0", middleware=[])

    assert seconds_of(lambda: broker.ring(BELLS), (ConnectionClosed, TimeoutError)) < 0.2
    assert seconds_of(lambda: broker.lane("default"), (ConnectionClosed, TimeoutError)) < 0.2


def test_nobody_waits_long_for_a_rabbitmq_that_is_silent(silent_url):
    broker = LedgerRabbitBroker(url=silent_url, middleware=[])

    assert seconds_of(lambda: broker.ring(BELLS), TimeoutError) < 0.2
    assert seconds_of(lambda: broker.lane("default"), TimeoutError) < 0.2


def test_a_forked_process_has_a_line_of_its_own(silent_url):
    broker = LedgerRabbitBroker(url=silent_url, middleware=[])
    with pytest.raises(TimeoutError):
        broker.ring(BELLS)

    child = os.fork()
    if child == 0:
        os._exit(broker._link._thread is not None or broker._link._channel is not None)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@on_rabbitmq
@pytest.mark.django_db(transaction=True)
def test_queues_are_quorum_queues():
    broker = dramatiq.get_broker()
    broker.ring(BELLS)

    with pytest.raises(Exception, match=r"inequivalent arg 'x-queue-type'.*'quorum'"):
        broker._link.ask(lambda channel: channel.queue_declare("backroom.default", durable=True), seconds=5)


@on_rabbitmq
@pytest.mark.journey
@pytest.mark.django_db(transaction=True)
def test_a_killed_rabbitmq_holds_no_send_up_and_loses_no_job():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS tests_effect (word text, pid int)")
    pids = Path(os.environ["BACKROOM_DATA"], "pids.json")
    killed = json.loads(pids.read_text())["rabbitmq"]
    with WorkerProcess():
        write.send(word="before")
        wait_until(lambda: Job.objects.filter(state="succeeded").count() == 1)
        os.kill(killed, signal.SIGKILL)
        milliseconds = [send_in(number) for number in range(100)]
        wait_until(lambda: json.loads(pids.read_text())["rabbitmq"] != killed)
        wait_until(lambda: Job.objects.filter(state="succeeded").count() == 101)

    assert quantiles(milliseconds, n=100)[-1] < 150
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT word) FROM tests_effect")
        assert cursor.fetchone() == (101, 101)
        cursor.execute("DROP TABLE tests_effect")


def send_in(number):
    time.sleep(0.01)
    began_at = time.perf_counter()
    write.send(word=str(number))
    return (time.perf_counter() - began_at) * 1_000

"""What really waits in the broker, on either transport; the product's own view of RabbitMQ is a guess."""

import os
from contextlib import closing

import dramatiq
import pika
from django.conf import settings


def is_rabbitmq() -> bool:
    """Return whether the tests run on RabbitMQ."""
    return settings.BROKER_URL.startswith("amqp")


def lane(queue: str = "default") -> list[str]:
    """Return the keys of the bells in a queue's lane, first in line first."""
    return [entry.rpartition(":")[0] for entry in entries(queue)]


def entries(queue: str = "default") -> list[str]:
    """Return what is in a queue's lane."""
    broker = dramatiq.get_broker()
    if not is_rabbitmq():
        return [entry.decode() for entry in broker.bell_client.lrange(broker.lane_name(queue), 0, -1)]
    broker.lane(queue)  # asked on the line on which bells leave: they have left before the answer comes
    found = []
    with closing(pika.BlockingConnection(broker.parameters)) as connection:
        channel = connection.channel()  # what was got and not answered goes back to its place with it
        while (got := channel.basic_get(f"backroom.{queue}"))[0]:
            found.append(got[2].decode())
    return found


def put(body: bytes, *, queue: str = "default", is_plain: bool = False) -> None:
    """Put anything into a queue, past the product; `is_plain`: where Dramatiq's own messages are."""
    broker = dramatiq.get_broker()
    if is_rabbitmq():
        with closing(pika.BlockingConnection(broker.parameters)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish("", f"backroom.{queue}", body, mandatory=True)
    elif is_plain:
        message_id = os.urandom(8).hex()
        broker.client.hset(f"dramatiq:{queue}.msgs", message_id, body)
        broker.client.rpush(f"dramatiq:{queue}", message_id)
    else:
        broker.client.rpush(broker.lane_name(queue), body)


def empty() -> None:
    """Lose everything that waits."""
    broker = dramatiq.get_broker()
    if is_rabbitmq():
        broker.flush_all()
    else:
        broker.bell_client.flushdb()


def is_plain_empty(queue: str = "default") -> bool:
    """Return whether no message of a plain actor is left, waiting or unacknowledged."""
    if is_rabbitmq():
        return entries(queue) == []
    return dramatiq.get_broker().client.hlen(f"dramatiq:{queue}.msgs") == 0


def take_all(queue: str = "default") -> list[str]:
    """Take all entries out of a queue's lane, as workers would, and return them, first in line first."""
    broker, found = dramatiq.get_broker(), []
    if not is_rabbitmq():
        return [entry.decode() for entry in broker.bell_client.lpop(broker.lane_name(queue), 10_000) or ()]
    broker.lane(queue)  # what was rung before has left
    with closing(pika.BlockingConnection(broker.parameters)) as connection:
        channel = connection.channel()
        while (got := channel.basic_get(f"backroom.{queue}", auto_ack=True))[0]:
            found.append(got[2].decode())
    return found

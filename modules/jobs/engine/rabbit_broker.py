"""The ledger's bells in RabbitMQ: a quorum queue for each queue, pushed to whoever has a thread free."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

import pika
from dramatiq import Broker, Message, MessageProxy, Middleware, Worker
from dramatiq.broker import Consumer
from dramatiq.errors import ConnectionClosed
from pika.adapters.blocking_connection import BlockingChannel

from modules.jobs import selectors, services
from modules.jobs.clients import Bell
from modules.jobs.engine.broker import RING_TIMEOUT, LedgerBroker, as_entry, is_bell
from modules.jobs.engine.rabbit_link import HEARTBEAT_SECONDS, TROUBLE, Link, hang_up

PLAIN_SECONDS = 10.0  # how long the sender of a plain message, the scheduler, waits for RabbitMQ to have it
_OURS = {
    "heartbeat": HEARTBEAT_SECONDS,
    "socket_timeout": 2.0,
    "stack_timeout": 5.0,
    "blocked_connection_timeout": 10.0,  # RabbitMQ has no room: the ledger keeps everything meanwhile
    "tcp_options": {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 10_000},
}


class LedgerRabbitBroker(LedgerBroker):
    """Bells are messages `<job id>:<start>:<actor>`, plain messages are Dramatiq's JSON in the same queues.

    `url` may name several nodes of a cluster, with `;` between them. Nothing is dead-lettered or delayed in
    RabbitMQ: the ledger does that.
    """

    def __init__(self, *, url: str, middleware: list[Middleware]) -> None:
        super().__init__(middleware=[BellLine(), *middleware])
        self.queues = set()
        self.parameters = [_parameters(node) for node in url.split(";")]
        self.ring_seconds = RING_TIMEOUT
        self._link = Link(self.parameters)

    def connect(self) -> None:
        """Open the line now; raises ConnectionClosed, TimeoutError. Else the first bell may not wait for it to open."""
        self._link.ask(lambda _: None, seconds=PLAIN_SECONDS)

    def close(self) -> None:
        """Wait a moment for the last bells to leave, and close the connection."""
        self._link.close()

    def get_declared_queues(self) -> set[str]:
        """Return the names of the known queues."""
        return self.queues.copy()

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> "RabbitConsumer":
        """Return what takes messages out of a queue; raises ConnectionClosed."""
        return RabbitConsumer(self, queue_name, prefetch=prefetch, timeout=timeout)

    def enqueue_plain(self, message: Message[Any]) -> Message[Any]:
        """Put a plain Dramatiq actor's message into its queue and return it; raises ConnectionClosed, TimeoutError."""
        self.emit_before("enqueue", message, None)
        entries = {message.queue_name: [message.encode()]}
        self._link.ask(partial(_publish_and_wait, entries=entries), seconds=PLAIN_SECONDS)
        self.emit_after("enqueue", message, None)
        return message

    def ring(self, bells: Sequence[Bell]) -> dict[str, int]:
        """Let the bells leave and return how long each lane then is; raises ConnectionClosed, TimeoutError.

        The question comes first: it shows that RabbitMQ is there. Nobody waits for the bells themselves.
        """
        entries: dict[str, list[bytes]] = {}
        for bell in bells:
            entries.setdefault(bell.queue, []).append(as_entry(bell).encode())
        lengths = self._link.ask(partial(_lengths, queues=list(entries)), seconds=self.ring_seconds)
        self._link.tell(partial(_publish, entries=entries))
        return {queue: length + len(entries[queue]) for queue, length in lengths.items()}

    def lane(self, queue: str) -> list[str]:
        """Return the keys of the bells that wait in a queue's lane, as far as one can know.

        RabbitMQ tells only how many there are. Queues are first in, first out, so it is the ones rung last;
        a bell that is taken for lost by mistake rings twice, which starts one run.
        """
        length = self._link.ask(partial(_lengths, queues=[queue]), seconds=self.ring_seconds)[queue]
        return selectors.newest_rung(queue, limit=length, is_apart=queue == services.QUARANTINE) if length else []

    def flush(self, queue_name: str) -> None:
        """Drop all bells and messages of a queue; the ledger rings again for what still waits."""
        self._link.ask(partial(_purge, queues=[queue_name]), seconds=PLAIN_SECONDS)

    def mend_lane(self, queue: str) -> None:
        """Do nothing: a queue of RabbitMQ is declared as what it is, and nothing else can have its name."""

    def flush_all(self) -> None:
        """Drop all bells and messages; the ledger rings again for what still waits."""
        self._link.ask(partial(_purge, queues=sorted(self.queues)), seconds=PLAIN_SECONDS)


class RabbitConsumer(Consumer):
    """Takes what RabbitMQ pushes: no more than this process has threads for, so that others get theirs.

    A bell is spent when its job begins, not when it ends: what then counts is the ledger, and RabbitMQ closes
    the channel of whoever keeps a message for half an hour. What was not begun goes back by itself.
    """

    def __init__(self, broker: LedgerRabbitBroker, queue: str, *, prefetch: int, timeout: int) -> None:
        self._broker, self._queue = broker, queue
        self._connection: pika.BlockingConnection | None = None
        self._unanswered: set[int] = set()
        try:
            self._connection = pika.BlockingConnection(broker.parameters)
            self._channel = self._connection.channel()
            declare(self._channel, queue)
            # Dramatiq counts what runs, too, and asks for two messages for each thread.
            self._channel.basic_qos(prefetch_count=max(1, prefetch // 2))
            self._deliveries = self._channel.consume(queue_name(queue), inactivity_timeout=timeout / 1000)
        except TROUBLE as error:
            hang_up(self._connection)
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]

    def __next__(self) -> MessageProxy | None:
        """Return the next message, or None after at most the idle timeout; raises ConnectionClosed."""
        try:
            method, _, body = next(self._deliveries)
        except StopIteration:
            raise ConnectionClosed(f"The queue {self._queue} was deleted.") from None  # type: ignore[no-untyped-call]
        except TROUBLE as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]
        if method is None:
            return None
        self._unanswered.add(method.delivery_tag)
        message = self._read(body)
        if message is None:
            self.answer(method.delivery_tag)
            return None
        return Delivery(message, tag=method.delivery_tag, consumer=self)

    def _read(self, body: bytes) -> Message[Any] | None:
        if body.startswith(b"{"):
            return self._broker.read_plain(body, queue=self._queue)
        return self._broker.read_bell(body, queue=self._queue)

    def ack(self, message: MessageProxy) -> None:
        """Tell RabbitMQ that the message is done with, unless it knows."""
        if isinstance(message, Delivery):
            message.spend()

    def nack(self, message: MessageProxy) -> None:
        """Do as `ack`: a job's fate is in the ledger, and the scheduler's next tick comes by itself."""
        self.ack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Do nothing: what was not answered goes back to its place when the connection closes."""

    def close(self) -> None:
        """Close the connection; waits a moment for the last answers to leave."""
        hang_up(self._connection)

    def answer(self, tag: int) -> None:
        """Tell RabbitMQ, once and from any thread, that the message is done with."""
        with suppress(KeyError, *TROUBLE):  # answered before; or back in its queue, where it starts nothing twice
            self._unanswered.remove(tag)
            self._channel.connection.add_callback_threadsafe(partial(self._channel.basic_ack, tag))


class Delivery(MessageProxy):
    """A message, and the consumer that RabbitMQ waits to hear from: a tag means nothing to another one."""

    def __init__(self, message: Message[Any], *, tag: int, consumer: RabbitConsumer) -> None:
        super().__init__(message)
        self._tag, self._consumer = tag, consumer

    def spend(self) -> None:
        """Have RabbitMQ forget the message; safe to repeat."""
        self._consumer.answer(self._tag)


class BellLine(Middleware):
    """Opens a worker's line before its first job, and spends each bell at the moment when its job is about to begin."""

    def before_worker_boot(self, broker: Broker, _worker: Worker) -> None:
        """Connect; a RabbitMQ that is away is met again with the first bell."""
        with suppress(ConnectionClosed, TimeoutError):
            cast("LedgerRabbitBroker", broker).connect()

    def before_process_message(self, _broker: Broker, message: MessageProxy) -> None:
        """Let RabbitMQ push the next bell while this one's job runs."""
        if isinstance(message, Delivery) and is_bell(message):
            message.spend()


def queue_name(queue: str) -> str:
    """Return the name in RabbitMQ of a queue of ours."""
    return f"backroom.{queue}"


def declare(channel: BlockingChannel, queue: str) -> int:
    """Make the queue unless it is there; return how many messages wait in it."""
    # A quorum queue is copied to a cluster's nodes and survives the loss of one.
    made = channel.queue_declare(queue_name(queue), durable=True, arguments={"x-queue-type": "quorum"})
    return int(made.method.message_count)


def _parameters(url: str) -> pika.URLParameters:
    """Return the connection's parameters: the URL's own where it names them, else ours."""
    parameters = pika.URLParameters(url)
    named = url.partition("?")[2]
    for name, value in _OURS.items():
        if f"{name}=" not in named:
            setattr(parameters, name, value)
    return parameters


def _lengths(channel: BlockingChannel, *, queues: list[str]) -> dict[str, int]:
    return {queue: declare(channel, queue) for queue in queues}


def _publish(channel: BlockingChannel, *, entries: dict[str, list[bytes]]) -> None:
    for queue, bodies in entries.items():
        for body in bodies:
            channel.basic_publish("", queue_name(queue), body)


def _publish_and_wait(channel: BlockingChannel, *, entries: dict[str, list[bytes]]) -> None:
    """Publish on a channel of its own, on which RabbitMQ confirms what it has."""
    confirming = channel.connection.channel()
    confirming.confirm_delivery()
    _lengths(confirming, queues=list(entries))
    _publish(confirming, entries=entries)
    confirming.close()


def _purge(channel: BlockingChannel, *, queues: list[str]) -> None:
    for queue in queues:
        declare(channel, queue)
        channel.queue_purge(queue_name(queue))

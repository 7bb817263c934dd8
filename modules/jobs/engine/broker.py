"""Dramatiq's Redis broker with the ledger in front: what is sent becomes a row, what travels is a bell."""

import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import redis
from dramatiq import Message, MessageProxy, Middleware
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed
from redis.backoff import NoBackoff
from redis.retry import Retry

from modules.jobs import services
from modules.jobs.clients import Bell
from modules.jobs.engine.actor import BELL, JobActor

RING_TIMEOUT = 0.1  # seconds that a web request waits for Redis at most; a healthy one answers in one hundredth
HEARTBEAT_TIMEOUT = 30_000  # milliseconds; only tidies Redis, jobs of dead workers are the ledger's business
MAINTENANCE_CHANCE = 50_000  # of a million commands
SHORTEST_REST_SECONDS, LONGEST_REST_SECONDS = 0.001, 0.05  # of a consumer whose threads are all busy
PLAIN_EVERY_SECONDS = 1.0  # how often a consumer looks for messages of plain Dramatiq actors


class LedgerRedisBroker(RedisBroker):
    """`actor.send()`, `broker.enqueue()`, groups and pipelines of job actors all end in the ledger."""

    def __init__(self, *, url: str, middleware: list[Middleware]) -> None:
        client = redis.Redis.from_url(url, health_check_interval=15, socket_connect_timeout=1, socket_timeout=10)
        super().__init__(  # type: ignore[no-untyped-call]
            middleware=middleware,
            client=client,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            maintenance_chance=MAINTENANCE_CHANCE,
        )
        # Bells are rung on a connection of their own: one short try, because the ledger can wait.
        self.bell_client = redis.Redis.from_url(
            url, socket_connect_timeout=RING_TIMEOUT, socket_timeout=RING_TIMEOUT, retry=Retry(NoBackoff(), 0)
        )

    @property
    def consumer_class(self) -> type["BellConsumer"]:
        """Return what takes bells out of a lane."""
        return BellConsumer

    def declare_queue(self, queue_name: str) -> None:
        """Make a queue known; without Dramatiq's delay queue, whose work the ledger does."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Write the message as a job and return it under the job's id; a plain Dramatiq actor's goes to Redis."""
        if not isinstance(self.get_actor(message.actor_name), JobActor):
            return self._enqueue_plain(message, delay=delay)
        options = {"queue": message.queue_name, **message.options}
        if delay is not None:
            options["delay"] = timedelta(milliseconds=delay)
        job_id = services.enqueue(message.actor_name, args=message.args, kwargs=message.kwargs, **options)
        return message.copy(message_id=str(job_id))

    def _enqueue_plain(self, message: Message[Any], *, delay: int | None) -> Message[Any]:
        if delay is not None:
            raise ValueError(f"{message.actor_name} is a plain Dramatiq actor; only jobs in the ledger can wait.")
        return super().enqueue(message)

    def ring(self, bells: Sequence[Bell]) -> dict[str, int]:
        """Put the bells into their lanes in one round trip; return how long each lane now is."""
        by_queue: dict[str, list[str]] = {}
        for bell in bells:
            by_queue.setdefault(bell.queue, []).append(f"{bell.key}:{bell.actor}")
        pipeline = self.bell_client.pipeline(transaction=False)
        for queue, entries in by_queue.items():
            pipeline.rpush(self.lane_name(queue), *entries)
        return dict(zip(by_queue, pipeline.execute(), strict=True))

    def lane(self, queue: str) -> list[str]:
        """Return the keys of the bells that wait in a queue's lane."""
        entries = cast("list[bytes]", self.bell_client.lrange(self.lane_name(queue), 0, -1))
        return [entry.decode(errors="replace").rpartition(":")[0] for entry in entries]

    def lane_name(self, queue: str) -> str:
        """Return the key of the Redis list that holds a queue's bells."""
        return f"{self.namespace}:{queue}.bells"


class BellConsumer(_RedisConsumer):
    """Wakes at once when a bell rings, where Dramatiq's own consumer polls with growing rests.

    Bells need no acknowledgment: one that is lost with its worker is rung again by the dispatcher. Messages
    of plain Dramatiq actors keep Dramatiq's own protocol.
    """

    broker: LedgerRedisBroker

    def __init__(self, broker: LedgerRedisBroker, queue_name: str, prefetch: int, timeout: int) -> None:
        super().__init__(broker, queue_name, prefetch, timeout)  # type: ignore[no-untyped-call]
        self._lane = broker.lane_name(queue_name)
        self._bells: list[bytes] = []
        self._plain_at = 0.0
        self._rest = SHORTEST_REST_SECONDS

    @property
    def outstanding_message_count(self) -> int:
        """Return how many messages this process holds, running ones included."""
        return len(self.queued_message_ids) + len(self.message_cache) + len(self._bells)

    def __next__(self) -> MessageProxy | None:
        """Return the next message, or None after at most the idle timeout."""
        try:
            return self._next_bell() or self._next_plain()
        except redis.ConnectionError as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]

    def _next_bell(self) -> MessageProxy | None:
        if not self._bells:
            self._bells = self._fetch()
        while self._bells:
            entry = self._bells.pop(0).decode(errors="replace")
            if message := _as_message(entry, self.queue_name):
                self.queued_message_ids.add(message.message_id)
                return MessageProxy(message)
            self.logger.warning("A bell in %s is unreadable and was dropped: %.100r", self._lane, entry)
        return None

    def _fetch(self) -> list[bytes]:
        room = self.prefetch - self.outstanding_message_count
        if room <= 0:
            # The threads are busy; what waits in the lane is for whoever is free first.
            self._rest = min(self._rest * 2, LONGEST_REST_SECONDS)
            time.sleep(self._rest)
            return []
        self._rest = SHORTEST_REST_SECONDS
        client = self.broker.client
        if found := cast("list[bytes] | None", client.lpop(self._lane, room)):
            return found
        if self.message_cache or time.monotonic() - self._plain_at >= PLAIN_EVERY_SECONDS:
            return []
        one = cast("tuple[bytes, bytes] | None", client.blpop([self._lane], timeout=self.timeout / 1000))
        return [one[1]] if one else []

    def _next_plain(self) -> MessageProxy | None:
        if not self.message_cache:
            if time.monotonic() - self._plain_at < PLAIN_EVERY_SECONDS:
                return None
            self._plain_at = time.monotonic()
            room = self.prefetch - self.outstanding_message_count
            self.message_cache = self.broker.do_fetch(self.queue_name, room) if room > 0 else []
        if not self.message_cache:
            return None
        return cast("MessageProxy | None", super().__next__())  # type: ignore[no-untyped-call]

    def ack(self, message: MessageProxy) -> None:
        """Forget a bell; tell Redis about a plain message."""
        if not self._forget_bell(message):
            super().ack(message)  # type: ignore[no-untyped-call]

    def nack(self, message: MessageProxy) -> None:
        """Forget a bell: the job's fate is in the ledger, never in a dead-letter queue of Redis."""
        if not self._forget_bell(message):
            super().nack(message)  # type: ignore[no-untyped-call]

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Give back, on shutdown, what was taken and not begun, to the front of the lane."""
        waiting = list(messages)
        entries = [f"{message.message_id}:{message.actor_name}" for message in waiting if BELL in message.kwargs]
        entries += [entry.decode(errors="replace") for entry in self._bells]
        self._bells = []
        if entries:
            self.broker.client.lpush(self._lane, *reversed(entries))
        super().requeue([message for message in waiting if BELL not in message.kwargs])  # type: ignore[no-untyped-call]

    def _forget_bell(self, message: MessageProxy) -> bool:
        if BELL not in message.kwargs:
            return False
        self.queued_message_ids.discard(message.message_id)
        return True


def _as_message(entry: str, queue: str) -> Message[Any] | None:
    """Return the Dramatiq message of a lane's entry, `<job id>:<fence>:<actor>`, or None for anything else."""
    job_id, _, rest = entry.partition(":")
    fence, _, actor = rest.partition(":")
    try:
        bell = Bell(UUID(job_id), int(fence), actor, queue)
    except ValueError:
        return None
    kwargs = {BELL: [str(bell.job_id), bell.fence, queue]}
    return Message(queue_name=queue, actor_name=actor, args=(), kwargs=kwargs, options={}, message_id=bell.key)

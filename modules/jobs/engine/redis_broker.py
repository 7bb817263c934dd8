"""The ledger's bells in Redis: a list for each queue, and a consumer that wakes at once."""

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any, cast

import redis
from dramatiq import Message, MessageProxy, Middleware
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import ConnectionClosed
from redis.backoff import NoBackoff
from redis.retry import Retry

from modules.jobs.clients import Bell, is_wrong_type
from modules.jobs.engine.broker import RING_TIMEOUT, LedgerBroker, as_entry, is_bell

log = logging.getLogger("backroom.jobs")

HEARTBEAT_TIMEOUT = 30_000  # milliseconds; only tidies Redis, jobs of dead workers are the ledger's business
MAINTENANCE_CHANCE = 50_000  # of a million commands
SHORTEST_REST_SECONDS, LONGEST_REST_SECONDS = 0.001, 0.05  # of a consumer whose threads are all busy
PLAIN_EVERY_SECONDS = 1.0  # how often a consumer looks for messages of plain Dramatiq actors
# Looked at and moved in one step: a moment later it may be a lane again, mended by another process.
_PUT_ASIDE = """local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'list' or kind == 'none' then return 0 end
redis.call('RENAME', KEYS[1], KEYS[2])
return 1"""
PLAIN_ID = "redis_message_id"  # the option by which Dramatiq acknowledges a plain message


class LedgerRedisBroker(LedgerBroker, RedisBroker):
    """Bells are entries of a list, `<job id>:<start>:<actor>`; plain messages are kept as Dramatiq keeps them."""

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

    def enqueue_plain(self, message: Message[Any]) -> Message[Any]:
        """Put a plain Dramatiq actor's message into its queue and return it."""
        return RedisBroker.enqueue(self, message)

    def ring(self, bells: Sequence[Bell]) -> dict[str, int]:
        """Put the bells into their lanes in one round trip; return how long each lane now is."""
        by_queue: dict[str, list[str]] = {}
        for bell in bells:
            by_queue.setdefault(bell.queue, []).append(as_entry(bell))
        pipeline = self.bell_client.pipeline(transaction=False)
        for queue, entries in by_queue.items():
            pipeline.rpush(self.lane_name(queue), *entries)
        lengths = dict(zip(by_queue, pipeline.execute(raise_on_error=False), strict=True))
        for queue, answer in lengths.items():
            if isinstance(answer, redis.ResponseError) and is_wrong_type(answer):
                self.mend_lane(queue)
                lengths[queue] = self.bell_client.rpush(self.lane_name(queue), *by_queue[queue])
            elif isinstance(answer, Exception):
                raise answer
        return lengths

    def lane(self, queue: str) -> list[str]:
        """Return the keys of the bells that wait in a queue's lane."""
        entries = cast("list[bytes]", self.bell_client.lrange(self.lane_name(queue), 0, -1))
        return [entry.decode(errors="replace").rpartition(":")[0] for entry in entries]

    def flush(self, queue_name: str) -> None:
        """Drop all bells and messages of a queue; the ledger rings again for what still waits."""
        self.bell_client.delete(self.lane_name(queue_name))
        super().flush(queue_name)

    def mend_lane(self, queue: str) -> None:
        """Put aside what somebody keeps under a lane's name: nobody's data is deleted, and the lane is a lane again."""
        lane = self.lane_name(queue)
        if self.bell_client.eval(_PUT_ASIDE, 2, lane, f"{lane}.found"):
            log.error("the lane of %s was none: what was found under its name is now %s.found", queue, lane)

    def lane_name(self, queue: str) -> str:
        """Return the key of the Redis list that holds a queue's bells."""
        return f"{self.namespace}:{queue}.bells"

    def drop_plain(self, queue: str, body: bytes) -> None:
        """Acknowledge messages of plain actors that cannot be read, found by their text: their ids are inside it."""
        for message_id, found in self.client.hscan_iter(f"{self.namespace}:{queue}.msgs"):
            if found == body:
                self.do_ack(queue, message_id)


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
            message = self._next_bell() or self._next_plain()
        except redis.ConnectionError as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]
        if message is None:
            return None
        self.queued_message_ids.add(message.message_id)
        return MessageProxy(message)

    def _next_bell(self) -> Message[Any] | None:
        if not self._bells:
            self._bells = self._fetch()
        while self._bells:
            if message := self.broker.read_bell(self._bells.pop(0), queue=self.queue_name):
                return message
        return None

    def _fetch(self) -> list[bytes]:
        room = self.prefetch - self.outstanding_message_count
        if room <= 0:
            # The threads are busy; what waits in the lane is for whoever is free first.
            self._rest = min(self._rest * 2, LONGEST_REST_SECONDS)
            time.sleep(self._rest)
            return []
        self._rest = SHORTEST_REST_SECONDS
        try:
            return self._take(room)
        except redis.ResponseError as error:
            if not is_wrong_type(error):
                raise
            self.broker.mend_lane(self.queue_name)
            return []

    def _take(self, room: int) -> list[bytes]:
        client = self.broker.client
        if found := cast("list[bytes] | None", client.lpop(self._lane, room)):
            return found
        if self.message_cache or time.monotonic() - self._plain_at >= PLAIN_EVERY_SECONDS:
            return []
        one = cast("tuple[bytes, bytes] | None", client.blpop([self._lane], timeout=self.timeout / 1000))
        return [one[1]] if one else []

    def _next_plain(self) -> Message[Any] | None:
        if not self.message_cache and time.monotonic() - self._plain_at >= PLAIN_EVERY_SECONDS:
            self._plain_at = time.monotonic()
            room = self.prefetch - self.outstanding_message_count
            found = self.broker.do_fetch(self.queue_name, room) if room > 0 else []
            self.message_cache = [body for body in found if body is not None]  # an id may have lost its message
        while self.message_cache:
            body = self.message_cache.pop(0)
            if message := self.broker.read_plain(body, queue=self.queue_name, needs=[PLAIN_ID]):
                return message
            self.broker.drop_plain(self.queue_name, body)
        return None

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
        entries = [f"{message.message_id}:{message.actor_name}" for message in waiting if is_bell(message)]
        entries += [entry.decode(errors="replace") for entry in self._bells]
        self._bells = []
        if entries:
            self.broker.client.lpush(self._lane, *reversed(entries))
        super().requeue([message for message in waiting if not is_bell(message)])  # type: ignore[no-untyped-call]

    def _forget_bell(self, message: MessageProxy) -> bool:
        if not is_bell(message):
            return False
        self.queued_message_ids.discard(message.message_id)
        return True

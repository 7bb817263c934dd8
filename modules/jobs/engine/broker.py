"""Dramatiq's Redis broker with the ledger in front: what is sent becomes a row, what travels is a bell."""

import itertools
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import redis
from dramatiq import Message, Middleware
from dramatiq.brokers.redis import RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

from modules.jobs import services
from modules.jobs.clients import Bell
from modules.jobs.engine.actor import BELL, JobActor

RING_TIMEOUT = 0.25  # seconds that a web request waits for Redis at most
HEARTBEAT_TIMEOUT = 30_000  # milliseconds; only tidies Redis, jobs of dead workers are the ledger's business
MAINTENANCE_CHANCE = 50_000  # of a million commands

_rings = itertools.count(time.time_ns())


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

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Write the message as a job and return it under the job's id; a plain Dramatiq actor's goes to Redis."""
        if not isinstance(self.get_actor(message.actor_name), JobActor):
            return self._enqueue_plain(message, delay=delay)
        options = dict(message.options)
        if delay is not None:
            options["delay"] = timedelta(milliseconds=delay)
        job_id = services.enqueue(
            message.actor_name, args=message.args, kwargs=message.kwargs, queue=message.queue_name, **options
        )
        return message.copy(message_id=str(job_id))

    def _enqueue_plain(self, message: Message[Any], *, delay: int | None) -> Message[Any]:
        if delay is not None:
            raise ValueError(f"{message.actor_name} is a plain Dramatiq actor; only jobs in the ledger can wait.")
        return super().enqueue(message)

    def declare_queue(self, queue_name: str) -> None:
        """Make a queue known; without Dramatiq's delay queue, whose work the ledger does."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def ring(self, bells: Sequence[Bell]) -> dict[str, int]:
        """Put the bells into their lanes in one round trip; return how long each lane now is."""
        pipeline = self.bell_client.pipeline(transaction=False)
        for bell in bells:
            self._push(pipeline, bell)
        queues = list(dict.fromkeys(bell.queue for bell in bells))
        for queue in queues:
            pipeline.llen(self._list(queue))
        return dict(zip(queues, pipeline.execute()[2 * len(bells) :], strict=True))

    def lane(self, queue: str) -> list[str]:
        """Return the keys of the bells that wait in a queue's lane."""
        entries = cast("list[bytes]", self.bell_client.lrange(self._list(queue), 0, -1))
        return [entry.decode().rpartition("/")[0] for entry in entries]

    def _push(self, pipeline: Any, bell: Bell) -> None:
        entry = f"{bell.key}/{next(_rings)}"  # a bell may be rung twice, an entry of Dramatiq's lists may not
        message: Message[Any] = Message(
            queue_name=bell.queue,
            actor_name=bell.actor,
            args=(),
            kwargs={BELL: [str(bell.job_id), bell.fence, bell.queue]},
            options={"redis_message_id": entry},
            message_id=entry,
        )
        # What Dramatiq's own script does for "enqueue" in plain commands: they need no script in Redis,
        # which has none after a restart.
        name = self._list(bell.queue)
        pipeline.hset(f"{name}.msgs", entry, message.encode())
        pipeline.rpush(name, entry)

    def _list(self, queue: str) -> str:
        return f"{self.namespace}:{queue}"

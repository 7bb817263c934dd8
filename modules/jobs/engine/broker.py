"""What both transports share: what is sent becomes a row, what travels is a bell, what is malformed is dropped."""

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from dramatiq import Broker, Message
from dramatiq.errors import DecodeError

from modules.jobs import services
from modules.jobs.clients import Bell
from modules.jobs.engine.actor import BELL, JobActor

log = logging.getLogger("backroom.jobs")

RING_TIMEOUT = 0.1  # seconds that a web request waits for the broker at most; a healthy one answers in one hundredth
MOST_STARTS = 2**31 - 1  # what the ledger can count


class LedgerBroker(Broker):
    """`actor.send()`, `broker.enqueue()`, groups and pipelines of job actors all end in the ledger."""

    queues: set[str]

    def declare_queue(self, queue_name: str) -> None:
        """Make a queue known; without Dramatiq's delay queue, whose work the ledger does."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Write the message as a job and return it under the job's id; a plain Dramatiq actor's goes to the broker."""
        if not isinstance(self.get_actor(message.actor_name), JobActor):
            if delay is not None:
                raise ValueError(f"{message.actor_name} is a plain Dramatiq actor; only jobs in the ledger can wait.")
            return self.enqueue_plain(message)
        options = {"queue": message.queue_name, **message.options}
        if delay is not None:
            options["delay"] = timedelta(milliseconds=delay)
        job_id = services.enqueue(message.actor_name, args=message.args, kwargs=message.kwargs, **options)
        return message.copy(message_id=str(job_id))

    def enqueue_plain(self, message: Message[Any]) -> Message[Any]:
        """Put a plain Dramatiq actor's message into its queue and return it."""
        raise NotImplementedError

    def read_bell(self, entry: bytes, *, queue: str) -> Message[Any] | None:
        """Return the message of a bell that was taken from a queue, `<job id>:<start>:<actor>`.

        Anything else is malformed: it is named in the log, and None is returned.
        """
        try:
            return self._bell(entry.decode(errors="replace"), queue=queue)
        except _Malformed as error:
            _log_dropped(entry, queue=queue, why=error)
            return None

    def read_plain(self, body: bytes, *, queue: str, needs: Iterable[str] = ()) -> Message[Any] | None:
        """Return a plain Dramatiq actor's message that was taken from a queue and has the options it `needs`.

        One that Dramatiq would trip over is named in the log, and None is returned.
        """
        try:
            return self._plain(body, queue=queue, needs=needs)
        except _Malformed as error:
            _log_dropped(body, queue=queue, why=error)
            return None

    def _bell(self, entry: str, *, queue: str) -> Message[Any]:
        job_id, _, rest = entry.partition(":")
        start, _, actor = rest.partition(":")
        try:
            bell = Bell(UUID(job_id), int(start), actor, queue)
        except ValueError:
            raise _Malformed("it is neither a bell nor a message") from None
        if not 0 <= bell.fence <= MOST_STARTS:
            raise _Malformed("no job can have started so often")
        if not isinstance(self.actors.get(actor), JobActor):
            raise _Malformed("this code has no such job")
        kwargs = {BELL: [str(bell.job_id), bell.fence, queue]}
        return Message(queue, actor, args=(), kwargs=kwargs, options={}, message_id=bell.key)

    def _plain(self, body: bytes, *, queue: str, needs: Iterable[str]) -> Message[Any]:
        try:
            message: Message[Any] = Message.decode(body)
        except DecodeError:
            raise _Malformed("it cannot be decoded") from None
        if not _is_sound(message, queue=queue, needs=needs):
            raise _Malformed("its fields are not a message's")
        actor = self.actors.get(message.actor_name)
        if actor is None or isinstance(actor, JobActor):
            raise _Malformed("this code has no such plain actor, and jobs come by a bell")
        return message


class _Malformed(Exception):
    """What came out of a queue is nothing that this code can run; the text says why."""


def as_entry(bell: Bell) -> str:
    """Return what travels for a bell; `LedgerBroker.read_bell` reads it."""
    return f"{bell.key}:{bell.actor}"


def is_bell(message: Any) -> bool:
    """Return whether a message, or the proxy of one, is a bell."""
    return BELL in message.kwargs


def _is_sound(message: Message[Any], *, queue: str, needs: Iterable[str]) -> bool:
    """Return whether Dramatiq can handle the message: a wrong type would end a consumer or a worker's thread."""
    return (
        message.queue_name == queue
        and isinstance(message.actor_name, str)
        and isinstance(message.message_id, str)
        and isinstance(message.kwargs, dict)
        and isinstance(message.options, dict)
        and "eta" not in message.options
        and all(isinstance(message.options.get(name), str) for name in needs)
    )


def _log_dropped(body: bytes, *, queue: str, why: _Malformed) -> None:
    log.warning("A malformed message in the queue %s was dropped, %s: %.100r", queue, why, body[:100])

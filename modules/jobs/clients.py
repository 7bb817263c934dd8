"""The broker, as the ledger sees it: a row of bells. What it loses, the ledger rings again."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast
from uuid import UUID

import redis
from dramatiq import get_broker
from dramatiq.errors import BrokerConnectionError as BrokerError

log = logging.getLogger("backroom.jobs")

SILENCE_SECONDS = 1.0  # how long no bell is tried after the broker failed, so that no request waits twice


@dataclass(frozen=True)
class Bell:
    """All that travels through the broker: which job, and which start of it may begin."""

    job_id: UUID
    fence: int
    actor: str
    queue: str

    @property
    def key(self) -> str:
        """Return the bell's name inside the broker; the same bell rung twice has the same one."""
        return f"{self.job_id}:{self.fence}"


class BellBroker(Protocol):
    """What the ledger needs of a transport."""

    def ring(self, bells: Sequence[Bell]) -> dict[str, int]:
        """Put the bells into their queues' lanes; return how long each lane now is."""

    def lane(self, queue: str) -> list[str]:
        """Return the keys of the bells that wait in a queue's lane."""


class BrokerDown(Exception):
    """The broker cannot be reached now; the ledger keeps everything until it can."""


_silent_until = 0.0
_full_until: dict[str, float] = {}


def ring(bells: Sequence[Bell], *, lane_length: int) -> bool:
    """Ring and return True, or return False when the broker is away: never raises, never waits long."""
    global _silent_until  # noqa: PLW0603 -- each process has its own view of the broker
    if time.monotonic() < _silent_until:
        return False
    try:
        lengths = _broker().ring(bells)
    except (redis.RedisError, BrokerError, OSError) as error:
        _silent_until = time.monotonic() + SILENCE_SECONDS
        log.warning("bells=%d not rung, the ledger keeps them: %s", len(bells), error)
        return False
    for queue, length in lengths.items():
        if length >= lane_length:
            _full_until[queue] = time.monotonic() + SILENCE_SECONDS
    return True


def may_ring(queue: str) -> bool:
    """Return whether a new job's bell may be rung at once, past the dispatcher: not while its lane is full."""
    return time.monotonic() >= _full_until.get(queue, 0.0)


def lane(queue: str) -> list[str]:
    """Return the keys of the bells that wait in a queue's lane; raises BrokerDown."""
    try:
        return _broker().lane(queue)
    except (redis.RedisError, BrokerError, OSError) as error:
        raise BrokerDown(str(error)) from error


def _broker() -> BellBroker:
    return cast("BellBroker", get_broker())

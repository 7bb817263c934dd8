"""The broker, as the ledger sees it: a row of bells. What it loses, the ledger rings again.

And the webhooks that alerts are sent to, in the form that Slack and those that imitate it take.
"""

import logging
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Protocol, cast
from uuid import UUID

import redis
from dramatiq import get_broker
from dramatiq.errors import BrokerConnectionError as BrokerError
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import Url, make_headers, parse_url

from modules.jobs.domain import PermanentError
from modules.kernel.http import AnswerTooLong, AnswerTooSlow, answered, chunks, new_pool
from modules.kernel.jsontext import json_bytes

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

    def mend_lane(self, queue: str) -> None:
        """Make room for a queue's lane where the broker keeps something else under its name."""


class BrokerDown(Exception):
    """The broker cannot be reached now; the ledger keeps everything until it can."""


class LaneBroken(BrokerDown):
    """The broker keeps something else under the lane's name; everything else in it is well."""


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
    """Return the keys of the bells that wait in a queue's lane; raises BrokerDown, LaneBroken."""
    try:
        return _broker().lane(queue)
    except redis.ResponseError as error:
        raise (LaneBroken if is_wrong_type(error) else BrokerDown)(str(error)) from error
    except (redis.RedisError, BrokerError, OSError) as error:
        raise BrokerDown(str(error)) from error


def broken_lanes(queues: Sequence[str]) -> list[str]:
    """Return the queues in whose lane's place the broker keeps something else; raises BrokerDown."""
    return [queue for queue in queues if not _is_lane(queue)]


def _is_lane(queue: str) -> bool:
    try:
        lane(queue)
    except LaneBroken:
        return False
    return True


def is_wrong_type(error: Exception) -> bool:
    """Return whether Redis says that a key holds another kind of value than the command is for."""
    return str(error).startswith("WRONGTYPE")


def mend_lane(queue: str) -> None:
    """Let a queue have its lane again, whatever took its name; raises BrokerDown."""
    try:
        _broker().mend_lane(queue)
    except (redis.RedisError, BrokerError, OSError) as error:
        raise BrokerDown(str(error)) from error


def _broker() -> BellBroker:
    return cast("BellBroker", get_broker())


WEBHOOK_SECONDS = 10.0  # for a whole call
WEBHOOK_ANSWER_BYTES = 64 * 1024
_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


class WebhookUnavailable(Exception):
    """The webhook cannot be reached or has no time now; another try may help. Never says the address."""


class WebhookRefused(PermanentError):
    """The webhook's address is wrong or not allowed, or it does not want the message. Never says the address."""


def post_webhook(url: str, *, text: str, may_be_private: bool = False) -> None:
    """Send `text` as Slack's incoming webhooks take it; raises WebhookUnavailable, WebhookRefused.

    Only https, and only to public addresses, unless `may_be_private`: the name is looked up once and that very
    address is called, so a name that changes its mind leads nowhere else. No redirects, no proxies, at most
    10 s and 64 KiB. Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    """
    target = _webhook_target(url, may_be_private=may_be_private)
    address = _webhook_address(target, may_be_private=may_be_private)
    addressed = target._replace(auth=None, host=f"[{address}]" if ":" in address else address).url
    until, step_seconds = time.monotonic() + WEBHOOK_SECONDS, WEBHOOK_SECONDS / 2
    try:
        with (
            new_pool(read_seconds=step_seconds, connect_seconds=step_seconds, server_name=_bare_host(target)) as pool,
            answered(pool, "POST", addressed, headers=_headers(target), body=json_bytes({"text": text})) as response,
        ):
            _read_a_little(response, until=until)
    except HTTPError as error:
        raise WebhookUnavailable(f"The webhook gave no answer ({type(error).__name__}).") from None
    _judge(response.status)


def _webhook_target(url: str, *, may_be_private: bool) -> Url:
    try:
        target = parse_url(url)
    except LocationParseError:
        raise WebhookRefused("The webhook's address is not a URL.") from None
    if target.scheme not in ({"http", "https"} if may_be_private else {"https"}) or not target.host:
        raise WebhookRefused("A webhook's address starts with https:// and names a host.")
    return target


def _bare_host(target: Url) -> str:
    return str(target.host).strip("[]")


def _headers(target: Url) -> dict[str, str]:
    credentials = make_headers(basic_auth=target.auth) if target.auth else {}
    return {"Host": str(target.netloc), "Content-Type": "application/json", **credentials}


def _webhook_address(target: Url, *, may_be_private: bool) -> str:
    try:
        found = socket.getaddrinfo(_bare_host(target), target.port or 443, type=socket.SOCK_STREAM)
    except OSError:
        raise WebhookUnavailable("The webhook's host has no address now.") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not may_be_private and not all(is_public(address) for address in addresses):
        raise WebhookRefused("The webhook leads into a private network; ALERT_WEBHOOK_MAY_BE_PRIVATE would allow it.")
    return addresses[0]


# Forms of IPv6 that carry an IPv4 address or belong to one network, and that `is_global` takes for public.
_DISGUISES = [
    ip_network(text) for text in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10")
]


def is_public(address: str) -> bool:
    """Return whether the IP address belongs to the public Internet; False for what is no address."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return is_public(str(found.ipv4_mapped))
        if any(found in network for network in _DISGUISES):
            return False
    return found.is_global and not found.is_multicast


def _read_a_little(response: BaseHTTPResponse, *, until: float) -> None:
    """Read the answer's body but keep nothing of it: the status has been read, what else it says is of no interest."""
    with suppress(AnswerTooLong, AnswerTooSlow):
        for _chunk in chunks(response, max_bytes=WEBHOOK_ANSWER_BYTES, seconds=until - time.monotonic(), is_raw=True):
            pass


def _judge(status: int) -> None:
    if HTTPStatus(200) <= status < HTTPStatus(300):
        return
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _PASSING:
        raise WebhookUnavailable(f"The webhook answered {status}.")
    raise WebhookRefused(f"The webhook answered {status}.")

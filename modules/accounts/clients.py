"""Redis, for one thing: how many requests a token and its tenant may still make."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import cast

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger("backroom.accounts")

TIMEOUT_SECONDS = 0.25  # a request waits this long for its permission at most
SILENCE_SECONDS = 1.0  # how long Redis is not asked after it failed

# Each bucket holds a minute's worth and fills evenly. A request takes one from all of them or from none.
_TAKE = """
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local left, limit, wait = nil, nil, 0
local levels = {}
for i, key in ipairs(KEYS) do
  local size = tonumber(ARGV[i])
  local kept = redis.call('HMGET', key, 'level', 'at')
  local level = math.min(size, (tonumber(kept[1]) or size) + math.max(0, now - (tonumber(kept[2]) or now)) * size / 60)
  levels[i] = level
  if level < 1 then wait = math.max(wait, (1 - level) * 60 / size) end
  if left == nil or level < left then left, limit = level, size end
end
for i, key in ipairs(KEYS) do
  local level = levels[i]
  if wait == 0 then level = level - 1 end
  redis.call('HSET', key, 'level', tostring(level), 'at', string.format('%.6f', now))
  redis.call('EXPIRE', key, 120)
end
if wait == 0 then left = left - 1 end
return {tostring(limit), tostring(left), tostring(wait)}
"""


@dataclass(frozen=True)
class Allowance:
    """What is left of the tighter bucket after this request."""

    limit: int
    remaining: int
    full_in_seconds: float
    wait_seconds: float
    """Not 0 when the request is one too many: how long until the next one may come."""


_silent_until = 0.0


def take(buckets: Mapping[str, int]) -> Allowance | None:
    """Take one request from each bucket (its name, its size per minute); None, and so unlimited, without Redis."""
    global _silent_until  # noqa: PLW0603 -- each process has its own view of Redis
    if time.monotonic() < _silent_until:
        return None
    keys = [f"backroom:api:{name}" for name in buckets]
    try:
        found = _client(settings.REDIS_URL).eval(_TAKE, len(keys), *keys, *map(str, buckets.values()))
    except (redis.RedisError, OSError) as error:
        _silent_until = time.monotonic() + SILENCE_SECONDS
        log.warning("API requests are not limited for now: %s", error)
        return None
    limit, left, wait = (float(text) for text in cast("list[bytes]", found))
    return Allowance(int(limit), max(0, int(left)), (limit - left) * 60 / limit, wait)


@cache
def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_connect_timeout=TIMEOUT_SECONDS, socket_timeout=TIMEOUT_SECONDS, retry=Retry(NoBackoff(), 0)
    )

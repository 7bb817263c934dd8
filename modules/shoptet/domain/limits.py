"""When a shop may be called again, and what it may be called with."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

DEFAULT_WAIT = timedelta(seconds=14)  # a full bucket (200) drains in 20 s at 10/s; most waits are partial
MAX_WAIT = timedelta(minutes=15)
ACCESS_TOKENS_AT_ONCE = 5  # of an add-on in a shop; a sixth is refused
ACCESS_TOKEN_LIFE = timedelta(minutes=30)
_TOKEN = re.compile(r"[\x21-\x7e]{1,255}")


def retry_at(header: str | None, *, now: datetime, shop_time: datetime) -> datetime:
    """Return when a refused request may be sent again: `Retry-After` as a date or seconds, bounded.

    A date is taken as the time left on the shop's own clock, so that ours need not agree. Absent, unreadable
    or past: 14 seconds from `now`. Never more than 15 minutes from `now`.
    """
    wait = _retry_after(header or "", shop_time=shop_time)
    return now + (min(wait, MAX_WAIT) if wait and wait > timedelta(0) else DEFAULT_WAIT)


def _retry_after(header: str, *, shop_time: datetime) -> timedelta | None:
    if (seconds := header.strip()).isdecimal():
        return timedelta(seconds=int(seconds[:8]))
    asked = read_http_date(header)
    return asked - shop_time if asked else None


def read_http_date(header: str) -> datetime | None:
    """Return the instant of an HTTP date, or None for what is none."""
    try:
        instant = parsedate_to_datetime(header)
    except (ValueError, TypeError, OverflowError):
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def is_token(value: Any) -> bool:
    """Say whether a value can be sent as a token at all."""
    return isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def next_access_token_at(fetched: Sequence[datetime], *, now: datetime) -> datetime | None:
    """Return when another access token may be fetched, None for now; `fetched` is when the former ones were."""
    alive = sorted(at for at in fetched if at > now - ACCESS_TOKEN_LIFE)
    if len(alive) < ACCESS_TOKENS_AT_ONCE:
        return None
    return alive[-ACCESS_TOKENS_AT_ONCE] + ACCESS_TOKEN_LIFE

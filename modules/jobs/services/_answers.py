"""A request with an Idempotency-Key is done once; whoever asks again with the key is told the same."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, connection, transaction

from modules.jobs.models import KeyedAnswer

LOCK_NOT_AVAILABLE = "55P03"  # of PostgreSQL: lock_timeout has run out
KEEP = timedelta(hours=24)
WAIT_SECONDS = 5  # for another request with the key that is being done now


class KeyReused(Exception):
    """The key belongs to another request."""


class StillAnswering(Exception):
    """The first request with this key has not ended yet."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a request is answered with."""

    status: int
    body: str
    """JSON; told again, it is the same to the byte."""
    location: str = ""
    is_repeated: bool = False


def answer_once(act: Callable[[], Answer], *, tenant_id: int, key: str, fingerprint: str, now: datetime) -> Answer:
    """Do `act` in one transaction with the key, or return what it answered in the last 24 hours.

    Two at once: the second waits for the first. An error undoes the key with all else, so that a corrected
    request may use it again. Raises KeyReused, StillAnswering.
    """
    with transaction.atomic():
        row_id = _take(tenant_id, key, fingerprint, now=now)
        if row_id is None:
            return _repeat(tenant_id, key, fingerprint)
        answer = act()
        KeyedAnswer.objects.filter(id=row_id).update(status=answer.status, body=answer.body, location=answer.location)
    return answer


_TAKE = """
    INSERT INTO jobs_keyedanswer (tenant_id, key, fingerprint, location, body, created_at)
    VALUES (%(tenant_id)s, %(key)s, %(fingerprint)s, '', '', %(now)s)
    ON CONFLICT (tenant_id, key) DO UPDATE
        SET fingerprint = excluded.fingerprint, created_at = excluded.created_at
        WHERE jobs_keyedanswer.created_at <= %(stale)s
    RETURNING id"""


def _take(tenant_id: int, key: str, fingerprint: str, *, now: datetime) -> int | None:
    """Return the row's id when the key is this request's, None when another has had it in the last 24 hours."""
    params: dict[str, Any] = {
        "tenant_id": tenant_id,
        "key": key,
        "fingerprint": fingerprint,
        "now": now,
        "stale": now - KEEP,
    }
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{WAIT_SECONDS}s'")
        try:
            cursor.execute(_TAKE, params)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != LOCK_NOT_AVAILABLE:
                raise
            raise StillAnswering(key) from None
        row = cursor.fetchone()
    return int(row[0]) if row else None


def _repeat(tenant_id: int, key: str, fingerprint: str) -> Answer:
    row = KeyedAnswer.objects.get(tenant_id=tenant_id, key=key)
    if row.fingerprint != fingerprint:
        raise KeyReused(key)
    return Answer(status=row.status or 0, body=row.body, location=row.location, is_repeated=True)


def prune_answers(*, now: datetime, limit: int) -> int:
    """Delete at most `limit` answers that nobody may ask for any more; return how many went. Safe to repeat."""
    old = KeyedAnswer.objects.filter(created_at__lte=now - KEEP).order_by("created_at").values("id")[:limit]
    return KeyedAnswer.objects.filter(id__in=old).delete()[0]

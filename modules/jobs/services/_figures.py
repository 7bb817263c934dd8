"""Counts the runs of the ledger, each exactly once: for Prometheus, for charts and for alerts."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from modules.jobs.domain import DURATION_BUCKETS, FAILURES, Outcome
from modules.jobs.models import Alert, Bookmark, RunMinute

COUNT_CHUNK = 50_000  # runs that one statement counts at most; a ledger of ten million is caught up in minutes


def count_runs() -> int:
    """Add the runs that ended since the last count to totals, minutes and streaks; return how many.

    Safe to repeat and to run in many processes: the place in the ledger moves in the same transaction. A run is
    counted when no transaction can bring an older one any more, a moment after it ended.
    """
    with transaction.atomic():
        place = _take_bookmark()
        if place is None:
            return 0
        upto = min(_settle(place), place.counted_id + COUNT_CHUNK)
        counted = _count(after=place.counted_id, upto=upto) if upto > place.counted_id else 0
        place.counted_id = upto
        place.save(update_fields=["counted_id", "next_id", "writers"])
    return counted


def take_turn(field: str, *, every: timedelta, now: datetime) -> bool:
    """Return whether this process is the one to do now what is done once in a while in one of them."""
    Bookmark.objects.get_or_create(id=1)
    # A time in the future is no reason to wait for it: somebody's clock was wrong.
    done = {f"{field}__gt": now - every, f"{field}__lte": now}
    return Bookmark.objects.filter(id=1).exclude(**done).update(**{field: now}) == 1


def note_tick(*, now: datetime) -> None:
    """Remember that the scheduler lives."""
    Bookmark.objects.update_or_create(id=1, defaults={"ticked_at": now})


def prune_figures(*, minutes_before: datetime, alerts_before: datetime) -> int:
    """Delete minutes, and alerts that closed, from before then; totals stay. Return how many rows went."""
    minutes, _ = RunMinute.objects.filter(minute_at__lt=minutes_before).delete()
    alerts, _ = Alert.objects.filter(closed_at__lt=alerts_before).delete()
    return minutes + alerts


def _take_bookmark() -> Bookmark | None:
    """Return the bookmark, locked; None when another process has it."""
    Bookmark.objects.get_or_create(id=1)
    return Bookmark.objects.select_for_update(skip_locked=True).filter(id=1).first()


def _settle(place: Bookmark) -> int:
    """Return the id up to which every run that there will ever be is visible, and note where to look next time.

    Numbers are drawn before their rows commit, so a smaller one may still appear. Whoever draws one holds a lock
    on the table from before the draw until the commit: when those who held it then are gone, the numbers
    that were drawn by then are settled.
    """
    newest, writers = _newest_id(), _writers()  # in this order
    if set(place.writers) & set(writers):
        return place.counted_id
    settled = place.next_id if writers else newest
    place.next_id, place.writers = newest, writers
    return settled


def _newest_id() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM jobs_attempt_id_seq")
        return int(cursor.fetchone()[0])


def _writers() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT virtualtransaction FROM pg_locks
            WHERE locktype = 'relation' AND relation = 'jobs_attempt'::regclass AND mode = 'RowExclusiveLock'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND pid IS DISTINCT FROM pg_backend_pid()"""
        )
        return [row[0] for row in cursor.fetchall()]


_FIGURES = f"""count(*), sum(seconds), ARRAY[{
    ", ".join(f"count(*) FILTER (WHERE seconds <= {bound})" for bound in DURATION_BUCKETS)
}]"""
_ADD = """count = known.count + excluded.count, seconds = known.seconds + excluded.seconds, buckets = ARRAY(
        SELECT old + new FROM unnest(known.buckets, excluded.buckets) WITH ORDINALITY AS pair(old, new, place)
        ORDER BY place)"""
_FAILURES = ", ".join(f"'{outcome}'" for outcome in FAILURES)
_FAILED = f"outcome IN ({_FAILURES})"

_COUNT = f"""
    WITH run AS MATERIALIZED (
        SELECT attempt.id, job.actor, job.queue, attempt.outcome, attempt.ended_at,
            greatest(extract(epoch FROM attempt.ended_at - attempt.started_at), 0)::float8 AS seconds
        FROM jobs_attempt attempt JOIN jobs_job job ON job.id = attempt.job_id
        WHERE attempt.id > %(after)s AND attempt.id <= %(upto)s),
    totals AS (
        INSERT INTO jobs_runtotal AS known (actor, queue, outcome, count, seconds, buckets)
        SELECT actor, queue, outcome, {_FIGURES} FROM run GROUP BY actor, queue, outcome
        ON CONFLICT (actor, queue, outcome) DO UPDATE SET {_ADD}),
    minutes AS (
        INSERT INTO jobs_runminute AS known (minute_at, actor, queue, outcome, count, seconds, buckets)
        SELECT date_trunc('minute', ended_at), actor, queue, outcome, {_FIGURES} FROM run GROUP BY 1, 2, 3, 4
        ON CONFLICT (minute_at, actor, queue, outcome) DO UPDATE SET {_ADD}),
    last AS (
        SELECT actor, max(id) FILTER (WHERE outcome = '{Outcome.SUCCEEDED}') AS success FROM run GROUP BY actor),
    tail AS (
        SELECT run.actor, success, count(*) FILTER (WHERE {_FAILED} AND (success IS NULL OR id > success)) AS failures
        FROM run JOIN last ON last.actor = run.actor GROUP BY run.actor, success),
    streaks AS (
        INSERT INTO jobs_streak (actor, failures)
        SELECT tail.actor, tail.failures + CASE WHEN success IS NULL THEN coalesce(before.failures, 0) ELSE 0 END
        FROM tail LEFT JOIN jobs_streak before ON before.actor = tail.actor
        ON CONFLICT (actor) DO UPDATE SET failures = excluded.failures)
    SELECT count(*) FROM run"""


def _count(**bounds: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, bounds)
        return int(cursor.fetchone()[0])

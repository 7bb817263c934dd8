"""When a rule would have found something lately: asked of the ledger in one statement, however the rule is set now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db import connection, transaction

from modules.jobs.domain import FAILURES, WAITING, AlertKind, State
from modules.jobs.models import LONG
from modules.jobs.selectors._counts import UNFINISHED
from modules.jobs.selectors._search import LOOKED_AT

MOST = 2_000  # incidents read at most; nobody looks at more, and a chart of them is full
PATIENCE_MILLISECONDS = 8_000


@dataclass(frozen=True)
class PastIncident:
    """What a rule would have told of; `closed_at` is None for one that goes on."""

    subject: str
    opened_at: datetime
    closed_at: datetime | None


def past_incidents(
    kind: AlertKind, params: Mapping[str, Any], *, since: datetime, now: datetime
) -> list[PastIncident] | None:
    """Return the incidents since then that a rule with these limits would have opened, newest first; at most MOST.

    None for a rule that is told of by a command, of which nothing is kept. What runs are counted by the minute
    (FAILURES_IN_ROW, QUEUE_LENGTH) is true to the minute; a job that ran again counts with its last wait. For what
    `blind_spot` tells. Raises django.db.OperationalError where it takes longer than PATIENCE_MILLISECONDS.
    """
    if kind not in _QUERIES:
        return None
    values = {"since": since, "now": now, **{name: params.get(name) for name in ("over", "seconds", "times")}}
    values["sampled"] = LOOKED_AT if blind_spot(kind, params) == BlindSpot.SAMPLED else 0
    values |= {"only": list(params.get("only") or []), "most": MOST, "failures": [str(one) for one in FAILURES]}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, TRUE)", [str(PATIENCE_MILLISECONDS)])
        cursor.execute(f"{_HEAD} FROM ({_QUERIES[kind]}) AS found {_TAIL}", values)
        rows = cursor.fetchall()
        cursor.execute("SELECT set_config('statement_timeout', '0', TRUE)")
    return [PastIncident(*row) for row in rows]


class BlindSpot(StrEnum):
    """What no index knows, because it is nearly every job: what waited, or ran, under LONG."""

    LEFT_OUT = "left_out"
    SAMPLED = "sampled"
    """Among the newest LOOKED_AT jobs alone they are looked for."""


def blind_spot(kind: AlertKind, params: Mapping[str, Any]) -> BlindSpot | None:
    """Return what the past incidents of a rule with these limits do not tell of; None where they tell of all."""
    if kind == AlertKind.QUEUE_LENGTH:
        return BlindSpot.LEFT_OUT
    is_of_times = kind in {AlertKind.QUEUE_WAIT, AlertKind.NO_WORKER, AlertKind.JOB_RUNS_LONG}
    return BlindSpot.SAMPLED if is_of_times and params["seconds"] < LONG.total_seconds() else None


def per_hour(incidents: list[PastIncident], *, now: datetime, hours: int) -> list[tuple[datetime, int]]:
    """Return of each of the last hours, the oldest first, how many incidents were open in it."""
    last = now.replace(minute=0, second=0, microsecond=0)
    starts = [last - timedelta(hours=back) for back in range(hours - 1, -1, -1)]
    return [(start, sum(_touches(one, start) for one in incidents)) for start in starts]


def _touches(one: PastIncident, start: datetime) -> bool:
    return one.opened_at < start + timedelta(hours=1) and (one.closed_at is None or one.closed_at > start)


_HEAD = "SELECT subject, greatest(opened_at, %(since)s), CASE WHEN closed_at < %(now)s THEN closed_at END"
_TAIL = """
    WHERE coalesce(closed_at, %(now)s) > %(since)s
        AND (%(only)s::text[] = '{}' OR split_part(subject, ' ', 1) = ANY(%(only)s))
    ORDER BY opened_at DESC, subject LIMIT %(most)s"""

_LONG = f"interval '{LONG.total_seconds():.0f} seconds'"
_ALIVE = tuple(part for part, state in UNFINISHED)
_QUEUED = tuple(part for part, state in UNFINISHED if state == State.QUEUED)
_NEWEST = """%(sampled)s > 0 AND jobs_job.id > coalesce(
    (SELECT id FROM jobs_job ORDER BY id DESC OFFSET %(sampled)s LIMIT 1), '00000000-0000-0000-0000-000000000000')"""


def _united(*parts: str) -> str:
    return " UNION ALL ".join(parts)


def _states(*states: str) -> str:
    return ", ".join(f"'{state}'" for state in states)


# Each job's last wait, from when it could start until it did, was cancelled, or now; each part is worded as an index.
# What has another end has started. The last part is for limits under LONG alone.
_STILL = (f"SELECT queue, run_at AS from_at, %(now)s AS to_at FROM jobs_job WHERE {part}" for part in _QUEUED)
_STARTED = f"SELECT queue, run_at, started_at FROM jobs_job WHERE state NOT IN ({_states(State.QUEUED, *WAITING)})"
_ALL_WAITS = _united(
    *_STILL,
    f"{_STARTED} AND started_at - run_at > {_LONG} AND started_at > %(since)s",
    f"""SELECT queue, run_at, finished_at FROM jobs_job WHERE state = '{State.CANCELLED}'
        AND finished_at > %(since)s AND (started_at >= run_at) IS NOT TRUE""",
    f"{_STARTED} AND {_NEWEST} AND started_at - run_at BETWEEN interval '0 s' AND {_LONG}",
)
_WAITS = f"waits AS ({_ALL_WAITS})"
_PATIENCE = "make_interval(secs => %(seconds)s)"
_SPANS = f"""
    SELECT queue, range_agg(tstzrange(from_at + {_PATIENCE}, to_at)) AS spans FROM waits
    WHERE to_at > greatest(from_at + {_PATIENCE}, %(since)s) GROUP BY queue"""
_EACH = "lower(span) AS opened_at, upper(span) AS closed_at"

_QUEUE_WAIT = f"""
    WITH {_WAITS} SELECT queue AS subject, {_EACH} FROM (
        SELECT queue, unnest(spans) AS span FROM ({_SPANS}) AS merged) AS each_one"""

_NO_WORKER = f"""
    WITH {_WAITS},
    served AS (
        SELECT unnest(queues) AS queue, range_agg(tstzrange(started_at, coalesce(stopped_at, lease_until))) AS spans
        FROM jobs_worker WHERE coalesce(stopped_at, lease_until) > greatest(started_at, %(since)s) GROUP BY 1)
    SELECT queue AS subject, {_EACH} FROM (
        SELECT queue, unnest(merged.spans - coalesce(served.spans, '{{}}'::tstzmultirange)) AS span
        FROM ({_SPANS}) AS merged LEFT JOIN served USING (queue)) AS each_one"""

# A step up when a job could start, a step down when it did; those that started in the same minute, or within LONG, are
# left out.
_QUEUE_LENGTH = f"""
    WITH {_WAITS},
    long_waits AS (
        SELECT queue, date_trunc('minute', from_at) AS from_at, date_trunc('minute', to_at) AS to_at FROM waits
        WHERE date_trunc('minute', from_at) < date_trunc('minute', to_at)),
    steps AS (
        SELECT queue, from_at AS at, count(*) AS change FROM long_waits GROUP BY 1, 2
        UNION ALL SELECT queue, to_at, -count(*) FROM long_waits GROUP BY 1, 2),
    levels AS (
        SELECT queue, at, sum(sum(change)) OVER turns AS ready, coalesce(lead(at) OVER turns, %(now)s) AS until
        FROM steps GROUP BY queue, at WINDOW turns AS (PARTITION BY queue ORDER BY at))
    SELECT queue AS subject, {_EACH} FROM (
        SELECT queue, unnest(range_agg(tstzrange(at, until))) AS span FROM levels
        WHERE ready > %(over)s AND until > at GROUP BY queue) AS each_one"""

# A minute with a success ends a row; its own failures may have come before the success and are not counted.
_FAILURES_IN_ROW = """
    WITH bad_minutes AS MATERIALIZED (
        SELECT actor, minute_at, sum(count) AS bad FROM jobs_runminute AS failed
        WHERE minute_at >= %(since)s - interval '1 d' AND outcome = ANY(%(failures)s) AND NOT EXISTS (
            SELECT FROM jobs_runminute AS good
            WHERE good.outcome = 'succeeded' AND (good.actor, good.minute_at) = (failed.actor, failed.minute_at))
        GROUP BY actor, minute_at),
    in_rows AS (
        SELECT actor, minute_at, bad, (
            SELECT minute_at FROM jobs_runminute AS good
            WHERE good.outcome = 'succeeded' AND good.actor = bad_minutes.actor
                AND good.minute_at > bad_minutes.minute_at ORDER BY minute_at LIMIT 1) AS closed_at
        FROM bad_minutes),
    streaks AS (
        SELECT *, sum(bad) OVER (PARTITION BY actor, closed_at ORDER BY minute_at) AS streak FROM in_rows)
    SELECT actor AS subject, min(minute_at) AS opened_at, closed_at
    FROM streaks WHERE streak >= %(times)s GROUP BY actor, closed_at"""

_JOB_RUNS_LONG = f"""
    SELECT actor || ' ' || jobs_job.id AS subject, attempt.started_at + {_PATIENCE} AS opened_at,
        attempt.ended_at AS closed_at
    FROM jobs_attempt attempt JOIN jobs_job ON jobs_job.id = attempt.job_id
    WHERE attempt.ended_at > greatest(attempt.started_at + {_PATIENCE}, %(since)s)
        AND attempt.ended_at - attempt.started_at > {_LONG}
    UNION ALL SELECT actor || ' ' || jobs_job.id, attempt.started_at + {_PATIENCE}, attempt.ended_at
    FROM jobs_job JOIN jobs_attempt attempt ON attempt.job_id = jobs_job.id
    WHERE {_NEWEST}
        AND attempt.ended_at > greatest(attempt.started_at + {_PATIENCE}, %(since)s)
        AND attempt.ended_at - attempt.started_at <= {_LONG}
    UNION ALL SELECT actor || ' ' || id, started_at + {_PATIENCE}, NULL FROM jobs_job
    WHERE state = '{State.RUNNING}' AND started_at + {_PATIENCE} < %(now)s"""

_SCHEDULE_MISSED = f"""
    SELECT key AS subject, least(due_at + {_PATIENCE}, fired_at) AS opened_at, fired_at AS closed_at
    FROM jobs_schedulefiring firing JOIN jobs_jobschedule ON jobs_jobschedule.id = firing.schedule_id
    WHERE outcome IN ('missed', 'unsupported') OR (outcome = 'fired' AND fired_at > due_at + {_PATIENCE})"""

_QUARANTINED = f"""
    SELECT actor AS subject, finished_at AS opened_at, NULL::timestamptz AS closed_at FROM (
        SELECT actor, finished_at, row_number() OVER (PARTITION BY actor ORDER BY finished_at, id) AS place
        FROM jobs_job WHERE state = '{State.QUARANTINED}') AS dead
    WHERE place = %(over)s + 1"""

_REPLAY_STOPPED = """
    SELECT '#' || id || ' ' || what AS subject, coalesce(ended_at, started_at) AS opened_at,
        CASE WHEN state <> 'stopped' THEN coalesce(ended_at, started_at) + interval '1 min' END AS closed_at
    FROM jobs_replay WHERE failed > %(over)s AND (stopped_for IN ('same_cause', 'other_cause') OR state <> 'stopped')"""

_TRIED_AGAIN = _united(
    "SELECT actor, created_at, finished_at AS until FROM jobs_job WHERE attempt > 1 AND finished_at > %(since)s",
    *(
        f"""SELECT actor, created_at, %(now)s FROM jobs_job
        WHERE {part} AND (attempt > 1 OR (fence > 0 AND state IN ({_states(*WAITING)})))"""
        for part in _ALIVE
    ),
)
_JOB_WAITS_LONG = f"""
    SELECT actor AS subject, {_EACH} FROM (
        SELECT actor, unnest(range_agg(tstzrange(created_at + {_PATIENCE}, until))) AS span
        FROM ({_TRIED_AGAIN}) AS tried_again WHERE until > created_at + {_PATIENCE} GROUP BY actor) AS each_one"""

_QUERIES: Mapping[AlertKind, str] = {
    AlertKind.FAILURES_IN_ROW: _FAILURES_IN_ROW,
    AlertKind.QUEUE_LENGTH: _QUEUE_LENGTH,
    AlertKind.QUEUE_WAIT: _QUEUE_WAIT,
    AlertKind.JOB_RUNS_LONG: _JOB_RUNS_LONG,
    AlertKind.SCHEDULE_MISSED: _SCHEDULE_MISSED,
    AlertKind.NO_WORKER: _NO_WORKER,
    AlertKind.QUARANTINED: _QUARANTINED,
    AlertKind.REPLAY_STOPPED: _REPLAY_STOPPED,
    AlertKind.JOB_WAITS_LONG: _JOB_WAITS_LONG,
}

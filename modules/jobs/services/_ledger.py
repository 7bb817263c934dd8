"""The one door through which a job changes its state: row, attempt, log line and signal move together."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from modules.jobs.domain import STOP, Failure, Move, Outcome, State
from modules.jobs.events import jobs_moved
from modules.kernel.secrets import mask_text

log = logging.getLogger("backroom.jobs")

_FIELDS = ("id", "actor", "queue", "tenant_id", "batch_id", "state", "fence", "attempt", "max_attempts", "crashes")
_COLUMNS = (*_FIELDS, "worker_id", "started_at")
_LOUD = {
    *("failed", "quarantined", "rescued", "replayed", "discarded", "cancelled", "stopped"),
    *("replaced", "postponed"),
}


@dataclass(frozen=True)
class MovedJob:
    """A job after a move."""

    id: UUID
    actor: str
    queue: str
    tenant_id: int | None
    batch_id: UUID | None
    state: str
    fence: int
    attempt: int
    max_attempts: int
    crashes: int
    extra: dict[str, Any]


@dataclass(frozen=True)
class Ending:
    """What the attempt's row keeps when a move ends a run."""

    outcome: Outcome
    failure: Failure | None = None
    log: str = ""


def move(
    kind: Move,
    *,
    where: str,
    params: dict[str, Any],
    ending: Ending | None = None,
    limit: int | None = None,
    order: str = "",
    returning: tuple[str, ...] = (),
) -> list[MovedJob]:
    """Move every job that is in one of the move's source states and fits `where`; return those that moved.

    One statement: what another process moved meanwhile is not in the result. `where` is SQL of ours with
    named parameters. With `limit`, the first in `order` are taken and rows that others hold are passed over.
    """
    sql = _sql(kind, where=where, limit=limit, order=order, returning=returning)
    return _execute(kind, sql, {**params, **_ending_values(ending)}, ending=ending, returning=returning)


def move_back(kind: Move, *, where: str, params: dict[str, Any], ending: Ending) -> list[MovedJob]:
    """Move jobs that run to where they wait, and cancel those that were asked to stop: they do not come back."""
    is_asked = "cancel_requested_at IS NOT NULL"
    back = move(kind, where=f"NOT {is_asked} AND {where}", params=params, ending=ending)
    return back + move(STOP, where=f"{is_asked} AND {where}", params=params, ending=ending)


_STARTS = "job_id uuid, start int, worker_id uuid, time_limit double precision, result jsonb, log text"
# The ids a second time, as an array: of a recordset the planner knows nothing, and reads every waiting job for it.
_THAT_START = "id = ANY(%(ids)s) AND id = batch.job_id AND fence = batch.start"

# Asked once, with the first row; holds for this statement's own transaction.
_WITHOUT_WAITING = " WHERE (SELECT set_config('synchronous_commit', 'off', TRUE)) IS NOT NULL"


def move_batch(
    kind: Move,
    batch: Sequence[dict[str, Any]],
    *,
    outcome: Outcome | None = None,
    unless: str = "FALSE",
    returning: tuple[str, ...] = (),
    record: str = _STARTS,
    match: str = _THAT_START,
    is_lasting: bool = True,
) -> list[MovedJob]:
    """Move the jobs of `batch` in one statement, each only in the start that its row names; return those that moved.

    Rows: job_id, start (the fence), and what the move needs of: worker_id, time_limit (seconds), result, log.
    Without `is_lasting` nobody waits for the disk: the move may be lost if PostgreSQL crashes within a second,
    but never while anything that was committed after it is kept. Other rows say by `record` what columns they
    have, none named as one of a job, and by `match` whose they are.
    """
    source = f"jsonb_to_recordset(%(batch)s::jsonb) AS batch({record})"
    sql = _sql(kind, where=f"{match} AND NOT {unless}", returning=returning, source=source)
    if not is_lasting and not connection.in_atomic_block:
        sql += _WITHOUT_WAITING
    ending = Ending(outcome) if outcome else None
    ids = [row["job_id"] for row in batch if "job_id" in row]
    params = {**_ending_values(ending), "ids": ids, "batch": json.dumps(batch, default=str)}
    return _execute(kind, sql, params, ending=ending, returning=returning)


def _execute(
    kind: Move, sql: str, params: dict[str, Any], *, ending: Ending | None, returning: tuple[str, ...]
) -> list[MovedJob]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        moved = [_moved(row, returning) for row in cursor.fetchall()]
    if moved:
        transaction.on_commit(lambda: _announce(kind, moved, ending), robust=True)
    return moved


def _sql(
    kind: Move, *, where: str, limit: int | None = None, order: str = "", returning: tuple[str, ...], source: str = ""
) -> str:
    sources = ", ".join(f"'{state}'" for state in kind.sources)
    condition = f"state IN ({sources}) AND ({where})"
    if limit is not None:
        # An array, because a subquery under IN may be run again, and would then pass its limit.
        condition = f"id = ANY(ARRAY(SELECT id FROM jobs_job WHERE {condition} {_some(limit, order)}))"
    assignments = f", {kind.assignments}" if kind.assignments else ""
    columns = ", ".join(f"jobs_job.{column}" for column in (*_COLUMNS, *returning))
    log = ", batch.log" if source and kind.ends_attempt else ""
    # The parts are constants of this package; values travel as parameters.
    update = f"""UPDATE jobs_job SET state = '{kind.target}'{assignments} {f"FROM {source}" if source else ""}
        WHERE {condition} RETURNING {columns}{log}"""
    noted = f", noted AS ({_insert_attempt('log' if source else '%(log)s')})" if kind.ends_attempt else ""
    return f"WITH moved AS ({update}){noted} SELECT * FROM moved"


def _some(limit: int, order: str) -> str:
    return f"{f'ORDER BY {order} ' if order else ''}LIMIT {limit:d} FOR UPDATE SKIP LOCKED"


def _insert_attempt(log: str) -> str:
    return f"""
    INSERT INTO jobs_attempt (job_id, number, worker_id, started_at, ended_at, outcome,
                              error_type, error_message, traceback, log)
    SELECT id, fence, worker_id, started_at, clock_timestamp(), %(outcome)s,
           %(error_type)s, %(error_message)s, %(traceback)s, coalesce({log}, '')
    FROM moved"""


def _ending_values(ending: Ending | None) -> dict[str, Any]:
    if ending is None:
        return {}
    failure = ending.failure or Failure("", "")
    return {
        "outcome": ending.outcome,
        "error_type": failure.error_type[:200],
        "error_message": failure.error_message,
        "traceback": failure.traceback,
        "fingerprint": failure.fingerprint,
        "log": ending.log,
    }


def _moved(row: tuple[Any, ...], returning: tuple[str, ...]) -> MovedJob:
    values = dict(zip((*_COLUMNS, *returning), row, strict=False))
    return MovedJob(**{name: values[name] for name in _FIELDS}, extra={name: values[name] for name in returning})


def _announce(kind: Move, moved: list[MovedJob], ending: Ending | None) -> None:
    level = logging.INFO if kind.name in _LOUD else logging.DEBUG
    failure = ending.failure if ending else None
    error = f" error={failure.error_type}: {mask_text(failure.error_message)}" if failure else ""
    for job in moved:
        log.log(
            logging.WARNING if job.state in {State.FAILED, State.QUARANTINED} else level,
            "job=%s actor=%s queue=%s tenant=%s start=%d attempt=%d/%d %s%s",
            *(job.id, job.actor, job.queue, job.tenant_id, job.fence, job.attempt, job.max_attempts, kind.name, error),
        )
    jobs_moved.send_robust(sender=Move, move=kind.name, jobs=moved)

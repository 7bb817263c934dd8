"""How a job enters the ledger: in the caller's transaction, and its bell rings after the commit."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from modules.jobs import clients, domain
from modules.jobs.clients import Bell
from modules.jobs.registry import InvalidArguments
from modules.jobs.services._ledger import move_batch
from modules.jobs.services._members import require_open
from modules.jobs.services._requests import JobRequest, Row, make_row
from modules.kernel.jsontext import json_bytes


class JobExists(Exception):
    """The unique key is taken; `job_id` holds it."""

    def __init__(self, unique_key: str, job_id: UUID) -> None:
        self.job_id = job_id
        super().__init__(f"The job {job_id} holds the unique key {unique_key!r}.")


def enqueue(actor: str, **options: Any) -> UUID:
    """Send one job to `actor` (its name) and return the job's id; options are those of JobRequest.

    Transactional: inside a transaction the job is there when that commits, and never if it does not.
    Raises UnknownActor, InvalidArguments, BatchClosed. With a `unique_key` that is taken, returns the id of its
    holder, or raises JobExists, as `on_conflict` says.
    """
    return enqueue_many([JobRequest(actor=actor, **options)])[0]


def enqueue_many(requests: Sequence[JobRequest]) -> list[UUID]:
    """Send many jobs with one INSERT and one ring; return their ids in the same order. See `enqueue`.

    All or nothing: when one is refused, none is sent.
    """
    batch_ids = {request.batch_id for request in requests if request.batch_id}
    may_refuse = batch_ids or any(request.on_conflict != "coalesce" for request in requests)
    with transaction.atomic() if may_refuse else nullcontext():
        tenants = require_open(batch_ids)
        return insert([make_row(request, batch_tenants=tenants) for request in requests])


def chain(first: JobRequest, *links: JobRequest) -> UUID:
    """Send `first`, and each of `links` when the one before has succeeded; return the first job's id.

    A success and the sending of what follows are one transaction. A link that fails stops the chain until it is
    replayed; one that is cancelled ends it. Each link's `delay` counts from the success before it.
    """
    return enqueue_many([replace(first, chain=(*first.chain, *links))])[0]


def insert(rows: list[Row]) -> list[UUID]:
    """Insert the rows and ring for them after the commit; return their jobs' ids, or those that hold their keys."""
    if not rows:
        return []
    _keep_lanes_short(rows)
    created, holders = _insert(rows)
    bells = [Bell(row["id"], 0, row["actor"], row["queue"]) for row in rows if row["rings"] and row["id"] in created]
    if bells:
        transaction.on_commit(lambda: _ring(bells), robust=True)
    return [row["id"] if row["id"] in created else holders[row["unique_key"]] for row in rows]


def _keep_lanes_short(rows: list[Row]) -> None:
    """Leave what would fill a lane to the dispatcher, which rings by priority and in turns."""
    bells: Counter[str] = Counter()
    most: int = settings.JOBS["LANE_LENGTH"]
    for row in rows:
        if row["rings"]:
            bells[row["queue"]] += 1
            row["rings"] = bells[row["queue"]] <= most


def _insert(rows: list[Row]) -> tuple[set[UUID], dict[str, UUID]]:
    """Insert the rows; return the ids that are new, and who holds the keys of the others."""
    if not any(row["unique_key"] for row in rows):
        with connection.cursor() as cursor:
            _write(cursor, rows)
        return {row["id"] for row in rows}, {}
    # In order of key, so that two senders of the same keys wait for each other and do not lock each other out.
    return _insert_unique(sorted(rows, key=lambda row: row["unique_key"] or ""))


def _insert_unique(rows: list[Row]) -> tuple[set[UUID], dict[str, UUID]]:
    created: set[UUID] = set()
    holders: dict[str, UUID] = {}
    missing = rows
    with connection.cursor() as cursor:
        while missing:
            _write(cursor, missing, and_then=_UNLESS_TAKEN)
            created |= {row[0] for row in cursor.fetchall()}
            taken = [row for row in missing if row["id"] not in created]
            holders |= _meet(cursor, taken)
            # A holder that ended between the two statements has freed its key: those rows try again.
            missing = [row for row in taken if row["unique_key"] not in holders]
    return created, holders


def _write(cursor: Any, rows: list[Row], *, and_then: str = "") -> None:
    """Insert the rows in one statement; what they have in common travels, and is read by PostgreSQL, once."""
    common = _common(rows)
    own = [name for name in _TYPES if name not in common]
    source = f"json_to_recordset(%s::json) AS job({_record(own)})"
    values: list[Any] = [[{name: row[name] for name in own} for row in rows]]
    if common:
        source += f" CROSS JOIN json_to_record(%s::json) AS common({_record(common)})"
        values.append(common)
    cursor.execute(_INSERT.format(source=source) + and_then, [json_bytes(value).decode() for value in values])


def _common(rows: list[Row]) -> Row:
    """Return the columns in which all of several rows are equal."""
    if len(rows) == 1:
        return {}
    columns = zip(*map(itemgetter(*_SHARED), rows), strict=True)
    return {
        name: column[0] for name, column in zip(_SHARED, columns, strict=True) if column.count(column[0]) == len(rows)
    }


def _record(names: Iterable[str]) -> str:
    return ", ".join(f"{name} {_TYPES[name]}" for name in names)


_TYPES = {
    "id": "uuid",
    "tenant_id": "bigint",
    "actor": "text",
    "queue": "text",
    "priority": "smallint",
    "arguments": "jsonb",
    "run_at": "timestamptz",
    "delay_seconds": "double precision",
    "rings": "boolean",
    "max_attempts": "smallint",
    "unique_key": "text",
    "unique_until": "text",
    "unique_seconds": "double precision",
    "cause_id": "uuid",
    "tags": "text[]",
    "resource": "text",
    "batch_id": "uuid",
    "chain": "jsonb",
}
_SHARED = [name for name in _TYPES if name not in {"id", "arguments"}]

_INSERT = """
    INSERT INTO jobs_job (id, tenant_id, actor, queue, priority, arguments, state, run_at, dispatched_at, created_at,
        max_attempts, unique_key, unique_until, unique_expires_at, cause_id, tags, resource, batch_id, chain,
        attempt, crashes, fence, progress_message, error_type, error_message, fingerprint)
    SELECT id, tenant_id, actor, queue, priority, arguments,
        CASE WHEN due_at > clock_timestamp() THEN 'scheduled' ELSE 'queued' END,
        coalesce(due_at, clock_timestamp()), CASE WHEN rings THEN clock_timestamp() END, clock_timestamp(),
        max_attempts, unique_key, unique_until, clock_timestamp() + make_interval(secs => unique_seconds),
        cause_id, tags, resource, batch_id, chain,
        0, 0, 0, '', '', '', ''
    FROM {source} CROSS JOIN LATERAL (
        SELECT coalesce(run_at, clock_timestamp() + make_interval(secs => delay_seconds)) AS due_at) AS due"""
_UNLESS_TAKEN = " ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL DO NOTHING RETURNING id"


def _meet(cursor: Any, taken: list[Row]) -> dict[str, UUID]:
    """Do what the rows say of a key that is taken; return the holders, without those that are gone meanwhile."""
    if not taken:
        return {}
    replaced = _take_over([row for row in taken if row["on_conflict"] == "replace"])
    others = [row for row in taken if row["unique_key"] not in replaced]
    holders = _holders(cursor, [row["unique_key"] for row in others])
    for row in others:
        if holder := holders.get(row["unique_key"]):
            _accept(row, *holder)
    return replaced | {key: holder[0] for key, holder in holders.items()}


def _accept(row: Row, job_id: UUID, actor: str, tenant_id: int | None) -> None:
    """Let another job stand for this one; raises JobExists, InvalidArguments."""
    if row["on_conflict"] == "reject":
        raise JobExists(row["unique_key"], job_id)
    if row["on_conflict"] == "replace" and (actor, tenant_id) != (row["actor"], row["tenant_id"]):
        raise InvalidArguments(f"{row['actor']}: unique_key: a job of another actor or tenant holds {job_id}.")


def _take_over(rows: list[Row]) -> dict[str, UUID]:
    """Give waiting holders of the same actor and tenant what the rows say; return those jobs by their keys."""
    newest = {row["unique_key"]: row for row in rows}  # of two with one key the later one counts
    return {
        **_take_over_by(domain.REPLACE, [row for row in newest.values() if not _is_later(row)]),
        **_take_over_by(domain.POSTPONE, [row for row in newest.values() if _is_later(row)]),
    }


def _is_later(row: Row) -> bool:
    return row["run_at"] is not None or row["delay_seconds"] is not None


def _take_over_by(kind: domain.Move, rows: list[Row]) -> dict[str, UUID]:
    if not rows:
        return {}
    moved = move_batch(
        kind,
        [{column: row[name] for column, name in _NEW.items()} for row in rows],
        record=_NEW_RECORD,
        match="unique_key = batch.new_key AND actor = batch.new_actor AND tenant_id IS NOT DISTINCT FROM batch.owner",
        returning=("unique_key", "dispatched_at"),
    )
    rings = {row["unique_key"] for row in rows if row["rings"]}
    bells = [
        Bell(job.id, job.fence, job.actor, job.queue)
        for job in moved
        if job.extra["unique_key"] in rings and not job.crashes
    ]
    if bells:
        transaction.on_commit(lambda: _ring(bells), robust=True)
    return {job.extra["unique_key"]: job.id for job in moved}


_NEW = {
    "new_key": "unique_key",
    "new_actor": "actor",
    "owner": "tenant_id",
    "new_queue": "queue",
    "new_priority": "priority",
    "new_arguments": "arguments",
    "new_max_attempts": "max_attempts",
    "new_tags": "tags",
    "new_resource": "resource",
    "new_chain": "chain",
    "unique_seconds": "unique_seconds",
    "due_at": "run_at",
    "delay_seconds": "delay_seconds",
    "rings": "rings",
}
_NEW_RECORD = """new_key text, new_actor text, owner bigint, new_queue text, new_priority smallint,
    new_arguments jsonb, new_max_attempts smallint, new_tags text[], new_resource text, new_chain jsonb,
    unique_seconds double precision, due_at timestamptz, delay_seconds double precision, rings boolean"""


def _holders(cursor: Any, keys: list[str]) -> dict[str, tuple[UUID, str, int | None]]:
    """Free the keys whose time is over; return who holds the others: id, actor and tenant."""
    if not keys:
        return {}
    cursor.execute(
        f"""WITH freed AS (UPDATE jobs_job SET unique_key = NULL WHERE unique_key = ANY(%(keys)s) AND {_IS_OVER})
        SELECT unique_key, id, actor, tenant_id FROM jobs_job
        WHERE unique_key = ANY(%(keys)s) AND ({_IS_OVER}) IS NOT TRUE""",
        {"keys": keys},
    )
    return {key: (job_id, actor, tenant_id) for key, job_id, actor, tenant_id in cursor.fetchall()}


# A key for a period whose job let go of it before: nobody needs to wake up at its end to free it.
_IS_OVER = """unique_expires_at <= clock_timestamp()
    AND (finished_at IS NOT NULL OR (unique_until = 'start' AND fence > 0))"""


def _ring(bells: list[Bell]) -> None:
    # A bell that does not ring is no loss: the dispatcher finds the row and rings it.
    clients.ring(bells, lane_length=settings.JOBS["LANE_LENGTH"])

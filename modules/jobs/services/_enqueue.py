"""How a job enters the ledger: in the caller's transaction, and its bell rings after the commit."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from modules.jobs import clients
from modules.jobs.clients import Bell
from modules.jobs.domain import running_job
from modules.jobs.registry import ActorSpec, InvalidArguments, get_spec
from modules.jobs.services._gates import Candidate, is_gated
from modules.kernel import clock
from modules.kernel.ids import uuid7


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """One job to be sent; what is left out comes from the actor, or from the job that sends it."""

    actor: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    queue: str | None = None
    priority: int | None = None
    run_at: datetime | None = None
    delay: timedelta | None = None
    """Not before this long from now; `run_at` wins."""
    unique_key: str | None = None
    """While an unfinished job holds the key, another send returns that job instead of making a new one."""
    resource: str | None = None
    """What the job uses together with others, like "shop:12": limits may count it."""
    tags: Sequence[str] = ()
    tenant_id: int | None = None
    max_attempts: int | None = None


def enqueue(actor: str, **options: Any) -> UUID:
    """Send one job to `actor` (its name) and return the job's id; options are those of JobRequest.

    Transactional: inside a transaction the job is there when that commits, and never if it does not.
    Raises UnknownActor, InvalidArguments. With a `unique_key` that is taken, returns the id of its holder.
    """
    return enqueue_many([JobRequest(actor=actor, **options)])[0]


def enqueue_many(requests: Sequence[JobRequest]) -> list[UUID]:
    """Send many jobs with one INSERT and one ring; return their ids in the same order. See `enqueue`."""
    rows = [_row(request) for request in requests]
    created, holders = _insert(rows)
    bells = [
        Bell(UUID(row["id"]), 0, row["actor"], row["queue"]) for row in rows if row["rings"] and row["id"] in created
    ]
    if bells:
        transaction.on_commit(lambda: _ring(bells), robust=True)
    return [UUID(row["id"]) if row["id"] in created else holders[row["unique_key"]] for row in rows]


def _insert(rows: list[dict[str, Any]]) -> tuple[set[str], dict[str, UUID]]:
    """Insert the rows; return the ids that are new, and who holds the keys of the others."""
    created: set[str] = set()
    holders: dict[str, UUID] = {}
    missing = rows
    with connection.cursor() as cursor:
        while missing:
            cursor.execute(_INSERT, [json.dumps(missing)])
            created |= {str(row[0]) for row in cursor.fetchall()}
            holders |= _holders(cursor, [row["unique_key"] for row in missing if row["id"] not in created])
            # A holder that ended between the two statements has freed its key: those rows try again.
            missing = [row for row in missing if row["id"] not in created and row["unique_key"] not in holders]
    return created, holders


_INSERT = """
    INSERT INTO jobs_job (id, tenant_id, actor, queue, priority, arguments, state, run_at, dispatched_at, created_at,
        max_attempts, unique_key, unique_until, cause_id, tags, resource,
        attempt, crashes, fence, progress_message, error_type, error_message, fingerprint)
    SELECT id, tenant_id, actor, queue, priority, arguments,
        CASE WHEN run_at > clock_timestamp() THEN 'scheduled' ELSE 'queued' END,
        coalesce(run_at, clock_timestamp()), CASE WHEN rings THEN clock_timestamp() END, clock_timestamp(),
        max_attempts, unique_key, unique_until, cause_id, tags, resource,
        0, 0, 0, '', '', '', ''
    FROM jsonb_to_recordset(%s::jsonb) AS request(id uuid, tenant_id bigint, actor text, queue text,
        priority smallint, arguments jsonb, run_at timestamptz, rings boolean, max_attempts smallint,
        unique_key text, unique_until text, cause_id uuid, tags text[], resource text)
    ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL DO NOTHING
    RETURNING id"""


def _row(request: JobRequest) -> dict[str, Any]:
    spec = get_spec(request.actor)
    sender = running_job.get()
    queue = request.queue or spec.queue
    run_at = request.run_at or (clock.now() + request.delay if request.delay else None)
    arguments = _arguments(spec, request)
    tenant_id = sender.tenant_id if sender and request.tenant_id is None else request.tenant_id
    resource = spec.resource_of(arguments) if request.resource is None else request.resource
    gated = is_gated(Candidate(None, 0, spec.name, queue, tenant_id, resource, 0))
    return {
        "id": str(uuid7()),
        "actor": spec.name,
        "queue": queue,
        "arguments": arguments,
        "priority": spec.priority if request.priority is None else request.priority,
        "run_at": run_at.isoformat() if run_at else None,
        "rings": run_at is None and not gated and clients.may_ring(queue),
        "max_attempts": request.max_attempts or spec.max_attempts,
        "unique_key": request.unique_key,
        "unique_until": spec.unique_until,
        "tenant_id": tenant_id,
        "cause_id": str(sender.id) if sender else None,
        "tags": list(request.tags),
        "resource": resource,
    }


def _arguments(spec: ActorSpec, request: JobRequest) -> dict[str, Any]:
    arguments = spec.bind(request.args, request.kwargs)
    size, limit = len(json.dumps(arguments)), settings.JOBS["MAX_ARGUMENT_BYTES"]
    if size > limit:
        raise InvalidArguments(
            f"{spec.name}: the arguments take {size} bytes, at most {limit} are kept; store the data and send its id."
        )
    return arguments


def _holders(cursor: Any, keys: list[str]) -> dict[str, UUID]:
    if not keys:
        return {}
    cursor.execute("SELECT unique_key, id FROM jobs_job WHERE unique_key = ANY(%s)", [keys])
    return dict(cursor.fetchall())


def _ring(bells: list[Bell]) -> None:
    # A bell that does not ring is no loss: the dispatcher finds the row and rings it.
    clients.ring(bells, lane_length=settings.JOBS["LANE_LENGTH"])

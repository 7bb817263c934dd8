"""What is asked for when a job is sent, and the row that it becomes, now or when its turn in a chain comes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from modules.jobs import clients
from modules.jobs.domain import running_job
from modules.jobs.registry import ActorSpec, InvalidArguments, get_spec
from modules.jobs.services._gates import is_gated
from modules.kernel.ids import uuid7
from modules.kernel.jsontext import json_bytes

MAX_LINKS = 100  # of a chain: each job carries those after it
MAX_KEY_LENGTH = 300  # characters of a unique key
ON_CONFLICT = ("coalesce", "reject", "replace")

Row = dict[str, Any]
"""A job that is about to be inserted, by the columns of the INSERT."""

Stored = dict[str, Any]
"""A checked request that is kept as JSON until its time comes: a link of a chain, a callback of a batch."""


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
    """Not before this long from now, or from when its turn in a chain comes; `run_at` wins."""
    unique_key: str | None = None
    """While an unfinished job holds the key, another send makes no new job; `on_conflict` says what it does."""
    unique_for: timedelta | None = None
    """Hold the key for at least this long from now, also when the job has ended by then. Cancelling frees it."""
    on_conflict: str = "coalesce"
    """When the key is taken: "coalesce" returns its holder as it is; "reject" raises JobExists; "replace" gives
    a holder that waits these arguments, times and priority, and leaves one that runs or has ended as it is."""
    resource: str | None = None
    """What the job uses together with others, like "shop:12": limits may count it."""
    tags: Sequence[str] = ()
    tenant_id: int | None = None
    max_attempts: int | None = None
    batch_id: UUID | None = None
    """The batch that it belongs to, which must not have ended."""
    chain: Sequence["JobRequest"] = ()
    """What is sent, one after another, each when the one before has succeeded."""


def make_row(request: JobRequest, *, batch_tenants: Mapping[UUID, int | None]) -> Row:
    """Return the row of a request that is sent now; raises UnknownActor, InvalidArguments."""
    sender = running_job.get()
    spec = get_spec(request.actor)
    _check_unique(spec, request)
    inherited = sender.tenant_id if sender else None
    if request.batch_id:
        inherited = _batch_tenant(spec, request, inherited, batch_tenants[request.batch_id])
    first = _store(spec, request, tenant_id=inherited)
    links = _links(spec, request, tenant_id=first["tenant_id"])
    return {
        **_live(first, links=links, batch_id=request.batch_id, cause_id=sender.id if sender else None),
        "unique_key": request.unique_key,
        "unique_seconds": request.unique_for.total_seconds() if request.unique_for else None,
        "on_conflict": request.on_conflict,
    }


def store(request: JobRequest, *, tenant_id: int | None, what: str) -> Stored:
    """Return a request in the form that is kept; raises UnknownActor, InvalidArguments. `what` is it for errors."""
    spec = get_spec(request.actor)
    if request.unique_key or request.unique_for or request.on_conflict != "coalesce":
        raise InvalidArguments(f"{spec.name}: unique_key: {what} is always a job of its own.")
    if request.batch_id:
        raise InvalidArguments(f"{spec.name}: batch_id: {what} cannot join a batch by itself.")
    stored = _store(spec, request, tenant_id=tenant_id)
    if tenant_id is not None and stored["tenant_id"] != tenant_id:
        raise InvalidArguments(f"{spec.name}: tenant_id: {what} belongs to the tenant {tenant_id}.")
    if request.chain:
        stored["chain"] = _links(spec, request, tenant_id=stored["tenant_id"])
    return stored


def row_of(stored: Stored, *, links: Sequence[Stored] = (), batch_id: UUID | None, cause_id: UUID | None) -> Row:
    """Return the row of a stored request whose time has come: what was checked once is not asked of today's code."""
    row = _live(stored, links=[*links, *stored.get("chain", ())], batch_id=batch_id, cause_id=cause_id)
    return {**row, "unique_key": None, "unique_seconds": None, "on_conflict": "coalesce"}


def _live(stored: Stored, *, links: Sequence[Stored], batch_id: UUID | None, cause_id: UUID | None) -> Row:
    run_at = stored.get("run_at")
    # PostgreSQL adds the delay to its own time: the clock of this host decides nothing.
    delay = None if run_at else stored.get("delay_seconds")
    return {
        "id": uuid7(),
        "actor": stored["actor"],
        "queue": stored["queue"],
        "arguments": stored["arguments"],
        "priority": stored["priority"],
        "run_at": run_at,
        "delay_seconds": delay,
        "rings": run_at is None and delay is None and _may_ring(stored),
        "max_attempts": stored["max_attempts"],
        "unique_until": stored["unique_until"],
        "tenant_id": stored["tenant_id"],
        "cause_id": str(cause_id) if cause_id else None,
        "tags": stored["tags"],
        "resource": stored["resource"],
        "batch_id": str(batch_id) if batch_id else None,
        "chain": list(links) or None,
    }


def _may_ring(stored: Stored) -> bool:
    gates = {name: stored[name] for name in ("queue", "actor", "tenant_id", "resource")}
    return not is_gated(**gates) and clients.may_ring(stored["queue"])


def _store(spec: ActorSpec, request: JobRequest, *, tenant_id: int | None) -> Stored:
    arguments = fit_arguments(spec, request.args, request.kwargs)
    return {
        "actor": spec.name,
        "queue": request.queue or spec.queue,
        "arguments": arguments,
        "priority": spec.priority if request.priority is None else request.priority,
        "run_at": request.run_at.isoformat() if request.run_at else None,
        "delay_seconds": request.delay.total_seconds() if request.delay else None,
        "max_attempts": request.max_attempts or spec.max_attempts,
        "unique_until": spec.unique_until,
        "tenant_id": tenant_id if request.tenant_id is None else request.tenant_id,
        "tags": list(request.tags),
        "resource": spec.resource_of(arguments) if request.resource is None else request.resource,
    }


def _links(spec: ActorSpec, request: JobRequest, *, tenant_id: int | None) -> list[Stored]:
    if not request.chain:
        return []
    if len(request.chain) > MAX_LINKS:
        raise InvalidArguments(f"{spec.name}: chain: at most {MAX_LINKS} jobs may follow; a job can send more.")
    if any(link.chain for link in request.chain):
        raise InvalidArguments(f"{spec.name}: chain: a link has no chain of its own; name all links in one.")
    return [store(link, tenant_id=tenant_id, what="a link of a chain") for link in request.chain]


def fit_arguments(spec: ActorSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return arguments by name as the ledger keeps them; raises InvalidArguments, also when they are too large."""
    arguments = spec.bind(args, kwargs)
    size, limit = len(json_bytes(arguments)), settings.JOBS["MAX_ARGUMENT_BYTES"]
    if size > limit:
        raise InvalidArguments(
            f"{spec.name}: the arguments take {size} bytes, at most {limit} are kept; store the data and send its id."
        )
    return arguments


def _check_unique(spec: ActorSpec, request: JobRequest) -> None:
    """Refuse options that would do nothing, or not what they say."""
    problem = ""
    if request.on_conflict not in ON_CONFLICT:
        problem = f"on_conflict: {request.on_conflict!r} is none of {', '.join(ON_CONFLICT)}."
    elif request.unique_key is None and (request.unique_for is not None or request.on_conflict != "coalesce"):
        problem = "unique_key: without one, unique_for and on_conflict have nothing to go by."
    elif request.unique_key is not None and not 0 < len(request.unique_key) <= MAX_KEY_LENGTH:
        problem = f"unique_key: it has 1 to {MAX_KEY_LENGTH} characters."
    elif request.unique_for is not None and request.unique_for <= timedelta(0):
        problem = "unique_for: it is longer than nothing."
    elif request.batch_id and request.on_conflict == "replace":
        problem = "on_conflict: a batch takes no waiting job over; use coalesce or reject."
    if problem:
        raise InvalidArguments(f"{spec.name}: {problem}")


def _batch_tenant(spec: ActorSpec, request: JobRequest, inherited: int | None, owner: int | None) -> int | None:
    """Return whose a member is: a batch of a tenant has members of that tenant alone."""
    if owner is None:
        return inherited
    if (request.tenant_id or owner) != owner:
        raise InvalidArguments(f"{spec.name}: tenant_id: the batch belongs to the tenant {owner}.")
    return owner

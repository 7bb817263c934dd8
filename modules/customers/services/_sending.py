"""The same work for any number of orders or customers: cut into chunks that are one batch of jobs."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from modules.customers import selectors
from modules.jobs import services as job_services
from modules.jobs.services import JobRequest

QUEUE = "customers"
CHUNK = 250  # rows per transaction; seed 1, recommendation 5
SENT_AT_ONCE = 100  # jobs per INSERT


@dataclass(frozen=True, slots=True)
class SentBatch:
    """A batch of `jobs` jobs for `rows` orders or customers."""

    id: UUID
    jobs: int
    rows: int


def request_attachment(*, tenant_id: int, order_ids: Collection[int]) -> UUID:
    """Send the job that attaches these orders; return its id. It commits with the caller's transaction."""
    kwargs = {"tenant_id": tenant_id, "order_ids": list(order_ids)}
    return job_services.enqueue("customers.attach_orders", kwargs=kwargs, tenant_id=tenant_id)


def request_backfill(*, tenant_id: int) -> UUID:
    """Send the job that looks for a tenant's orders without a customer; return its id."""
    return _enqueue("customers.backfill_tenant", tenant_id)


def request_sync(*, tenant_id: int) -> UUID:
    """Send the job that looks for a tenant's links which their orders contradict; return its id."""
    return _enqueue("customers.sync_tenant", tenant_id)


def request_recalculation(*, tenant_id: int) -> UUID:
    """Send the job that recalculates every customer of a tenant; return its id."""
    return _enqueue("customers.recalculate_tenant", tenant_id, everyone=True)


def request_predictions(*, tenant_id: int, everyone: bool = False) -> UUID:
    """Send the job that predicts a tenant's customers: all of them, or those whose figures changed."""
    return _enqueue("customers.predict_values", tenant_id, everyone=everyone)


def _enqueue(actor: str, tenant_id: int, **kwargs: Any) -> UUID:
    return job_services.enqueue(actor, kwargs={"tenant_id": tenant_id, **kwargs}, tenant_id=tenant_id)


def send_backfill(
    *, tenant_id: int, chunk: int = CHUNK, channel_id: int | None = None, queue: str = QUEUE
) -> SentBatch | None:
    """Send the jobs that attach a tenant's orders without a customer, as one batch; None where there is none."""
    ids = selectors.orders_to_attach(tenant_id=tenant_id, channel_id=channel_id)
    return _send_orders("customers: backfill from orders", ids, tenant_id=tenant_id, chunk=chunk, queue=queue)


def send_sync(
    *, tenant_id: int, chunk: int = CHUNK, channel_id: int | None = None, queue: str = QUEUE
) -> SentBatch | None:
    """Send the jobs that repair a tenant's links, as one batch; None where all is as the orders say."""
    ids = selectors.orders_to_repair(tenant_id=tenant_id, channel_id=channel_id)
    return _send_orders("customers: sync order customers", ids, tenant_id=tenant_id, chunk=chunk, queue=queue)


def send_recalculation(
    *,
    tenant_id: int,
    now: datetime,
    everyone: bool = False,
    chunk: int = CHUNK,
    channel_id: int | None = None,
    queue: str = QUEUE,
) -> SentBatch | None:
    """Send the jobs that recalculate a tenant's customers, as one batch whose end finishes them; None for nobody."""
    ids = selectors.customers_to_recalculate(tenant_id=tenant_id, now=now, everyone=everyone, channel_id=channel_id)
    # Measured anew from all customers, so only when all were recalculated.
    is_whole = everyone and channel_id is None
    finish = _request("customers.finish_recalculation", queue, {"tenant_id": tenant_id, "everyone": is_whole})
    chunks = (
        _request("customers.recalculate_chunk", queue, {"tenant_id": tenant_id, "customer_ids": chunk_ids})
        for chunk_ids in chunked(ids, chunk)
    )
    return _send("customers: recalculate metrics", chunks, key="customer_ids", tenant_id=tenant_id, on_finish=finish)


def chunked(ids: Iterable[int], size: int) -> Iterator[list[int]]:
    """Yield the ids in lists of at most `size`."""
    left = iter(ids)
    while chunk := list(islice(left, max(size, 1))):
        yield chunk


def _send_orders(name: str, ids: Iterable[int], *, tenant_id: int, chunk: int, queue: str) -> SentBatch | None:
    chunks = (
        _request("customers.attach_orders", queue, {"tenant_id": tenant_id, "order_ids": chunk_ids})
        for chunk_ids in chunked(ids, chunk)
    )
    return _send(name, chunks, key="order_ids", tenant_id=tenant_id)


def _request(actor: str, queue: str, kwargs: dict[str, Any]) -> JobRequest:
    return JobRequest(actor=actor, kwargs=kwargs, queue=queue)


def _send(
    name: str, requests: Iterator[JobRequest], *, key: str, tenant_id: int, on_finish: JobRequest | None = None
) -> SentBatch | None:
    """Open a batch for the requests, unless there is none; `key` is the argument that holds a chunk's rows."""
    waiting = list(islice(requests, SENT_AT_ONCE))
    if not waiting:
        return None
    jobs = rows = 0
    with job_services.batch(name, on_finish=on_finish, tenant_id=tenant_id) as opened:
        while waiting:
            opened.send(*waiting)
            jobs += len(waiting)
            rows += sum(len(request.kwargs[key]) for request in waiting)
            waiting = list(islice(requests, SENT_AT_ONCE))
    return SentBatch(opened.id, jobs, rows)

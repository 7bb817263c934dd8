"""Whether what waits fits this code."""

from collections.abc import Iterable, Iterator
from typing import Any

from modules.jobs.domain import ALIVE
from modules.jobs.models import Batch, Job
from modules.jobs.registry import InvalidArguments, UnknownActor, get_spec

CHUNK = 1_000  # rows that are held in memory at once


def check_unfinished() -> Iterator[tuple[Job, str]]:
    """Yield every unfinished job, oldest first, with why this code's actors would refuse it or its chain, or ""."""
    jobs = Job.objects.filter(state__in=ALIVE).only("id", "state", "actor", "arguments", "chain").order_by("id")
    for job in jobs.iterator(chunk_size=CHUNK):
        yield job, _misfit([{"actor": job.actor, "arguments": job.arguments}, *(job.chain or ())])


def check_callbacks() -> Iterator[tuple[Batch, str, str]]:
    """Yield every callback that an open batch has yet to send, oldest batch first, with its name and why not, or ""."""
    batches = Batch.objects.filter(finished_at__isnull=True).only("id", "callbacks", "sent").order_by("id")
    for batch in batches.iterator(chunk_size=CHUNK):
        for name in sorted(batch.callbacks.keys() - batch.sent.keys()):
            callback = batch.callbacks[name]
            yield batch, name, _misfit([callback, *callback.get("chain", ())])


def _misfit(requests: Iterable[dict[str, Any]]) -> str:
    try:
        for request in requests:
            get_spec(request["actor"]).bind((), request["arguments"])
    except (UnknownActor, InvalidArguments) as error:
        return str(error.args[0])
    return ""

"""Who works."""

from datetime import datetime

from django.conf import settings

from modules.jobs.models import Worker


def living_workers(*, now: datetime) -> list[Worker]:
    """Return the worker processes whose lease has not run out, in order of start."""
    return list(Worker.objects.filter(lease_until__gt=now, stopped_at__isnull=True).order_by("started_at", "id"))


def workers_by_pool(*, now: datetime) -> dict[str, int]:
    """Return how many living workers serve at least one queue of each pool of the settings."""
    workers = living_workers(now=now)
    pools: dict[str, list[str]] = settings.JOBS["POOLS"]
    return {
        name: sum(not set(queues).isdisjoint(worker.queues) for worker in workers) for name, queues in pools.items()
    }


def served_queues(*, now: datetime) -> set[str]:
    """Return the queues that a living worker listens to."""
    return {queue for worker in living_workers(now=now) for queue in worker.queues}


def has_live_workers(*, now: datetime) -> bool:
    """Return whether some worker process holds its lease."""
    return Worker.objects.filter(lease_until__gt=now).exists()

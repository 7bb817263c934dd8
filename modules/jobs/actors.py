"""The platform's own jobs, and the minute tick that periodiq sends."""

from datetime import timedelta

import dramatiq
from periodiq import cron

from modules.jobs import services
from modules.jobs.domain import ENDED, State
from modules.jobs.engine import actor
from modules.kernel import clock

PRUNE_CHUNK = 10_000


@dramatiq.actor(actor_name="jobs.tick", queue_name="high", periodic=cron("* * * * *"))
def tick() -> None:
    """Fire what is due. A plain Dramatiq message: the clock's beat needs no place in the ledger."""
    services.fire_due_schedules(now=clock.now())
    services.dispatch()


@actor(queue_name="low", max_retries=3, time_limit=5 * clock.MINUTE)
def prune_jobs(*, hours: int = 168, dead_hours: int = 168) -> None:
    """Delete ended jobs and keyed answers past their keep, one chunk at a time, so that no lock is held for long."""
    lively = [state for state in ENDED if state is not State.FAILED and state is not State.QUARANTINED]
    now = clock.now()
    gone = services.prune(ended_before=now - timedelta(hours=hours), states=lively, limit=PRUNE_CHUNK)
    dead = services.prune(
        ended_before=now - timedelta(hours=dead_hours), states=[State.FAILED, State.QUARANTINED], limit=PRUNE_CHUNK
    )
    answers = services.prune_answers(now=now, limit=PRUNE_CHUNK)
    if PRUNE_CHUNK in {gone, dead, answers}:
        prune_jobs.send(hours=hours, dead_hours=dead_hours)

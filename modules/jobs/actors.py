"""The platform's own jobs, and the minute tick that periodiq sends."""

from datetime import timedelta
from typing import Any

import dramatiq
from periodiq import cron

from modules.jobs import services
from modules.jobs.domain import ENDED, ExponentialBackoff, State
from modules.jobs.engine import actor, django_tasks
from modules.kernel import clock

PRUNE_CHUNK = 10_000


@dramatiq.actor(actor_name="jobs.tick", queue_name="high", periodic=cron("* * * * *"))
def tick() -> None:
    """Fire what is due. A plain Dramatiq message: the clock's beat needs no place in the ledger."""
    services.fire_due_schedules(now=clock.now())
    services.note_tick(now=clock.now())
    services.dispatch()
    services.continue_replays()


@actor(queue_name="low", max_retries=3, time_limit=5 * clock.MINUTE)
def prune_jobs(*, hours: int = 168, dead_hours: int = 168) -> None:
    """Delete ended jobs, batches, replays, firings and keyed answers past their keep in chunks: locks are short."""
    lively = [state for state in ENDED if state is not State.FAILED and state is not State.QUARANTINED]
    now = clock.now()
    gone = services.prune(ended_before=now - timedelta(hours=hours), states=lively, limit=PRUNE_CHUNK)
    dead = services.prune(
        ended_before=now - timedelta(hours=dead_hours), states=[State.FAILED, State.QUARANTINED], limit=PRUNE_CHUNK
    )
    batches = services.prune_batches(ended_before=now - timedelta(hours=hours), limit=PRUNE_CHUNK)
    replays = services.prune_replays(ended_before=now - timedelta(hours=dead_hours), limit=PRUNE_CHUNK)
    firings = services.prune_firings(due_before=now - timedelta(hours=hours), now=now, limit=PRUNE_CHUNK)
    answers = services.prune_answers(now=now, limit=PRUNE_CHUNK)
    bulk = services.prune_bulk(ended_before=now - timedelta(hours=dead_hours), limit=PRUNE_CHUNK)
    if PRUNE_CHUNK in {gone, dead, batches, replays, firings, answers, bulk}:
        prune_jobs.send(hours=hours, dead_hours=dead_hours)


@actor(queue_name="high", max_retries=8, backoff=ExponentialBackoff(5, 600), time_limit=5 * clock.MINUTE)
def run_bulk(*, operation_id: int) -> None:
    """Do the next chunks of what an operator asked for, and send itself for the rest."""
    if services.continue_bulk(operation_id):
        run_bulk.send(operation_id=operation_id)


@actor(queue_name="high", max_retries=8, backoff=ExponentialBackoff(5, 600), time_limit=clock.MINUTE)
def notify(*, alert_id: int, event: str, channel: str) -> None:
    """Tell one channel about an incident; nobody is told twice by a second run."""
    services.notify(alert_id=alert_id, event=event, channel=channel, now=clock.now())


@actor(queue_name="low", max_retries=3, time_limit=5 * clock.MINUTE)
def prune_figures(*, minute_days: int = 30, alert_days: int = 90) -> None:
    """Forget old minutes and alerts; totals stay for ever."""
    now = clock.now()
    services.prune_figures(
        minutes_before=now - timedelta(days=minute_days), alerts_before=now - timedelta(days=alert_days)
    )


@actor(queue_name="default", max_retries=0, time_limit=clock.HOUR, check=django_tasks.check_arguments)
def run_task(*, task: str, args: list[Any], kwargs: dict[str, Any], backend: str) -> Any:
    """Run a reusable app's `@task` function, named by its dotted path; how often it is tried, its backend says."""
    return django_tasks.run(task, args, kwargs, backend=backend)

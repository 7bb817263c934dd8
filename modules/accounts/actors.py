from typing import Any

from django.utils.translation import gettext as _

from modules.accounts import services
from modules.jobs.engine import actor, context
from modules.kernel import clock

MAX_PAUSE_MS = 10_000


def _check_cleanup(arguments: dict[str, Any]) -> None:
    if wrong := [name for name in ("days", "revoked_days", "limit") if arguments.get(name, 1) < 1]:
        raise ValueError(_("%s is 1 or more.") % wrong[0])
    if not 0 <= arguments.get("pause_ms", 0) <= MAX_PAUSE_MS:
        raise ValueError(_("pause_ms goes from 0 to %d.") % MAX_PAUSE_MS)


@actor(queue_name="low", max_retries=3, time_limit=6 * clock.HOUR, check=_check_cleanup)
def clean_activity(*, days: int = 90, limit: int = 1_000, pause_ms: int = 100) -> None:
    """Delete what was done long ago, one batch at a time; after a kill it goes on."""
    counts = services.clean_activity(
        run=context.job().id,
        days=days,
        limit=limit,
        pause_seconds=pause_ms / 1_000,
        now=clock.now(),
        report=_stop_or_go_on,
    )
    context.log(f"deleted {counts}")


@actor(queue_name="low", max_retries=3, time_limit=clock.HOUR, check=_check_cleanup)
def clean_tokens(*, revoked_days: int = 7, limit: int = 500) -> None:
    """Delete refresh tokens that open nothing any more, one batch at a time; after a kill it goes on."""
    counts = services.clean_tokens(
        run=context.job().id, revoked_days=revoked_days, limit=limit, now=clock.now(), report=_stop_or_go_on
    )
    context.log(f"deleted {counts}")


def _stop_or_go_on(done: int) -> None:
    """Note how far the job is; a worker that leaves stops here, and another one goes on."""
    context.progress(done)
    context.checkpoint(done)

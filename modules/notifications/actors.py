from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from modules.jobs.domain import ExponentialBackoff, PermanentError, TableBackoff
from modules.jobs.engine import actor, context
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.notifications import services
from modules.notifications.clients import AnswerLost, PermanentMailError

KEEP_EVENTS_FOR = timedelta(days=60)  # twice as long as a message counts: a repeated one is known, or too old
KEEP_LIVE_FOR = timedelta(days=7)  # who comes back later reads the list of notices
EVENTS_PER_PRUNE = 5_000


@actor(queue_name="emails", max_retries=3, backoff=TableBackoff([30]), time_limit=2 * clock.MINUTE)
def send_email(*, mail_id: int) -> None:
    """Mail what is in the ledger; 30 s after the mail server had no time, three times at most."""
    job = context.job()
    try:
        mail = services.deliver(
            mail_id=mail_id, sender=f"{job.id}:{job.fence}", is_last=job.attempt >= job.max_attempts
        )
        context.log(f"{mail.state}: {mail.template}")
    except services.MailGone as error:
        context.log(str(error))  # whose mail it was is gone, too
    except (PermanentMailError, AnswerLost) as error:
        raise PermanentError(str(error)) from None


@actor(queue_name="high", max_retries=5, backoff=ExponentialBackoff(base_seconds=5), time_limit=clock.MINUTE)
def process_ses(*, message_id: int) -> None:
    """Find out what the mail provider told: whom a mail reached, who is to be mailed no more."""
    with all_tenants():  # the provider knows no tenants: whose mail it is says whose addresses these are
        context.log(services.process_sns(message_id=message_id, now=clock.now()))


def _check_cleanup(arguments: dict[str, Any]) -> None:
    if wrong := [name for name, value in arguments.items() if isinstance(value, int) and value < 1]:
        raise ValueError(_("%s is 1 or more.") % wrong[0])


@actor(queue_name="low", max_retries=3, time_limit=30 * clock.MINUTE, check=_check_cleanup)
def cleanup(*, read_days: int = 30, unread_days: int = 90, limit: int = 1_000) -> None:
    """Delete notices that were read long ago or never, one batch at a time; after a kill it goes on."""
    run = context.job().id
    with all_tenants():
        counts = services.clean_up(
            run=run, read_days=read_days, unread_days=unread_days, limit=limit, now=clock.now(), report=_stop_or_go_on
        )
    context.log(f"deleted {counts}")


def _stop_or_go_on(done: int) -> None:
    """Note how far the job is; a worker that leaves stops here, and another one goes on."""
    context.progress(done)
    context.checkpoint(done)


@actor(queue_name="low", max_retries=3, time_limit=5 * clock.MINUTE)
def prune_events() -> None:
    """Delete what the mail provider told and was handled long ago, and old live events, one batch at a time."""
    gone = services.prune_sns(handled_before=clock.now() - KEEP_EVENTS_FOR, limit=EVENTS_PER_PRUNE)
    with all_tenants():
        told = services.prune_live(before=clock.now() - KEEP_LIVE_FOR, limit=EVENTS_PER_PRUNE)
    if EVENTS_PER_PRUNE in {gone, told}:
        prune_events.send()

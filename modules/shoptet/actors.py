from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from modules.jobs.domain import ExponentialBackoff, PermanentError, Snooze
from modules.jobs.engine import actor, context
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.shoptet import services
from modules.shoptet.clients import PermanentShoptetError, RateLimited

RUN_FOR = timedelta(minutes=20)  # then the job goes to the back of the queue, so that one shop cannot hold a worker


@actor(queue_name="default", max_retries=3, time_limit=clock.MINUTE)
def fetch_new_all_orders(*, fallback_lookback_hours: int | None = None) -> None:
    """Send one job per active shop, so that a shop in trouble holds up no other."""
    with all_tenants():
        services.request_all_orders(trigger="schedule", fallback_lookback_hours=fallback_lookback_hours)


@actor(
    queue_name="snapshots-download",
    max_retries=5,
    backoff=ExponentialBackoff(base_seconds=15, cap_seconds=900),
    time_limit=30 * clock.MINUTE,
    notify_shutdown=True,
)
def fetch_new_orders(*, shop_id: int, fallback_lookback_hours: int | None = None, trigger: str = "schedule") -> None:
    """Bring in what is new or changed in one shop; what is stored is not fetched again after a kill."""
    job_id = context.job().id
    with _as_job_ending():
        services.fetch_new_orders(
            shop_id=shop_id,
            holder=f"job:{job_id}",
            report=context.progress,
            trigger=trigger,
            job_id=job_id,
            fallback_lookback_hours=fallback_lookback_hours,
            stop_at=clock.now() + RUN_FOR,
        )


@contextmanager
def _as_job_ending() -> Iterator[None]:
    """Say to the platform what an error means: wait without burning an attempt, or give up until the next schedule."""
    try:
        yield
    except RateLimited as error:
        raise Snooze(max(1.0, (error.retry_at - clock.now()).total_seconds()), str(error)) from None
    except services.SyncPaused:
        raise Snooze(1, "the rest comes in the next turn") from None
    except (services.AlreadyRunning, services.CursorLost) as error:
        raise Snooze(15, str(error)) from None
    except PermanentShoptetError as error:
        raise PermanentError(str(error)) from None

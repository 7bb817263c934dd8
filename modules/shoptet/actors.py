from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.translation import gettext as _

from modules.jobs.domain import ExponentialBackoff, PermanentError, Snooze
from modules.jobs.engine import actor, context
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.shoptet import selectors, services
from modules.shoptet.clients import PermanentShoptetError, RateLimited
from modules.shoptet.models import Shop

DETAILS_PER_JOB = 1_000  # under two minutes at the API's 10 a second; then the rest goes to the back of the queue


@actor(queue_name="default", max_retries=3, time_limit=clock.MINUTE)
def fetch_new_all_orders(*, fallback_lookback_hours: int | None = None) -> None:
    """Send one job per active shop, so that a shop in trouble holds up no other."""
    with all_tenants():
        services.request_all_orders(trigger="schedule", fallback_lookback_hours=fallback_lookback_hours)


@actor(
    queue_name="snapshots-download",
    max_retries=5,
    backoff=ExponentialBackoff(base_seconds=15, cap_seconds=900),
    time_limit=30 * clock.MINUTE,  # a list of 100,000 orders takes minutes before the first detail
    notify_shutdown=True,
    unique_until="start",  # a running job may send the next one
    api_name="orders.fetch_new",
    api_arguments=("shop_id",),
)
def fetch_new_orders(*, shop_id: int, fallback_lookback_hours: int | None = None, trigger: str = "manual") -> None:
    """Bring in what is new or changed in one shop; what is stored is not fetched again after a kill."""
    job_id = context.job().id
    try:
        with _as_job_ending():
            services.fetch_new_orders(
                shop_id=shop_id,
                holder=f"job:{job_id}",
                report=_report,
                trigger=trigger,
                job_id=job_id,
                fallback_lookback_hours=fallback_lookback_hours,
                most_details=DETAILS_PER_JOB,
            )
    except services.SyncPaused:
        services.request_orders(
            shop=selectors.get_shop(shop_id), trigger=trigger, fallback_lookback_hours=fallback_lookback_hours
        )


def _report(done: int, total: int, message: str) -> None:
    """Each page is stored for good: a checkpoint, so that the platform sees a start that got somewhere."""
    context.progress(done, total, message)
    context.checkpoint({"orders_read": done})


@contextmanager
def _as_job_ending() -> Iterator[None]:
    """Say to the platform what an error means: wait without burning an attempt, or give up until the next schedule."""
    try:
        yield
    except RateLimited as error:
        raise Snooze(max(1.0, (error.retry_at - clock.now()).total_seconds()), str(error)) from None
    except (services.AlreadyRunning, services.CursorLost) as error:
        context.log(str(error))  # somebody else does this very work
    except Shop.DoesNotExist:
        raise PermanentError(_("There is no such shop.")) from None  # nor is another tenant's
    except PermanentShoptetError as error:
        raise PermanentError(str(error)) from None

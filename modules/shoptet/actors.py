from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from modules.jobs.domain import ExponentialBackoff, JobCancelled, PermanentError, Snooze
from modules.jobs.engine import actor, context
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.shoptet import domain, selectors, services
from modules.shoptet.clients import PermanentShoptetError, RateLimited
from modules.shoptet.models import Shop

BACKOFF = ExponentialBackoff(base_seconds=15, cap_seconds=900)
DETAILS_PER_JOB = 1_000  # under two minutes at the API's 10 a second; then the rest goes to the back of the queue


@actor(queue_name="default", max_retries=8, backoff=BACKOFF, time_limit=5 * clock.MINUTE)
def open_shop(*, shop_id: int) -> None:
    """Begin with a shop that installed an add-on: who it is, its webhooks, its orders."""
    with _as_job_ending():
        services.open_shop(shop_id=shop_id)


@actor(queue_name="default", max_retries=3, time_limit=clock.MINUTE)
def fetch_new_all_orders(*, fallback_lookback_hours: int | None = None) -> None:
    """Send one job per active shop, so that a shop in trouble holds up no other."""
    with all_tenants():
        services.request_all_orders(trigger="schedule", fallback_lookback_hours=fallback_lookback_hours)


@actor(
    queue_name="snapshots-download",
    max_retries=5,
    backoff=BACKOFF,
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


@actor(queue_name="default", max_retries=3, time_limit=clock.MINUTE)
def import_all_master_products(*, fallback_lookback_hours: int | None = None) -> None:
    """Send one job per active master shop."""
    with all_tenants():
        services.request_all_products(trigger="schedule", fallback_lookback_hours=fallback_lookback_hours)


@actor(
    queue_name="import",
    max_retries=5,
    backoff=BACKOFF,
    time_limit=30 * clock.MINUTE,
    notify_shutdown=True,
    unique_until="start",  # a running job may send the next one
    api_name="products.import_master",
    api_arguments=("shop_id",),
)
def import_master_products(
    *, shop_id: int, fallback_lookback_hours: int | None = None, trigger: str = "manual"
) -> None:
    """Bring in what is new or changed in a master shop; what is stored is not fetched again after a kill."""
    job_id = context.job().id
    try:
        with _as_job_ending():
            services.import_master_products(
                shop_id=shop_id,
                holder=f"job:{job_id}",
                report=_report_records,
                trigger=trigger,
                job_id=job_id,
                fallback_lookback_hours=fallback_lookback_hours,
                most_details=DETAILS_PER_JOB,
            )
    except services.SyncPaused:
        services.request_products(
            shop=selectors.get_shop(shop_id), trigger=trigger, fallback_lookback_hours=fallback_lookback_hours
        )


@actor(
    queue_name="import",
    max_retries=5,
    backoff=BACKOFF,
    time_limit=5 * clock.MINUTE,
    unique_until="start",
)
def prefill_target(*, shop_id: int) -> None:
    """Ask a target for its categories, and map those of its master to them."""
    with _as_job_ending():
        services.prefill_target(shop_id=shop_id)


@actor(queue_name="default", max_retries=3, time_limit=clock.MINUTE)
def refresh_all_statuses(*, recent_days: int = domain.RECENT_DAYS, open_days: int = domain.OPEN_DAYS) -> None:
    """Send one job per active shop."""
    with all_tenants():
        services.request_readings("refresh_statuses", trigger="schedule", recent_days=recent_days, open_days=open_days)


@actor(
    queue_name="snapshots-download",
    max_retries=5,
    backoff=BACKOFF,
    time_limit=30 * clock.MINUTE,
    notify_shutdown=True,
    unique_until="start",
)
def refresh_statuses(
    *, shop_id: int, trigger: str = "manual", recent_days: int = domain.RECENT_DAYS, open_days: int = domain.OPEN_DAYS
) -> None:
    """Bring a shop's recent and open orders to the statuses that they have there."""
    with _as_job_ending():
        services.refresh_statuses(
            shop_id=shop_id, **_runner(), trigger=trigger, recent_days=recent_days, open_days=open_days
        )


@actor(queue_name="default", max_retries=3, time_limit=clock.MINUTE)
def reconcile_all_orders() -> None:
    """Send one job per active shop."""
    with all_tenants():
        services.request_readings("reconcile_orders", trigger="schedule")


@actor(
    queue_name="snapshots-download",
    max_retries=5,
    backoff=BACKOFF,
    time_limit=60 * clock.MINUTE,  # 500,000 orders are 10,000 pages at the API's 10 a second, and a retry goes on
    notify_shutdown=True,
    unique_until="start",
)
def reconcile_orders(*, shop_id: int, trigger: str = "manual") -> None:
    """Compare a shop's orders with ours, and bring in what differs."""
    try:
        with _as_job_ending():
            services.reconcile_orders(shop_id=shop_id, **_runner(), trigger=trigger, most_details=DETAILS_PER_JOB)
    except services.SyncPaused:
        services.request_reading("reconcile_orders", shop=selectors.get_shop(shop_id), trigger=trigger)


@actor(queue_name="default", max_retries=3, time_limit=clock.MINUTE)
def reconcile_all_products() -> None:
    """Send one job per active master shop."""
    with all_tenants():
        services.request_readings("reconcile_products", trigger="schedule", of_masters=True)


@actor(
    queue_name="import",
    max_retries=5,
    backoff=BACKOFF,
    time_limit=30 * clock.MINUTE,
    notify_shutdown=True,
    unique_until="start",
)
def reconcile_products(*, shop_id: int, trigger: str = "manual") -> None:
    """Compare a master shop's products with ours, and bring in what differs."""
    try:
        with _as_job_ending():
            services.reconcile_products(shop_id=shop_id, **_runner(), trigger=trigger, most_details=DETAILS_PER_JOB)
    except services.SyncPaused:
        services.request_reading("reconcile_products", shop=selectors.get_shop(shop_id), trigger=trigger)


@actor(queue_name="default", max_retries=3, time_limit=clock.MINUTE)
def fetch_all_stocks() -> None:
    """Send one job per active shop."""
    with all_tenants():
        services.request_readings("fetch_stocks", trigger="schedule")


@actor(
    queue_name="snapshots-download",
    max_retries=5,
    backoff=BACKOFF,
    time_limit=30 * clock.MINUTE,
    notify_shutdown=True,
    unique_until="start",
)
def fetch_stocks(*, shop_id: int, trigger: str = "manual") -> None:
    """Bring a shop's stock to what it has: movements, once a day everything."""
    with _as_job_ending():
        services.fetch_stocks(shop_id=shop_id, **_runner(), trigger=trigger)


@actor(queue_name="default", max_retries=3, time_limit=clock.MINUTE)
def fetch_new_all_customers() -> None:
    """Send one job per active shop."""
    with all_tenants():
        services.request_readings("fetch_new_customers", trigger="schedule")


@actor(
    queue_name="snapshots-download",
    max_retries=5,
    backoff=BACKOFF,
    time_limit=30 * clock.MINUTE,
    notify_shutdown=True,
    unique_until="start",
)
def fetch_new_customers(*, shop_id: int, trigger: str = "manual") -> None:
    """Bring in a shop's new and changed customers."""
    try:
        with _as_job_ending():
            services.fetch_new_customers(shop_id=shop_id, **_runner(), trigger=trigger, most_details=DETAILS_PER_JOB)
    except services.SyncPaused:
        services.request_reading("fetch_new_customers", shop=selectors.get_shop(shop_id), trigger=trigger)


KEEP_WEBHOOKS_FOR = timedelta(days=30)
WEBHOOKS_PER_PRUNE = 5_000


@actor(
    queue_name="snapshots-download",
    max_retries=5,
    backoff=BACKOFF,
    time_limit=5 * clock.MINUTE,
    unique_until="start",
)
def request_snapshot(*, execution_id: int) -> None:
    """Ask a shop for a snapshot: it answers with a job of its own."""
    with _as_step(execution_id):
        services.ask_for_snapshot(execution_id=execution_id)


@actor(
    queue_name="snapshots-download",
    max_retries=5,
    backoff=BACKOFF,
    time_limit=5 * clock.MINUTE,
    unique_until="start",
)
def check_snapshot(*, execution_id: int) -> None:
    """Look whether the shop's job has ended."""
    with _as_step(execution_id):
        services.check_snapshot(execution_id=execution_id)


@actor(
    queue_name="snapshots-download",
    max_retries=5,
    backoff=BACKOFF,
    time_limit=60 * clock.MINUTE,  # 25 for the file, and a look at all of it
    notify_shutdown=True,
    unique_until="start",
)
def download_snapshot(*, execution_id: int) -> None:
    """Fetch a snapshot's file into our storage."""
    with _as_step(execution_id):
        services.download_snapshot(execution_id=execution_id)


@actor(
    queue_name="snapshots-process",
    max_retries=5,
    backoff=BACKOFF,
    time_limit=120 * clock.MINUTE,  # 500,000 orders take some ten minutes
    notify_shutdown=True,
    unique_until="start",
)
def process_snapshot(*, execution_id: int) -> None:
    """Take a snapshot's file in; goes on where it was when it comes again."""
    with _as_step(execution_id):
        services.process_snapshot(execution_id=execution_id, report=_report_records)


@actor(queue_name="default", max_retries=0, time_limit=clock.MINUTE)
def watch_snapshots() -> None:
    """Look after snapshots that no webhook told of, close stranded ones, delete old files."""
    with all_tenants():
        services.watch_snapshots(now=clock.now())


@actor(queue_name="default", max_retries=5, backoff=BACKOFF, time_limit=30 * clock.MINUTE)
def catch_up_deletions(*, shop_id: int, since: str) -> None:
    """Find what a shop deleted since (ISO time) a snapshot was made."""
    with _as_job_ending():
        services.catch_up_deletions(shop_id=shop_id, since=datetime.fromisoformat(since))


@actor(queue_name="default", max_retries=5, backoff=BACKOFF, time_limit=30 * clock.MINUTE)
def catch_up_customer_deletions(*, shop_id: int, since: str) -> None:
    """Find whom a shop deleted since (ISO time) a snapshot was made."""
    with _as_job_ending():
        services.catch_up_customer_deletions(shop_id=shop_id, since=datetime.fromisoformat(since))


@actor(queue_name="import", max_retries=5, backoff=BACKOFF, time_limit=30 * clock.MINUTE)
def catch_up_product_deletions(*, shop_id: int, since: str) -> None:
    """Find which products a shop deleted since (ISO time) a snapshot was made; read its categories."""
    with _as_job_ending():
        services.catch_up_product_deletions(shop_id=shop_id, since=datetime.fromisoformat(since))


@actor(
    queue_name="default",
    max_retries=8,
    backoff=BACKOFF,
    time_limit=30 * clock.MINUTE,  # a mass event names thousands of orders
    unique_until="start",  # what is told meanwhile sends the next one
)
def handle_webhooks(*, shop_id: int) -> None:
    """Ask a shop about what it told us; fifty events at a time."""
    with _as_job_ending():
        if services.handle_webhooks(shop_id=shop_id):
            services.request_handling(shop=selectors.get_shop(shop_id))


@actor(queue_name="low", max_retries=3, time_limit=5 * clock.MINUTE)
def prune_webhooks() -> None:
    """Delete events that were handled a month ago, one batch at a time."""
    with all_tenants():
        gone = services.prune_webhooks(handled_before=clock.now() - KEEP_WEBHOOKS_FOR, limit=WEBHOOKS_PER_PRUNE)
    if gone == WEBHOOKS_PER_PRUNE:
        prune_webhooks.send()


def _runner() -> dict[str, Any]:
    """Return who reads, for a service that reads a shop."""
    job_id = context.job().id
    return {"holder": f"job:{job_id}", "job_id": job_id, "report": _report_records}


def _report_records(done: int, total: int, message: str) -> None:
    context.progress(done, total, message)
    context.checkpoint({"records_read": done})


@contextmanager
def _as_step(execution_id: int) -> Iterator[None]:
    """Run a snapshot's step; the log entry is closed when its last attempt fails."""
    job = context.job()
    with _as_job_ending():
        try:
            yield
        except (PermanentShoptetError, RateLimited, JobCancelled, services.AlreadyRunning):
            raise
        except Exception as error:
            if job.attempt >= job.max_attempts:
                services.give_up(execution_id=execution_id, error=error)
            raise


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
    except (services.AlreadyRunning, services.CursorLost, services.SnapshotClosed) as error:
        context.log(str(error))  # somebody else does this very work
    except Shop.DoesNotExist:
        raise PermanentError(_("There is no such shop.")) from None  # nor is another tenant's
    except (PermanentShoptetError, services.NotAMaster) as error:
        raise PermanentError(str(error)) from None

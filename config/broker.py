"""Builds the one Dramatiq broker: which middleware runs, in which order, and why."""

from django.conf import settings
from dramatiq import Broker
from dramatiq.middleware import CurrentMessage, ShutdownNotifications, TimeLimit
from periodiq import PeriodiqMiddleware

from modules.jobs.engine import LedgerRedisBroker, WorkerLife


def build_broker() -> Broker:
    """Return the broker of BROKER_URL.

    Retries, Results, Pipelines and AgeLimit are left out on purpose: what they keep in Redis or lose
    with it lives in the ledger (modules/jobs/README.md).
    """
    middleware = [
        WorkerLife(),  # first in, last out: registers the worker, its pulse and the dispatcher
        CurrentMessage(),
        TimeLimit(),  # interrupts Python code; the ledger's deadline covers what it cannot
        ShutdownNotifications(),
        PeriodiqMiddleware(skip_delay=300),  # the tick catches up by itself, a late one is welcome
    ]
    broker = LedgerRedisBroker(url=settings.BROKER_URL, middleware=middleware)
    for queue in (queue for pool in settings.JOBS["POOLS"].values() for queue in pool):
        broker.declare_queue(queue)  # a job may be sent to any of them, whatever its actor's own queue
    return broker

"""Builds the one Dramatiq broker: which transport, which middleware runs, in which order, and why."""

from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string
from dramatiq import Broker
from dramatiq.middleware import CurrentMessage, ShutdownNotifications, TimeLimit
from periodiq import PeriodiqMiddleware

from modules.jobs.engine import WorkerLife

_REDIS = "modules.jobs.engine.redis_broker.LedgerRedisBroker"
_RABBITMQ = "modules.jobs.engine.rabbit_broker.LedgerRabbitBroker"
# By dotted path, so that a process loads one client only.
TRANSPORTS = {"redis": _REDIS, "rediss": _REDIS, "unix": _REDIS, "amqp": _RABBITMQ, "amqps": _RABBITMQ}


def build_broker() -> Broker:
    """Return the broker of BROKER_URL; raises ImproperlyConfigured.

    Retries, Results, Pipelines and AgeLimit are left out on purpose: what they keep in the broker or lose
    with it lives in the ledger (modules/jobs/README.md).
    """
    middleware = [
        WorkerLife(),  # first in, last out: registers the worker, its pulse and the dispatcher
        CurrentMessage(),
        TimeLimit(),  # interrupts Python code; the ledger's deadline covers what it cannot
        ShutdownNotifications(),
        PeriodiqMiddleware(skip_delay=300),  # the tick catches up by itself, a late one is welcome
    ]
    broker = _transport(settings.BROKER_URL)(url=settings.BROKER_URL, middleware=middleware)
    for queue in (queue for pool in settings.JOBS["POOLS"].values() for queue in pool):
        broker.declare_queue(queue)  # a job may be sent to any of them, whatever its actor's own queue
    return broker


def _transport(url: str) -> Callable[..., Broker]:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in TRANSPORTS:  # the rest of the address is not shown: it may hold a password
        known = ", ".join(f"{name}://" for name in TRANSPORTS)
        found = f"{scheme}://" if separator else "no scheme"
        raise ImproperlyConfigured(f"BROKER_URL has {found}; the transports are {known}.")
    transport: Callable[..., Broker] = import_string(TRANSPORTS[scheme])
    return transport

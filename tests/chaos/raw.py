"""The same jobs on Dramatiq alone, with its own retries: loaded by `dramatiq tests.chaos.raw:broker`."""

import os
import time

import django
import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import Callbacks, CurrentMessage, Retries, ShutdownNotifications, TimeLimit

from deploy.chaos.plan import Kind

django.setup()

from deploy.chaos import tables  # noqa: E402 -- Django must be set up first

broker = RedisBroker(
    url=os.environ["REDIS_URL"],
    middleware=[
        TimeLimit(),
        ShutdownNotifications(),
        Callbacks(),
        CurrentMessage(),
        Retries(max_retries=10, min_backoff=1_000, max_backoff=8_000),
    ],
)
dramatiq.set_broker(broker)


@dramatiq.actor(broker=broker, queue_name="default")
def perform(number: int, kind: str, seconds: float) -> None:
    """Do what a job of this kind does; poison is left out, because it would go round for ever."""
    message = CurrentMessage.get_current_message()
    if kind == Kind.ALWAYS_FAIL or (kind == Kind.FAIL_ONCE and not message.options.get("retries")):
        raise RuntimeError(f"number {number}")
    if kind == Kind.EXTERNAL:
        tables.write_line(number=number, job_id=str(number))
        return
    tables.write_effect(number=number, job_id=str(number), start=1)
    if kind == Kind.SLOW:
        time.sleep(seconds)

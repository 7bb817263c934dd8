"""Brings up the servers that the environment does not name, and says where they are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config import env
from deploy.local import folder, postgres, prepared, rabbitmq, redis
from deploy.local.log import Log
from deploy.local.processes import end_leftovers, server_account
from deploy.local.supervisor import Supervisor


@contextmanager
def running(*, data: Path, log: Log, ephemeral: bool = False, with_rabbitmq: bool = False) -> Iterator[Supervisor]:
    """Hold `data` and keep PostgreSQL and Redis, if asked RabbitMQ too, up until the end of the block.

    A server whose address is in the environment (DATABASE_URL, REDIS_URL, BROKER_URL for RabbitMQ) is not
    started. `ephemeral` trades durability for speed. Raises UnableToStart.
    """
    account = server_account()
    owner_id = account.pw_uid if account else os.geteuid()
    with folder.hold(data):
        if count := end_leftovers(data):
            log.line("backroom", f"ended {count} processes of an earlier run that was killed")
        if not os.environ.get("DATABASE_URL"):
            prepared.lay(data, log=log, is_synced=not ephemeral)
        with folder.sockets(data, owner_id=owner_id) as sockets, Supervisor(data=data, log=log) as supervisor:
            programs = []
            if not os.environ.get("DATABASE_URL"):
                programs.append(postgres.program(data=data, sockets=sockets, ephemeral=ephemeral))
            if not os.environ.get("REDIS_URL"):
                programs.append(redis.program(data=data, sockets=sockets, ephemeral=ephemeral))
            if with_rabbitmq and not os.environ.get("BROKER_URL"):
                programs += rabbitmq.programs(data)
            supervisor.start(*programs)
            yield supervisor


def environment(data: Path, *, with_rabbitmq: bool = False) -> dict[str, str]:
    """Return our environment and in it the addresses of the servers of `data`."""
    redis_url = os.environ.get("REDIS_URL") or env.embedded_redis_url(data)
    return {
        **os.environ,
        "BACKROOM_DATA": str(data),
        "DATABASE_URL": os.environ.get("DATABASE_URL") or env.embedded_database_url(data),
        "REDIS_URL": redis_url,
        "BROKER_URL": os.environ.get("BROKER_URL") or (rabbitmq.url(data) if with_rabbitmq else redis_url),
    }

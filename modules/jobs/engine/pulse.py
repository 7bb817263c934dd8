"""A worker's pulse: a small process beside it that renews its lease, and ends it the moment the worker dies.

It runs outside of the worker because a thread inside could be kept from running by native code that holds
the GIL, and the worker would be taken for dead while it works. The worker holds the other end of a pipe: its
death, however violent, is the end of the pipe. Run as a script, so that nothing but psycopg is loaded.
"""

import json
import os
import select
import signal
import sys
from typing import Any

import psycopg

BEATS_PER_LEASE = 4

BEAT = """UPDATE jobs_worker SET seen_at = now(), lease_until = now() + make_interval(secs => %(lease_seconds)s)
    WHERE id = %(worker_id)s AND stopped_at IS NULL"""
DEATH = "UPDATE jobs_worker SET stopped_at = now(), lease_until = now() WHERE id = %(worker_id)s AND stopped_at IS NULL"


def main() -> None:
    """Beat until the worker is gone, then say so."""
    # The worker decides when to go; a Ctrl-C for the whole group must not end its lease before its jobs.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    orders = json.loads(sys.stdin.buffer.readline() or b"null")
    if orders is None:
        return
    connection: psycopg.Connection[Any] | None = None
    while _worker_lives(orders):
        connection = _say(connection, BEAT, orders)
    _say(connection, DEATH, orders)


def _worker_lives(orders: dict[str, Any]) -> bool:
    """Wait for the next beat; False as soon as the worker is gone."""
    readable, _, _ = select.select([sys.stdin], [], [], orders["lease_seconds"] / BEATS_PER_LEASE)
    # A child that the worker forked may hold the pipe open after the worker's death: ask for the parent too.
    return not readable and os.getppid() == orders["parent"]


def _say(
    connection: psycopg.Connection[Any] | None, statement: str, orders: dict[str, Any]
) -> psycopg.Connection[Any] | None:
    """Execute on the connection, or on a new one; return it, or None when the database is away."""
    try:
        if connection is None:
            connection = psycopg.connect(**orders["database"], autocommit=True)
        connection.execute(statement, orders)
    except psycopg.Error:
        if connection is not None:
            connection.close()
        return None
    return connection


if __name__ == "__main__":
    main()

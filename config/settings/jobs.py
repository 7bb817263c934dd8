"""The job platform's numbers: lanes, leases, retention. Each can be changed without touching code."""

from typing import Any

from config import env

JOBS: dict[str, Any] = {
    # A dotted path, because modules never import config.
    "BROKER": "config.broker.build_broker",
    # Queues by the worker pool that serves them; a pool is one `dramatiq config.workers -Q ...`.
    "POOLS": {
        "normal": ["high", "default", "normal", "low"],
        "imports": ["snapshots-download", "snapshots-process", "import", "integrations"],
        "customers": ["customers"],
        # Jobs whose worker died are run here, each alone, so that only the guilty one is found guilty.
        "quarantine": ["quarantine"],
    },
    "POOL_THREADS": {"quarantine": 1},  # others have 8
    # Seconds after which a silent worker's jobs go to another; a killed one's return at once.
    "LEASE_SECONDS": env.number("JOBS_LEASE_SECONDS", default=15, at_least=2),
    # Seconds after which a bell that nobody answered is rung again.
    "BELL_SECONDS": env.number("JOBS_BELL_SECONDS", default=5, at_least=1),
    # Bells kept in a queue's lane at most; the rest waits in the ledger, where priority and turns are decided.
    "LANE_LENGTH": env.number("JOBS_LANE_LENGTH", default=200, at_least=1),
    # ... and no more than so many for each thread that serves the queue, or slow jobs would fill it for minutes.
    "LANE_PER_THREAD": env.number("JOBS_LANE_PER_THREAD", default=4, at_least=1),
    # Seconds after which a job that others overtake gets every tenth turn, whatever its priority.
    "PATIENCE_SECONDS": env.number("JOBS_PATIENCE_SECONDS", default=60, at_least=1),
    # Starts that ended in a killed worker before a job is taken out of service.
    "MAX_CRASHES": env.number("JOBS_MAX_CRASHES", default=3, at_least=1),
    "MAX_ARGUMENT_BYTES": env.number("JOBS_MAX_ARGUMENT_BYTES", default=256 * 1024, at_least=1),
}

"""The job platform's numbers: lanes, leases, retention. Each can be changed without touching code."""

from typing import Any

from config import env

JOBS: dict[str, Any] = {
    # Dotted paths, because modules never import config.
    "BROKER": "config.broker.build_broker",
    "WORKERS": "config.workers",
    # Queues by the worker pool that serves them; a pool is one `dramatiq config.workers -Q ...`.
    "POOLS": {
        "normal": ["high", "default", "normal", "low"],
        "imports": ["snapshots-download", "snapshots-process", "import", "integrations"],
        "customers": ["customers"],
        # Jobs whose worker died are run here, each alone, so that only the guilty one is found guilty.
        "quarantine": ["quarantine"],
    },
    "POOL_THREADS": {"quarantine": 1},  # others have 8
    # When a worker is replaced by a fresh one, its jobs ended or given back; 0 is never. A pool's own numbers
    # come with its own environment.
    "WORKER_MAX_SECONDS": env.number("JOBS_WORKER_MAX_SECONDS", default=0),
    "WORKER_MAX_MEMORY_MB": env.number("JOBS_WORKER_MAX_MEMORY_MB", default=0),
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
    # Who may read /metrics and the reasons of /health; without one, only this machine itself.
    "METRICS_TOKEN": env.text("METRICS_TOKEN", ""),
    # Beyond these, /health/jobs answers 503.
    "HEALTH": {
        "SCHEDULE_LAG_SECONDS": env.number("HEALTH_SCHEDULE_LAG_SECONDS", default=180),
        "WAIT_SECONDS": env.number("HEALTH_WAIT_SECONDS", default=900),
        "QUEUE_LENGTH": env.number("HEALTH_QUEUE_LENGTH", default=10_000),
        "DEAD_LETTERS_PER_HOUR": env.number("HEALTH_DEAD_LETTERS_PER_HOUR", default=50),
    },
    # Where alerts go whose rule has no address of its own (Slack's incoming webhooks); the address is the secret.
    "WEBHOOK_SECRET": env.text("ALERT_WEBHOOK_URL", ""),
    # Whether a webhook may lead into the own network; off, because an operator's form must not open it.
    "WEBHOOK_MAY_BE_PRIVATE": env.flag("ALERT_WEBHOOK_MAY_BE_PRIVATE", default=False),
}

# What `@task` functions of reusable apps need; django.tasks reads the setting.
TASKS: dict[str, Any] = {
    "default": {
        "BACKEND": "modules.jobs.engine.django_tasks.LedgerBackend",
        # A task may wait in any queue that a pool serves, but not in the quarantine of other jobs.
        "QUEUES": [queue for name, pool in JOBS["POOLS"].items() if name != "quarantine" for queue in pool],
        # Nobody promised that a task may run twice; an app whose tasks can gets an alias with more.
        "OPTIONS": {"max_attempts": 1},
    },
}

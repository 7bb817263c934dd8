"""The tables: the ledger (`_ledger`), and what is measured and told of it (`_signals`)."""

from modules.jobs.models._ledger import (
    Attempt,
    FailedJob,
    Gate,
    Job,
    JobSchedule,
    Limit,
    LimitUse,
    Pause,
    ScheduleFiring,
    Worker,
)
from modules.jobs.models._signals import Alert, AlertRule, Bookmark, RunMinute, Runs, RunTotal, Streak

__all__ = [
    "Alert",
    "AlertRule",
    "Attempt",
    "Bookmark",
    "FailedJob",
    "Gate",
    "Job",
    "JobSchedule",
    "Limit",
    "LimitUse",
    "Pause",
    "RunMinute",
    "RunTotal",
    "Runs",
    "ScheduleFiring",
    "Streak",
    "Worker",
]

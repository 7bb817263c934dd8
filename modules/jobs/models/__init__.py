"""The tables: the ledger (`_ledger`), what operators do to it (`_operators`), what is told of it (`_signals`)."""

from modules.jobs.models._ledger import (
    MADE,
    Attempt,
    Batch,
    FailedJob,
    Gate,
    Job,
    JobSchedule,
    KeyedAnswer,
    Limit,
    LimitUse,
    Pause,
    QueueTurn,
    ScheduleFiring,
    Worker,
)
from modules.jobs.models._operators import BulkOperation, Dismissal, JobChange, Replay, ReplayedJob
from modules.jobs.models._signals import Alert, AlertRule, Bookmark, RunMinute, Runs, RunTotal, Streak

__all__ = [
    "MADE",
    "Alert",
    "AlertRule",
    "Attempt",
    "Batch",
    "Bookmark",
    "BulkOperation",
    "Dismissal",
    "FailedJob",
    "Gate",
    "Job",
    "JobChange",
    "JobSchedule",
    "KeyedAnswer",
    "Limit",
    "LimitUse",
    "Pause",
    "QueueTurn",
    "Replay",
    "ReplayedJob",
    "RunMinute",
    "RunTotal",
    "Runs",
    "ScheduleFiring",
    "Streak",
    "Worker",
]

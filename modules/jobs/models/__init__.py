"""The tables: the ledger (`_ledger`), and what is measured and told of it (`_signals`)."""

from modules.jobs.models._ledger import Attempt, Job, JobSchedule, ScheduleFiring, Worker
from modules.jobs.models._signals import Alert, AlertRule, Bookmark, RunMinute, Runs, RunTotal, Streak

__all__ = [
    "Alert",
    "AlertRule",
    "Attempt",
    "Bookmark",
    "Job",
    "JobSchedule",
    "RunMinute",
    "RunTotal",
    "Runs",
    "ScheduleFiring",
    "Streak",
    "Worker",
]

"""The operators' screens of the platform."""

from modules.jobs.admin._alerts import AlertAdmin, AlertRuleAdmin
from modules.jobs.admin._audit import AuditAdmin
from modules.jobs.admin._batches import BatchAdmin
from modules.jobs.admin._bulk import BulkOperationAdmin
from modules.jobs.admin._failed import FailedJobAdmin
from modules.jobs.admin._home import home
from modules.jobs.admin._jobs import JobAdmin
from modules.jobs.admin._replays import ReplayAdmin
from modules.jobs.admin._schedules import JobScheduleAdmin, ScheduleFiringAdmin
from modules.jobs.admin._workers import WorkerAdmin
from modules.jobs.admin.tours import tour

__all__ = [
    "AlertAdmin",
    "AlertRuleAdmin",
    "AuditAdmin",
    "BatchAdmin",
    "BulkOperationAdmin",
    "FailedJobAdmin",
    "JobAdmin",
    "JobScheduleAdmin",
    "ReplayAdmin",
    "ScheduleFiringAdmin",
    "WorkerAdmin",
    "home",
    "tour",
]

"""What the platform runs by itself."""

from modules.jobs.domain import Schedule

SCHEDULES = [
    Schedule(
        "jobs.prune",
        actor="jobs.prune_jobs",
        cron="0 2 * * *",
        options={"hours": 168, "dead_hours": 168},
        description="Delete jobs that ended more than a week ago.",
    ),
    Schedule(
        "jobs.prune_figures",
        actor="jobs.prune_figures",
        cron="10 2 * * *",
        options={"minute_days": 30, "alert_days": 90},
        description="Delete charts of more than a month ago and alerts that were over three months ago.",
    ),
]

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
]

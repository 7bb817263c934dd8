from modules.jobs.domain import Schedule

SCHEDULES = [
    Schedule(
        "activity.cleanup",
        actor="accounts.clean_activity",
        cron="0 2 * * 0",
        options={"days": 90, "limit": 1_000, "pause_ms": 100},
        description="Delete what people did long ago from the log.",
    ),
]

from modules.jobs.domain import Schedule

SCHEDULES = [
    Schedule(
        "activity.cleanup",
        actor="accounts.clean_activity",
        cron="0 2 * * 0",
        options={"days": 90, "limit": 1_000, "pause_ms": 100},
        description="Delete what people did long ago from the log.",
    ),
    Schedule(
        "tokens.cleanup",
        actor="accounts.clean_tokens",
        cron="0 5 * * *",
        options={"revoked_days": 7, "limit": 500},
        description="Delete refresh tokens that expired, or were revoked a week ago.",
    ),
]

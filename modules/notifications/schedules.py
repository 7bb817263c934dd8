from modules.jobs.domain import Schedule

SCHEDULES = [
    Schedule(
        "notifications.cleanup",
        actor="notifications.cleanup",
        cron="0 2 * * 0",
        options={"read_days": 30, "unread_days": 90, "limit": 1_000},
        description="Delete notices that were read long ago or never.",
    ),
    Schedule(
        "notifications.prune_events",
        actor="notifications.prune_events",
        cron="50 2 * * *",
        description="Delete what the mail provider told and was handled long ago.",
    ),
]

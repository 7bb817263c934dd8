from modules.jobs.domain import Schedule

SCHEDULES = [
    Schedule(
        "summary.weekly",
        actor="reports.send_summaries",
        cron="*/15 * * * *",
        options={"cron": "0 9 * * 1", "late_hours": 48, "limit": 100},
        description="Mail their last week to those where it is Monday, nine o'clock: the option is their clock's line.",
    ),
]

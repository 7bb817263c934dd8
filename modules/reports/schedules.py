from modules.jobs.domain import Schedule

SCHEDULES = [
    Schedule(
        "summary.weekly",
        actor="reports.send_summaries",
        cron="*/15 * * * *",
        options={"cron": "0 9 * * 1", "late_hours": 48, "limit": 100},
        description="Mail their last week to those where it is Monday, nine o'clock: the option is their clock's line.",
    ),
    Schedule(
        "exports.cleanup",
        actor="reports.clean_exports",
        cron="20 * * * *",
        description="Delete the files of exports whose day is over, or that were withdrawn.",
    ),
    Schedule(
        "reports.prune",
        actor="reports.prune",
        cron="30 2 * * *",
        options={"days": 90},
        description="Forget summaries and exports of long ago.",
    ),
]

from modules.jobs.domain import Schedule

SCHEDULES = [
    Schedule(
        "drafts.cleanup",
        actor="drafts.cleanup",
        cron="0 3 * * *",
        options={"delete_after_days": 30, "from_edit": False, "limit": 100},
        description="Delete drafts of a month ago that were warned of, with their documents.",
    ),
    Schedule(
        "drafts.delete_files",
        actor="drafts.delete_files",
        cron="30 3 * * *",
        options={"limit": 100},
        description="Delete files of deleted documents that a storage kept when it failed.",
    ),
    Schedule(
        "drafts.remind",
        actor="drafts.remind",
        cron="0 10 * * *",
        options={"reminder_days": 3, "warn_days": 7, "delete_after_days": 30, "from_edit": False, "limit": 500},
        description="Remind authors of their drafts, and warn them before those are deleted.",
    ),
    Schedule(
        "invitations.expire",
        actor="drafts.expire_invitations",
        cron="0 4 * * *",
        options={"limit": 200},
        description="Call invitations expired that nobody accepted in time.",
    ),
    Schedule(
        "sync.retry",
        actor="drafts.retry_sync",
        cron="*/5 * * * *",
        options={"delay_minutes": [5, 15, 60, 240, 1440], "max_retries": 5, "limit": 50},
        description="Try again what offline clients asked for and could not be done.",
    ),
]

from modules.jobs.domain import Schedule

SCHEDULES = [
    Schedule(
        "orders.fetch_new",
        actor="shoptet.fetch_new_all_orders",
        cron="*/15 * * * *",
        options={"fallback_lookback_hours": None},
        description="Bring in new, changed and deleted orders; a shop's first run reads its whole history.",
    ),
]

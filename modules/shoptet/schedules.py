from modules.jobs.domain import Schedule

SCHEDULES = [
    Schedule(
        "orders.fetch_new",
        actor="shoptet.fetch_new_all_orders",
        cron="*/15 * * * *",
        options={"fallback_lookback_hours": None},
        description="Bring in new, changed and deleted orders; a shop's first run reads its whole history.",
    ),
    Schedule(
        "products.import_master",
        actor="shoptet.import_all_master_products",
        cron="20 * * * *",
        options={"fallback_lookback_hours": None},
        description="Bring in new, changed and deleted products of master shops, and fill in their targets.",
    ),
    Schedule(
        "shoptet.watch_snapshots",
        actor="shoptet.watch_snapshots",
        cron="* * * * *",
        description="Look after snapshots whose shop did not say that they are ready.",
    ),
    Schedule(
        "shoptet.prune_webhooks",
        actor="shoptet.prune_webhooks",
        cron="40 2 * * *",
        description="Delete what shops told us of and was handled a month ago.",
    ),
]

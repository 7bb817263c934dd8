from modules.jobs.domain import Schedule
from modules.shoptet.domain import OPEN_DAYS, RECENT_DAYS

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
        "orders.refresh_statuses",
        actor="shoptet.refresh_all_statuses",
        cron="25 * * * *",
        options={"recent_days": RECENT_DAYS, "open_days": OPEN_DAYS},
        description="Bring recent orders, and open ones up to an age, to the statuses that they have in the shop.",
    ),
    Schedule(
        "shoptet.reconcile_orders",
        actor="shoptet.reconcile_all_orders",
        cron="30 3 * * 0",
        description="Compare all orders with the shop's: it remembers deletions for 30 days only.",
    ),
    Schedule(
        "shoptet.reconcile_products",
        actor="shoptet.reconcile_all_products",
        cron="0 5 * * 0",
        description="Compare all products of master shops with theirs: they remember deletions for 30 days only.",
    ),
    Schedule(
        "shoptet.fetch_stocks",
        actor="shoptet.fetch_all_stocks",
        cron="8-59/15 * * * *",
        description="Bring in movements of stock, and once a day all of it.",
    ),
    Schedule(
        "customers.fetch_new",
        actor="shoptet.fetch_new_all_customers",
        cron="40 * * * *",
        description="Bring in new and changed customers; a shop's first run reads its whole list.",
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

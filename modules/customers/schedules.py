from modules.jobs.domain import Schedule

SCHEDULES = [
    Schedule(
        "customers.recalculate_metrics",
        actor="customers.recalculate_metrics",
        cron="30 2 * * *",
        options={"chunk": 250, "everyone": False},
        description="Recalculate the figures of customers that are due, and predict what changed.",
    ),
    Schedule(
        "customers.recalculate_everyone",
        actor="customers.recalculate_metrics",
        cron="30 3 * * 0",
        options={"chunk": 250, "everyone": True},
        description="Recalculate every customer, measure the segments anew, fit the models of purchases.",
    ),
    Schedule(
        "customers.backfill_from_orders",
        actor="customers.backfill_from_orders",
        cron="10 * * * *",
        options={"chunk": 250},
        description="Find orders without a customer and look again whose they are.",
    ),
    Schedule(
        "customers.sync_order_customers",
        actor="customers.sync_order_customers",
        cron="40 1 * * *",
        options={"chunk": 250},
        description="Repair links between orders and customers that the orders contradict.",
    ),
]

from modules.jobs.domain import Schedule

SCHEDULES = [
    Schedule(
        "customers.recalculate_metrics",
        actor="customers.recalculate_metrics",
        cron="30 2 * * *",
        options={"chunk": 250},
        description="Recalculate every customer's figures from the orders.",
    ),
    Schedule(
        "customers.backfill_from_orders",
        actor="customers.backfill_from_orders",
        cron="10 * * * *",
        options={"chunk": 250},
        description="Find orders without a customer and look again whose they are.",
    ),
]

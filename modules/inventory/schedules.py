from modules.jobs.domain import Schedule

SCHEDULES = [
    Schedule(
        "inventory.recalculate_metrics",
        actor="inventory.recalculate_metrics",
        cron="45 3 * * *",
        options={"chunk": 50},
        description="Recalculate every variant: what was sold in the last days changes although nothing is sold.",
    ),
]

"""The recency, frequency and money scores as SQL, the same for a customer who is recalculated and for all at once."""

from datetime import datetime
from typing import Any

from modules.customers.domain import DEFAULT_RECENCY_DAYS, GRID, ORDERS

# Wants a row `counted` with order_count, revenue, last_order_at; gives `score` with the columns of the metrics.
# A bound that is reached counts as passed, so that the moment named by `stale_at` is the one at which it is.
SCORES = """
LEFT JOIN customers_yardstick yard ON yard.tenant_id = counted.tenant_id AND yard.currency = counted.currency
CROSS JOIN LATERAL (
    SELECT COALESCE(yard.recency_days, %(recency_days)s::int[]) AS days,
        width_bucket(floor(extract(epoch FROM %(now)s - counted.last_order_at) / 86400)::int,
            COALESCE(yard.recency_days, %(recency_days)s::int[])) AS passed
) AS recency
CROSS JOIN LATERAL (
    SELECT 5 - recency.passed AS recency_score,
        CASE WHEN counted.last_order_at IS NOT NULL
            THEN 1 + width_bucket(counted.order_count::int, %(orders)s::int[]) END AS frequency_score,
        CASE WHEN counted.last_order_at IS NOT NULL
            THEN 1 + width_bucket(counted.revenue, yard.money) END AS money_score,
        counted.last_order_at + recency.days[recency.passed + 1] * interval '1 day' AS stale_at
) AS bare
CROSS JOIN LATERAL (
    SELECT bare.*, COALESCE((%(grid)s::text[])[bare.recency_score][
        ceil((bare.frequency_score + COALESCE(bare.money_score, bare.frequency_score)) / 2.0)::int], '') AS segment
) AS score
"""
COLUMNS = ("recency_score", "frequency_score", "money_score", "segment", "stale_at")


def score_values(now: datetime) -> dict[str, Any]:
    """Return the parameters of SCORES."""
    return {
        "now": now,
        "recency_days": list(DEFAULT_RECENCY_DAYS),
        "orders": list(ORDERS),
        "grid": [[str(segment) for segment in row] for row in GRID],
    }

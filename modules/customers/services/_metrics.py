"""Figures per customer: each chunk one statement that says for any number of customers what their orders say."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from modules.customers import clients
from modules.customers.domain import MEASURABLE, QUINTILES
from modules.customers.events import metrics_recalculated
from modules.customers.models import CustomerMetrics
from modules.customers.services._scores import COLUMNS, SCORES, score_values
from modules.customers.services._turns import wait_to_count
from modules.notifications import services as notification_services

_COUNTED = (
    *("order_count", "paid_count", "cancelled_count", "currency", "revenue", "aov", "first_order_at", "last_order_at"),
    *("clv", "frequency", "repeat_value"),
)
_FIGURES = (*_COUNTED, *COLUMNS)


def _names(columns: Collection[str], *, of: str = "") -> str:
    return ", ".join(f"{of}.{column}" if of else column for column in columns)


# `net` is what stays without VAT in the shop's default currency, by the order's own rate. A purchase is an order
# that is no refund; purchases of one day are one, because the models of repeat purchases count occasions.
# The window has the order that the groups need: one sort for both. The ids come as one text behind a SELECT: as 250
# constants they took longer to write and to plan than to look up.
_RECALCULATE = f"""
WITH owner AS (
    SELECT id, tenant_id, id AS customer_id FROM customers_customer
    WHERE tenant_id = %(tenant_id)s AND id = ANY((SELECT %(customer_ids)s::bigint[])::bigint[])
        AND merged_into_id IS NULL
    UNION ALL
    SELECT id, tenant_id, merged_into_id FROM customers_customer
    WHERE tenant_id = %(tenant_id)s AND merged_into_id = ANY((SELECT %(customer_ids)s::bigint[])::bigint[])
), bought AS (
    SELECT owner.tenant_id, owner.customer_id, its.is_paid, its.created_at, its.total_default AS value,
        its.is_cancelled, its.default_currency AS currency,
        its.id IS NOT NULL AND NOT its.is_cancelled AS is_counted,
        NOT its.is_cancelled AND COALESCE(its.total_default, 0) >= 0 AS is_purchase,
        (its.created_at AT TIME ZONE %(timezone)s)::date AS day,
        CASE WHEN its.currency = its.default_currency THEN its.total_without_vat
            ELSE round(its.total_without_vat / NULLIF(its.exchange_rate, 0), 2) END AS net
    FROM owner
    LEFT JOIN LATERAL (
        SELECT one.id, one.is_paid, one.is_cancelled, one.created_at, one.currency, one.exchange_rate,
            one.total_default, one.total_without_vat, channel.currency AS default_currency
        FROM customers_customerorder link
        JOIN orders_order one ON one.id = link.order_id AND one.deleted_at IS NULL
        JOIN orders_saleschannel channel ON channel.id = one.channel_id
        WHERE link.customer_id = owner.id
        OFFSET 0 -- by the index of each customer's links, whatever the planner thinks of how many those are
    ) AS its ON TRUE
), dated AS (
    SELECT *, min(day) FILTER (WHERE is_purchase) OVER one AS first_day FROM bought
    WINDOW one AS (PARTITION BY tenant_id, customer_id ORDER BY day)
), totals AS (
    SELECT tenant_id, customer_id,
        count(*) FILTER (WHERE is_counted) AS order_count,
        count(*) FILTER (WHERE is_counted AND is_paid) AS paid_count,
        count(*) FILTER (WHERE is_cancelled) AS cancelled_count,
        COALESCE(min(currency) FILTER (WHERE is_counted) = max(currency) FILTER (WHERE is_counted), TRUE) AS is_one,
        max(currency) FILTER (WHERE is_counted) AS currency,
        sum(value) FILTER (WHERE is_counted) AS revenue,
        round(avg(value) FILTER (WHERE is_counted), 2) AS aov,
        sum(net) FILTER (WHERE is_counted) AS net,
        min(created_at) FILTER (WHERE is_purchase) AS first_order_at,
        max(created_at) FILTER (WHERE is_purchase) AS last_order_at,
        count(DISTINCT day) FILTER (WHERE is_purchase AND day > first_day) AS frequency,
        sum(net) FILTER (WHERE is_purchase AND day > first_day) AS repeat_net
    FROM dated GROUP BY tenant_id, customer_id
), counted AS (
    SELECT tenant_id, customer_id, order_count, paid_count, cancelled_count, first_order_at, last_order_at, frequency,
        CASE WHEN is_one THEN COALESCE(currency, '') ELSE '' END AS currency,
        CASE WHEN is_one THEN COALESCE(revenue, 0) END AS revenue,
        CASE WHEN is_one THEN aov END AS aov,
        CASE WHEN is_one THEN COALESCE(net, 0) END AS clv,
        CASE WHEN is_one THEN round(repeat_net / NULLIF(frequency, 0), 2) END AS repeat_value
    FROM totals
)
INSERT INTO customers_customermetrics AS stored
    (tenant_id, customer_id, {_names(_FIGURES)}, is_predicted, recalculated_at)
SELECT counted.tenant_id, counted.customer_id, {_names(_COUNTED, of="counted")}, {_names(COLUMNS, of="score")},
    FALSE, %(now)s
FROM counted {SCORES}
ON CONFLICT (customer_id) DO UPDATE SET
    ({_names(_FIGURES)}, is_predicted, recalculated_at)
    = ROW ({_names(_FIGURES, of="excluded")}, FALSE, excluded.recalculated_at)
WHERE ({_names(_FIGURES, of="stored")}) IS DISTINCT FROM ({_names(_FIGURES, of="excluded")})
"""

# Quintiles of those who bought, by currency; who buys in several is measured by time and number alone.
_MEASURE = """
INSERT INTO customers_yardstick AS stored (tenant_id, currency, recency_days, money, parameters, measured_at)
SELECT tenant_id, currency,
    percentile_disc(%(quintiles)s::float8[]) WITHIN GROUP (
        ORDER BY floor(extract(epoch FROM %(now)s - last_order_at) / 86400)::int),
    CASE WHEN currency <> '' THEN percentile_disc(%(quintiles)s::float8[]) WITHIN GROUP (ORDER BY revenue) END,
    '{}', %(now)s
FROM customers_customermetrics
WHERE tenant_id = %(tenant_id)s AND last_order_at IS NOT NULL AND (currency = '' OR revenue IS NOT NULL)
GROUP BY tenant_id, currency HAVING count(*) >= %(measurable)s
ON CONFLICT (tenant_id, currency) DO UPDATE SET
    recency_days = excluded.recency_days, money = excluded.money, measured_at = excluded.measured_at
"""

_RESCORE = f"""
UPDATE customers_customermetrics stored SET ({_names(COLUMNS)}) = ROW ({_names(COLUMNS, of="score")})
FROM customers_customermetrics counted {SCORES}
WHERE stored.id = counted.id AND counted.tenant_id = %(tenant_id)s
    AND ({_names(COLUMNS, of="stored")}) IS DISTINCT FROM ({_names(COLUMNS, of="score")})
"""


def recalculate_metrics(*, tenant_id: int, customer_ids: Collection[int], now: datetime) -> int:
    """Make the metrics of these customers what their orders say; return how many rows said something else.

    One transaction, two queries: a lock that keeps links as they are, and one statement that counts and writes.
    Two at once count the same; orders that change meanwhile are counted again by their own attachment, which
    waits. Safe to repeat. Customers that were merged into another are passed over, another tenant's too.
    """
    with transaction.atomic():
        wait_to_count(tenant_id)
        return write_metrics(tenant_id, customer_ids, now=now)


def write_metrics(tenant_id: int, customer_ids: Collection[int], *, now: datetime) -> int:
    """Do as `recalculate_metrics` inside a transaction that holds the lock."""
    values: dict[str, Any] = {"tenant_id": tenant_id, "customer_ids": f"{{{','.join(map(str, customer_ids))}}}"}
    values |= {"timezone": settings.TIME_ZONE} | score_values(now)
    with connection.cursor() as cursor:
        cursor.execute(_RECALCULATE, values)
        return int(cursor.rowcount)


def finish_recalculation(*, tenant_id: int, customers: int, everyone: bool, now: datetime) -> None:
    """Measure anew what customers are measured by, when all were recalculated, and tell that the figures changed.

    One transaction, at most two statements over the tenant's metrics. Safe to repeat.
    """
    with transaction.atomic():
        if everyone:
            measure(tenant_id=tenant_id, now=now)
        told = {"customers": customers}
        notification_services.announce_to_members(tenant_id=tenant_id, type="customer_metrics", payload=told, now=now)
        transaction.on_commit(clients.forget_counts)
        transaction.on_commit(
            lambda: metrics_recalculated.send(sender=CustomerMetrics, tenant_id=tenant_id, customers=customers),
            robust=True,
        )


def measure(*, tenant_id: int, now: datetime) -> None:
    """Take the quintiles from all of a tenant's customers, and score by them those whose score they change."""
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "quintiles": list(QUINTILES),
        "measurable": MEASURABLE,
    } | score_values(now)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_MEASURE, values)
        cursor.execute(_RESCORE, values)

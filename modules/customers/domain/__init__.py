"""Whose an order is, what a customer is worth, how to speak to them. Pure: no Django, no clock, no network."""

from modules.customers.domain.identity import (
    ArrivedOrder,
    AttachResult,
    Link,
    LinkedBy,
    OrderIdentity,
    Person,
    ProfileFacts,
    Resolution,
    resolve_customers,
)
from modules.customers.domain.prediction import (
    History,
    PurchaseModel,
    ValueModel,
    fit_purchases,
    fit_values,
    purchase_log_likelihood,
)
from modules.customers.domain.segments import DEFAULT_RECENCY_DAYS, GRID, MEASURABLE, ORDERS, QUINTILES, Segment

__all__ = [
    "DEFAULT_RECENCY_DAYS",
    "GRID",
    "MEASURABLE",
    "ORDERS",
    "QUINTILES",
    "ArrivedOrder",
    "AttachResult",
    "History",
    "Link",
    "LinkedBy",
    "OrderIdentity",
    "Person",
    "ProfileFacts",
    "PurchaseModel",
    "Resolution",
    "Segment",
    "ValueModel",
    "fit_purchases",
    "fit_values",
    "purchase_log_likelihood",
    "resolve_customers",
]

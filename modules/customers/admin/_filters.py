"""The filters of the customers' list."""

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from modules.customers.models import CustomerMetrics
from modules.kernel import clock


class ChoiceFilter(SimpleListFilter):
    """A filter whose choices are lookups, by a word for the address."""

    choices_: ClassVar[dict[str, tuple[Any, dict[str, Any]]]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return the choices."""
        return [(key, label) for key, (label, _conditions) in self.choices_.items()]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the rows that fulfill the chosen lookups."""
        found = self.choices_.get(self.value() or "")
        return queryset.filter(**found[1]) if found else queryset


class SegmentFilter(ChoiceFilter):
    title = _("segment")
    parameter_name = "segment"
    choices_: ClassVar = {
        str(value): (label, {"metrics__segment": value}) for value, label in CustomerMetrics.SegmentName.choices
    }


class OrdersFilter(ChoiceFilter):
    title = _("orders")
    parameter_name = "orders"
    choices_: ClassVar = {
        "0": (_("none"), {"metrics__order_count": 0}),
        "1": (_("one"), {"metrics__order_count": 1}),
        "2": (_("two to four"), {"metrics__order_count__range": (2, 4)}),
        "5": (_("five or more"), {"metrics__order_count__gte": 5}),
    }


class MoneyFilter(ChoiceFilter):
    title = _("spending")
    parameter_name = "money"
    choices_: ClassVar = {
        str(score): (label, {"metrics__money_score": score})
        for score, label in (
            (5, _("the fifth that spends most")),
            (4, _("above the middle")),
            (3, _("the middle fifth")),
            (2, _("below the middle")),
            (1, _("the fifth that spends least")),
        )
    }


class ReturnFilter(ChoiceFilter):
    title = _("chance to return")
    parameter_name = "chance"
    choices_: ClassVar = {
        "high": (_("over 80 %"), {"metrics__alive_chance__gt": 0.8}),
        "even": (_("20 to 80 %"), {"metrics__alive_chance__range": (0.2, 0.8)}),
        "low": (_("under 20 %"), {"metrics__alive_chance__lt": 0.2}),
    }


class LastOrderFilter(SimpleListFilter):
    title = _("last order")
    parameter_name = "last"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return how long ago it may be."""
        return [("30", _("within 30 days")), ("90", _("within 90 days")), ("-365", _("over a year ago"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return who ordered since then, or not since then."""
        if self.value() not in {"30", "90", "-365"}:
            return queryset
        days = int(self.value() or 0)
        at = clock.now() - timedelta(days=abs(days))
        return queryset.filter(**{f"metrics__last_order_at__{'lt' if days < 0 else 'gte'}": at})

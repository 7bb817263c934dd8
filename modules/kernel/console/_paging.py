"""Paging that a list of ten million rows survives."""

from typing import Any

from django.core.paginator import Page
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils.formats import number_format
from django.utils.functional import cached_property

from modules.kernel.console._theme import BasePaginator

COUNT_CAP = 10_000  # rows counted at most; what lies behind is reached by a filter


class CappedPaginator(BasePaginator):
    """Counts no further than COUNT_CAP, and pages no further either."""

    template_name = "console/pagination.html"
    object_list: "QuerySet[Any]"

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, COUNT_CAP for more."""
        return self.object_list.order_by()[:COUNT_CAP].count()

    def page(self, number: int | str) -> "Page[Any]":
        """Return a page; where all rows could be counted, they are found as they were for that, and sorted.

        The database would rather walk the index of the order, hoping to meet enough soon: a million, for rare ones.
        """
        if self.count < COUNT_CAP:
            self.object_list = _sorted_without_index(self.object_list)
        return super().page(number)

    @property
    def count_text(self) -> str:
        """Return the count for people: `10,000+` where nobody counted on."""
        return number_format(self.count, force_grouping=True) + ("+" if self.count >= COUNT_CAP else "")


def _sorted_without_index(rows: "QuerySet[Any]") -> "QuerySet[Any]":
    """Return the rows in the same order by an expression that no index has; as they are where it is not plain."""
    first, *others = rows.query.order_by or ("",)
    name = str(first).removeprefix("-")
    if name not in {field.name for field in rows.model._meta.concrete_fields}:  # noqa: SLF001 -- public in all but name
        return rows
    same = Coalesce(F(name), F(name))
    return rows.order_by(same.desc() if str(first).startswith("-") else same.asc(), *others)

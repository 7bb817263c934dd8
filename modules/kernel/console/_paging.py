"""Paging that a list of ten million rows survives."""

from typing import Any

from django.db.models import QuerySet
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

    @property
    def count_text(self) -> str:
        """Return the count for people: `10,000+` where nobody counted on."""
        return number_format(self.count, force_grouping=True) + ("+" if self.count >= COUNT_CAP else "")

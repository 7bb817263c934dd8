"""Paging that a list of ten million rows survives."""

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.functional import cached_property

COUNT_CAP = 10_000  # rows counted at most; what lies behind is reached by a filter


class CappedPaginator(Paginator):  # type: ignore[type-arg] -- not generic at run time
    """Counts no further than COUNT_CAP, and pages no further either."""

    template_name = "console/pagination.html"
    object_list: "QuerySet[object]"

    @cached_property
    def count(self) -> int:  # type: ignore[override] -- Django's is a cached_property too
        """Return how many rows there are, COUNT_CAP for more."""
        return self.object_list.order_by()[:COUNT_CAP].count()

    @property
    def count_text(self) -> str:
        """Return the count for people: `10,000+` where nobody counted on."""
        return number_format(self.count, force_grouping=True) + ("+" if self.count >= COUNT_CAP else "")

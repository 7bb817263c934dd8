"""Query parameters read as strictly as the vendor reads them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from .answers import ApiError, Json
from .clock import read_instant

T = TypeVar("T")


class Query:
    """The parameters of one call; refused with 400 when a name is unknown or a value is empty."""

    def __init__(self, values: Mapping[str, str], *, known: Collection[str]) -> None:
        unknown = sorted(set(values).difference(known))
        if unknown:
            raise ApiError(400, "invalid-parameter", "Unsupported query parameters", instance=",".join(unknown))
        for name, value in values.items():
            if not value.strip():
                raise _missing(name)
        self.values = values

    def integer(self, name: str, default: int) -> int:
        return self._read(name, int) if name in self.values else default

    def instant(self, name: str) -> datetime:
        return self._read(name, read_instant)

    def _read(self, name: str, read: Callable[[str], T]) -> T:
        if name not in self.values:
            raise _missing(name)
        try:
            return read(self.values[name])
        except ValueError:
            raise invalid(name, "The value is not in the documented format.") from None


def invalid(name: str, reason: str) -> ApiError:
    return ApiError(400, "invalid-parameter", f'Invalid "{name}" parameter. {reason}', instance=name)


def _missing(name: str) -> ApiError:
    return ApiError(400, "missing-parameter", f'Missing value for parameter "{name}".', instance=name)


PAGING = ("page", "itemsPerPage")


def paginate(
    rows: Sequence[T], query: Query, *, default: int, maximum: int, missing_page_is_404: bool
) -> tuple[Sequence[T], Json]:
    """Return the rows of the page asked for and the paginator. Raises ApiError 400 above `maximum`."""
    page, size = query.integer("page", 1), query.integer("itemsPerPage", default)
    if page < 1:
        raise invalid("page", "Pages are numbered from 1.")
    if not 1 <= size <= maximum:
        raise invalid("itemsPerPage", f"Expected 1 to {maximum}, but {size} given.")
    page_count = -(-len(rows) // size)
    if missing_page_is_404 and page > max(page_count, 1):
        raise ApiError(404, "page-not-found", f"There is no page {page}.", instance="page")
    found = rows[(page - 1) * size : page * size]
    return found, _paginator(len(rows), page=page, page_count=page_count, on_page=len(found), size=size)


def _paginator(total: int, *, page: int, page_count: int, on_page: int, size: int) -> dict[str, Any]:
    return {
        "totalCount": total,
        "page": page,
        "pageCount": page_count,
        "itemsOnPage": on_page,
        "itemsPerPage": size,
    }

"""Whose rows the reader may see, for tables that keep an opaque tenant id and no foreign key."""

from collections.abc import Callable
from typing import TypeVar

from django.db.models import Model, QuerySet
from django_scopes import get_scope

M = TypeVar("M", bound=Model)

_name_source: list[Callable[[], dict[int, str]]] = []


def visible_tenant_ids() -> list[int] | None:
    """Return the tenants in scope, or None for a reader of all; outside any scope nobody's rows are visible."""
    scope = get_scope()
    if not scope.get("_enabled", True):
        return None
    tenants = scope.get("tenant", [])
    return list(tenants) if isinstance(tenants, list | tuple) else [tenants]


def of_visible_tenants(rows: "QuerySet[M]") -> "QuerySet[M]":
    """Return the rows whose `tenant_id` is in scope; rows of no tenant are for readers of all."""
    tenants = visible_tenant_ids()
    return rows if tenants is None else rows.filter(tenant_id__in=tenants)


def name_tenants(source: Callable[[], dict[int, str]]) -> None:
    """Let `source` name the tenants in scope: the module that owns them is above the ones that show them."""
    _name_source[:] = [source]


def tenant_names() -> dict[int, str]:
    """Return the names of the tenants in scope by id; empty when no module names them."""
    return _name_source[0]() if _name_source else {}

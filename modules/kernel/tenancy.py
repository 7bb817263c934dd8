"""Whose data a piece of code may see: a query outside a tenant's scope raises instead of leaking."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import models
from django_scopes import ScopedManager, get_scope, scope, scopes_disabled


def tenant_manager(manager_class: type[models.Manager[Any]] = models.Manager) -> Any:
    """Return a manager whose queries raise `ScopeError` unless a tenant is in scope."""
    return ScopedManager(_manager_class=manager_class, tenant="tenant_id")


@contextmanager
def tenant_scope(tenant_id: int | list[int]) -> Iterator[None]:
    """Let queries see this tenant's rows (or these tenants') and no others."""
    with scope(tenant=tenant_id):
        yield


@contextmanager
def all_tenants() -> Iterator[None]:
    """Let queries see every row: for operators of the whole product and for set-based jobs over all tenants."""
    with scopes_disabled():
        yield


def tenants_in_scope() -> frozenset[int] | None:
    """Return the tenants whose rows this code may see; None when no scope limits it."""
    state = get_scope()
    if not state.get("_enabled", True) or "tenant" not in state:
        return None
    tenants = state["tenant"]
    return frozenset(tenants) if isinstance(tenants, list) else frozenset([tenants])

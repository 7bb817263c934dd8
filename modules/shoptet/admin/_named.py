"""What shops and add-ons have in common: each is known by its tenant and name, and is switched off, never deleted."""

from typing import Any

from django.http import HttpRequest

from modules.kernel.console import ConsoleAdmin, visible_tenant_ids


class NamedOfTenantAdmin(ConsoleAdmin):
    """The first of `fieldsets` is for everybody; the others tell of a row that is there."""

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out what only a row that is there has to tell."""
        found = super().get_fieldsets(request, obj)
        return found if obj else found[:1]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep tenant and name as they are: they say which one it is."""
        return (*self.readonly_fields, "tenant", "name") if obj else tuple(self.readonly_fields)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: what hangs on it would be lost. Switch it off instead."""
        return False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the reader's own tenants only."""
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        visible = visible_tenant_ids()
        if db_field.name == "tenant" and visible is not None and field is not None:
            field.queryset = field.queryset.filter(id__in=visible)
        return field

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row with what its page tells of it."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.fill_in(request, [row])
        return row

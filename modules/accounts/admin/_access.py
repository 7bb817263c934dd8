"""Who may see what. Only superusers change it: whoever could edit a membership could join any tenant."""

from typing import Any

from django.contrib.admin import display, register, site
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from modules.accounts.models import Membership, Tenant, User
from modules.kernel.console import (
    ConsoleAdmin,
    ConsoleInline,
    PasswordChangeForm,
    StockUserAdmin,
    UserChangeForm,
    UserCreationForm,
    badge,
    moment,
    name_tenants,
    two_lines,
    visible_tenant_ids,
)


def _visible_names() -> dict[int, str]:
    """Return the names of the tenants in scope, in order of name."""
    return dict(in_scope(Tenant.objects.order_by("name"), "id").values_list("id", "name"))


def in_scope(rows: "QuerySet[Any]", column: str) -> "QuerySet[Any]":
    """Return the rows whose tenant, in `column`, the reader may see."""
    visible = visible_tenant_ids()
    return rows if visible is None else rows.filter(**{f"{column}__in": visible})


name_tenants(_visible_names)


class AccessAdmin(ConsoleAdmin):
    """Everybody with the permission may look at their tenants' rows; superusers write."""

    tenant_column: str

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the rows of the reader's tenants."""
        return in_scope(super().get_queryset(request), self.tenant_column)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return whether the reader is a superuser."""
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the reader is a superuser."""
        return bool(request.user.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the reader is a superuser."""
        return bool(request.user.is_superuser)


class MembershipInline(ConsoleInline):
    model = Membership
    autocomplete_fields = ("tenant",)


@register(Tenant)
class TenantAdmin(AccessAdmin):
    tenant_column = "id"
    list_display = ("name", "members", "activity", "created")
    search_fields = ("name",)
    ordering = ("name",)
    fields = ("name", "is_active")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: all of a tenant's data would go with it. Switch it off instead."""
        return False

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Count the members of the page's tenants."""
        found = Membership.objects.filter(tenant__in=rows).values("tenant_id").annotate(count=Count("id")).order_by()
        counts = {row["tenant_id"]: row["count"] for row in found}
        for row in rows:
            row.member_count = counts.get(row.pk, 0)

    @display(description=_("members"))
    def members(self, tenant: Any) -> int:
        """Show how many people see its data."""
        return int(tenant.member_count)

    @display(description=_("active"))
    def activity(self, tenant: Tenant) -> str:
        """Show whether its jobs run and its members see it."""
        if tenant.is_active:
            return badge(_("Active"), icon="check_circle", tone="green")
        return badge(_("Off"), icon="block", tone="gray")

    @display(description=_("created"), ordering="created_at")
    def created(self, tenant: Tenant) -> str:
        """Show since when it is there."""
        return moment(tenant.created_at)


@register(User)
class UserAdmin(StockUserAdmin, AccessAdmin):
    tenant_column = "memberships__tenant_id"
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = PasswordChangeForm
    list_display = ("person", "email", "access", "tenants", "seen")
    list_display_links = ("person",)
    list_filter = ("is_staff", "is_superuser", "is_active")
    inlines = (MembershipInline,)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the people who share a tenant with the reader."""
        return super().get_queryset(request).distinct()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the reader may look."""
        return bool(request.user.is_superuser) or super().has_view_permission(request, obj)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave a colleague's password and permissions to superusers."""
        if request.user.is_superuser:
            stock = super().get_fieldsets(request, obj)
            return stock if obj is None else (*stock, (_("Language and time"), {"fields": ("locale", "timezone")}))
        return ((None, {"fields": ("username", "first_name", "last_name", "email", "is_active")}),)

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        """Show memberships to superusers: a colleague's other tenants are nobody's business."""
        return self.inlines if request.user.is_superuser and obj is not None else ()

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Name the tenants of the page's people, as far as the reader sees them."""
        found = in_scope(Membership.objects.filter(user__in=rows), "tenant_id").select_related("tenant")
        names: dict[int, list[str]] = {row.pk: [] for row in rows}
        for membership in found.order_by("tenant__name"):
            names[membership.user_id].append(f"{membership.tenant} ({membership.get_role_display()})")
        for row in rows:
            row.tenant_names = names[row.pk]

    @display(description=_("user"), ordering="username")
    def person(self, user: User) -> str:
        """Show the login and the name."""
        return two_lines(user.username, user.get_full_name())

    @display(description=_("access"))
    def access(self, user: User) -> str:
        """Show how far the account reaches."""
        if not user.is_active:
            return badge(_("Off"), icon="block", tone="gray")
        if user.is_superuser:
            return badge(_("Superuser"), icon="shield_person", tone="violet")
        if user.is_staff:
            return badge(_("Staff"), icon="badge", tone="blue")
        return badge(_("No console"), icon="person", tone="gray")

    @display(description=_("tenants"))
    def tenants(self, user: Any) -> str:
        """Show whose data the person sees."""
        return ", ".join(user.tenant_names) or "–"

    @display(description=_("last login"), ordering="last_login")
    def seen(self, user: User) -> str:
        """Show when they were here last."""
        return moment(user.last_login)


@register(Membership)
class MembershipAdmin(AccessAdmin):
    tenant_column = "tenant_id"
    list_display = ("user", "tenant", "role")
    list_filter = ("role",)
    list_select_related = ("user", "tenant")
    search_fields = ("user__username", "tenant__name")
    autocomplete_fields = ("user", "tenant")
    ordering = ("tenant__name", "user__username")


site.unregister(Group)  # the stock one has the stock look, and lets staff grant themselves anything


@register(Group)
class GroupAdmin(ConsoleAdmin):
    """Sets of permissions, for superusers: a group that grants more to its members grants it to all tenants' staff."""

    search_fields = ("name",)
    ordering = ("name",)
    filter_horizontal = ("permissions",)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the permissions with the names of what they are for, in one query."""
        field: Any = super().formfield_for_manytomany(db_field, request, **kwargs)
        if db_field.name == "permissions" and field is not None:
            field.queryset = field.queryset.select_related("content_type")
        return field

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Return whether the reader is a superuser."""
        return bool(request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the reader is a superuser."""
        return bool(request.user.is_superuser)

    has_add_permission = has_module_permission
    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission

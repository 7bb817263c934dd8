"""Who changed what in the console, and why: kept by the admin with each change, written by nobody else."""

from typing import Any

from django.contrib.admin import SimpleListFilter, display, register
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from modules.kernel.console import ReadOnlyAdmin, long_moment, moment, muted, two_lines, visible_tenant_ids

MAX_NAMES = 100  # in the filter


class WhoFilter(SimpleListFilter):
    title = gettext_lazy("who")
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return those who changed something, in order of name."""
        theirs = LogEntry.objects.filter(user_id=OuterRef("pk"))
        users = get_user_model().objects.filter(Exists(theirs)).order_by("username")
        return list(users.values_list("pk", "username")[:MAX_NAMES])

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return what one person changed."""
        chosen = self.value() or ""
        return queryset.filter(user_id=chosen) if chosen.isdecimal() else queryset


@register(LogEntry)
class AuditAdmin(ReadOnlyAdmin):
    list_display = ("at", "who", "did", "row")
    list_display_links = ("did",)
    list_filter = (WhoFilter, "action_flag", "action_time")
    search_fields = ("object_repr",)
    search_help_text = gettext_lazy("a part of what was changed or said")
    list_select_related = ("user", "content_type")
    ordering = ("-id",)
    sortable_by = ()
    fields = ("at_in_full", "who", "row", "what", "fields_changed")
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow readers of all tenants only: an entry does not say whose row it was."""
        return request.user.has_perm("admin.view_logentry") and visible_tenant_ids() is None

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: the log is for reading."""
        return False

    @display(description=gettext_lazy("when"))
    def at(self, entry: LogEntry) -> str:
        """Show how long ago it was."""
        return moment(entry.action_time)

    @display(description=gettext_lazy("when"))
    def at_in_full(self, entry: LogEntry) -> str:
        """Show the instant."""
        return long_moment(entry.action_time)

    @display(description=gettext_lazy("who"))
    def who(self, entry: LogEntry) -> str:
        """Show the login name."""
        return entry.user.get_username()

    @display(description=gettext_lazy("what was done"))
    def did(self, entry: LogEntry) -> str:
        """Show it in one line; many rows at once have said it themselves."""
        kind = entry.content_type.name if entry.content_type else ""
        said = entry.get_change_message() if entry.object_id else ""
        return two_lines(format_html("<b>{}</b>", said or entry.object_repr), kind)

    @display(description=gettext_lazy("row"))
    def row(self, entry: LogEntry) -> str:
        """Show which one, and lead to it where it still is."""
        if not entry.object_id:
            return muted("–")
        url = None if entry.is_deletion() else entry.get_admin_url()
        return format_html('<a class="bk-link" href="{}">{}</a>', url, entry.object_repr) if url else entry.object_repr

    @display(description=gettext_lazy("what was done"))
    def what(self, entry: LogEntry) -> str:
        """Show the whole text."""
        return f"{entry.get_action_flag_display()}: {entry.object_repr}"

    @display(description=gettext_lazy("said of it"))
    def fields_changed(self, entry: LogEntry) -> str:
        """Show which fields, or which filter of a list."""
        return entry.get_change_message() or muted("–")

"""Whose week was dealt with, and what the runs did."""

from django.contrib.admin import display, register
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from modules.kernel.console import ReadOnlyAdmin, code, long_moment, moment
from modules.reports.admin._looks import person, summary_badge
from modules.reports.models import SummaryReceipt, WeeklySummary


@register(WeeklySummary)
class WeeklySummaryAdmin(ReadOnlyAdmin):
    list_display = ("who", "week", "condition", "zone", "due", "created")
    list_display_links = ("who",)
    list_filter = ("outcome",)
    list_select_related = ("user",)
    search_fields = ("=week", "=user__username", "=user__email")
    search_help_text = gettext_lazy("week, whole user name or e-mail")
    ordering = ("-id",)
    sortable_by = ()
    fields = (("who", "condition"), ("week", "zone", "due_in_full"), ("created", "number"))
    readonly_fields = ("who", "condition", "due_in_full", "created", "number")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: what was mailed stays mailed."""
        return False

    @display(description=gettext_lazy("user"))
    def who(self, row: WeeklySummary) -> SafeString:
        """Show whose week it was."""
        return person(row.user)

    @display(description=gettext_lazy("outcome"))
    def condition(self, row: WeeklySummary) -> SafeString:
        """Show what became of it."""
        return summary_badge(row)

    @display(description=gettext_lazy("due"))
    def due(self, row: WeeklySummary) -> str:
        """Show when the person's clock came to it."""
        return moment(row.due_at)

    @display(description=gettext_lazy("due"))
    def due_in_full(self, row: WeeklySummary) -> str:
        """Show when the person's clock came to it."""
        return long_moment(row.due_at, timezone=row.zone)

    @display(description=gettext_lazy("created"))
    def created(self, row: WeeklySummary) -> str:
        """Show when it was dealt with."""
        return moment(row.created_at)

    @display(description=gettext_lazy("run"))
    def number(self, row: WeeklySummary) -> SafeString:
        """Show the job's number, or the command's."""
        return code(row.run)


@register(SummaryReceipt)
class SummaryReceiptAdmin(ReadOnlyAdmin):
    list_display = ("started", "mailed", "empty", "unreachable", "finished")
    list_display_links = ("started",)
    ordering = ("-id",)
    sortable_by = ()
    fields = (("mailed", "empty", "unreachable"), ("started", "finished"), "number")
    readonly_fields = ("started", "finished", "number")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: a receipt stays as it is."""
        return False

    @display(description=gettext_lazy("started"))
    def started(self, row: SummaryReceipt) -> str:
        """Show when it began."""
        return long_moment(row.started_at)

    @display(description=gettext_lazy("finished"))
    def finished(self, row: SummaryReceipt) -> str:
        """Show when it was through."""
        return moment(row.finished_at)

    @display(description=gettext_lazy("run"))
    def number(self, row: SummaryReceipt) -> SafeString:
        """Show the job's number, or the command's."""
        return code(row.run)

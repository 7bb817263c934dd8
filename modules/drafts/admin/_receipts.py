"""What the cleanups deleted."""

from django.contrib.admin import display, register
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from modules.drafts.models import CleanupReceipt
from modules.kernel.console import ReadOnlyAdmin, code, long_moment, moment


@register(CleanupReceipt)
class CleanupReceiptAdmin(ReadOnlyAdmin):
    list_display = ("cleanup", "count", "documents", "failed", "oldest", "newest", "finished")
    list_display_links = ("cleanup",)
    list_filter = ("rule",)
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        *(("cleanup", "count", "documents", "failed"), ("older_than", "oldest", "newest"), ("started", "finished")),
        "number",
    )
    readonly_fields = ("cleanup", "older_than", "oldest", "newest", "started", "finished", "number")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: a receipt stays as it is."""
        return False

    @display(description=gettext_lazy("rule"))
    def cleanup(self, row: CleanupReceipt) -> str:
        """Show which drafts it was about."""
        return row.get_rule_display()

    @display(description=gettext_lazy("older than"))
    def older_than(self, row: CleanupReceipt) -> str:
        """Show the border."""
        return long_moment(row.before)

    @display(description=gettext_lazy("oldest"))
    def oldest(self, row: CleanupReceipt) -> str:
        """Show how old the oldest was."""
        return moment(row.oldest_at)

    @display(description=gettext_lazy("newest"))
    def newest(self, row: CleanupReceipt) -> str:
        """Show how old the newest was."""
        return moment(row.newest_at)

    @display(description=gettext_lazy("started"))
    def started(self, row: CleanupReceipt) -> str:
        """Show when it began."""
        return long_moment(row.started_at)

    @display(description=gettext_lazy("finished"))
    def finished(self, row: CleanupReceipt) -> str:
        """Show when it was through."""
        return moment(row.finished_at)

    @display(description=gettext_lazy("run"))
    def number(self, row: CleanupReceipt) -> str:
        """Show the job's number, or the command's."""
        return code(row.run)

"""The page of a cleanup's receipts, alike wherever something is deleted by age."""

from typing import Any

from django.contrib.admin import display
from django.http import HttpRequest
from django.utils.translation import gettext_lazy

from modules.kernel.console._admin import ReadOnlyAdmin
from modules.kernel.console._display import code, long_moment, moment


class ReceiptAdmin(ReadOnlyAdmin):
    """For a model with run, rule, before, count, oldest_at, newest_at, started_at and finished_at."""

    list_display = ("cleanup", "count", "older_than", "oldest", "newest", "finished")
    list_display_links = ("cleanup",)
    list_filter = ("rule",)
    ordering = ("-id",)
    sortable_by = ()
    fields = (("cleanup", "count"), ("older_than", "oldest", "newest"), ("started", "finished"), "number")
    readonly_fields = ("cleanup", "older_than", "oldest", "newest", "started", "finished", "number")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: a receipt stays as it is."""
        return False

    @display(description=gettext_lazy("rule"))
    def cleanup(self, row: Any) -> str:
        """Show which rows it was about."""
        return str(row.get_rule_display())

    @display(description=gettext_lazy("older than"))
    def older_than(self, row: Any) -> str:
        """Show the border."""
        return long_moment(row.before)

    @display(description=gettext_lazy("oldest"))
    def oldest(self, row: Any) -> str:
        """Show how old the oldest was."""
        return moment(row.oldest_at)

    @display(description=gettext_lazy("newest"))
    def newest(self, row: Any) -> str:
        """Show how old the newest was."""
        return moment(row.newest_at)

    @display(description=gettext_lazy("started"))
    def started(self, row: Any) -> str:
        """Show when it began."""
        return long_moment(row.started_at)

    @display(description=gettext_lazy("finished"))
    def finished(self, row: Any) -> str:
        """Show when it ended."""
        return long_moment(row.finished_at)

    @display(description=gettext_lazy("run"))
    def number(self, row: Any) -> str:
        """Show which run it was: the job's number, or one of the command's own."""
        return code(row.run)

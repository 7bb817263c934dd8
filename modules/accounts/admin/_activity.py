"""What people did, and what was deleted by age."""

from django.contrib.admin import display, register
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from modules.accounts.models import ActivityEntry, CleanupReceipt
from modules.kernel.console import ReadOnlyAdmin, ReceiptAdmin, crumb, json_block, long_moment, moment, muted, two_lines

register(CleanupReceipt)(ReceiptAdmin)


@register(ActivityEntry)
class ActivityAdmin(ReadOnlyAdmin):
    list_display = ("deed", "who", "target", "since")
    list_display_links = ("deed",)
    list_filter = ("verb",)
    list_select_related = ("user",)
    search_fields = ("=user__username", "=target_id")
    search_help_text = gettext_lazy("whole user name or number of the thing")
    ordering = ("-id",)
    sortable_by = ()
    fields = (("deed", "who"), ("target", "exactly"), "content")
    readonly_fields = ("deed", "who", "target", "exactly", "content")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: what was done was done."""
        return False

    @display(description=gettext_lazy("action"))
    def deed(self, row: ActivityEntry) -> str:
        """Show what was done."""
        return two_lines(format_html("<b>{}</b>", row.verb), crumb(row.details))

    @display(description=gettext_lazy("user"))
    def who(self, row: ActivityEntry) -> str:
        """Show who did it."""
        return two_lines(row.user.get_username(), row.user.email) if row.user else muted("–")

    @display(description=gettext_lazy("thing"))
    def target(self, row: ActivityEntry) -> str:
        """Show what it was done to."""
        return f"{row.target_type} {row.target_id}".strip() or muted("–")

    @display(description=gettext_lazy("when"))
    def since(self, row: ActivityEntry) -> str:
        """Show how long ago."""
        return moment(row.at)

    @display(description=gettext_lazy("when"))
    def exactly(self, row: ActivityEntry) -> str:
        """Show when."""
        return long_moment(row.at)

    @display(description=gettext_lazy("details"))
    def content(self, row: ActivityEntry) -> str:
        """Show all that is known of it."""
        return json_block(row.details)

"""What people were told, and what was deleted of it."""

from django.contrib.admin import EmptyFieldListFilter, display, register
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from modules.kernel.console import ReadOnlyAdmin, ReceiptAdmin, crumb, json_block, long_moment, moment, two_lines
from modules.notifications.models import CleanupReceipt, Notification


@register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    list_display = ("notice", "who", "told", "read")
    list_display_links = ("notice",)
    list_filter = ("type", ("read_at", EmptyFieldListFilter))
    list_select_related = ("user",)
    search_fields = ("=user__username", "=user__email")
    search_help_text = gettext_lazy("whole user name or e-mail")
    ordering = ("-id",)
    sortable_by = ()
    fields = (("notice", "who"), ("told_in_full", "read_in_full"), "content")
    readonly_fields = ("notice", "who", "told_in_full", "read_in_full", "content")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: what people were told is theirs."""
        return False

    @display(description=gettext_lazy("notification"))
    def notice(self, row: Notification) -> str:
        """Show what it is about."""
        return two_lines(format_html("<b>{}</b>", row.type), crumb(row.payload))

    @display(description=gettext_lazy("user"))
    def who(self, row: Notification) -> str:
        """Show who was told."""
        return two_lines(row.user.get_username(), row.user.email)

    @display(description=gettext_lazy("told"))
    def told(self, row: Notification) -> str:
        """Show when."""
        return moment(row.created_at)

    @display(description=gettext_lazy("read"))
    def read(self, row: Notification) -> str:
        """Show since when it is read."""
        return moment(row.read_at)

    @display(description=gettext_lazy("told"))
    def told_in_full(self, row: Notification) -> str:
        """Show when."""
        return long_moment(row.created_at)

    @display(description=gettext_lazy("read"))
    def read_in_full(self, row: Notification) -> str:
        """Show since when it is read."""
        return long_moment(row.read_at)

    @display(description=gettext_lazy("payload"))
    def content(self, row: Notification) -> str:
        """Show all that was told."""
        return json_block(row.payload)


register(CleanupReceipt)(ReceiptAdmin)

"""What offline clients asked for and was not done yet, why, and the way to try it anew."""

from django.contrib import messages
from django.contrib.admin import display, register
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.drafts import services
from modules.drafts.admin._looks import change_badge, person
from modules.drafts.models import SyncItem
from modules.kernel import clock
from modules.kernel.console import (
    ReadOnlyAdmin,
    button,
    first_line,
    json_block,
    long_moment,
    moment,
    muted,
    text_block,
    two_lines,
)


@register(SyncItem)
class SyncItemAdmin(ReadOnlyAdmin):
    list_display = ("change", "condition", "who", "retry_count", "next_try", "why")
    list_display_links = ("change",)
    list_filter = ("status", "operation")
    list_select_related = ("user",)
    search_fields = ("=client_id", "=user__username", "=user__email")
    search_help_text = gettext_lazy("number at the client, whole user name or e-mail")
    ordering = ("-id",)
    sortable_by = ()
    buttons = ("try_again",)
    fields = (("change", "condition"), ("who", "retry_count"), ("created", "next_try_in_full"), "error", "content")
    readonly_fields = ("change", "condition", "who", "created", "next_try_in_full", "error", "content")

    @display(description=gettext_lazy("offline change"))
    def change(self, row: SyncItem) -> str:
        """Show what was asked for."""
        return two_lines(format_html("<b>{}</b>", row.operation), row.client_id)

    @display(description=gettext_lazy("state"))
    def condition(self, row: SyncItem) -> str:
        """Show what became of it."""
        return change_badge(row)

    @display(description=gettext_lazy("user"))
    def who(self, row: SyncItem) -> str:
        """Show who asked."""
        return person(row.user)

    @display(description=gettext_lazy("next try"))
    def next_try(self, row: SyncItem) -> str:
        """Show when it is tried again."""
        return moment(row.next_retry_at)

    @display(description=gettext_lazy("last error"))
    def why(self, row: SyncItem) -> str:
        """Show what was wrong."""
        return first_line(row.last_error) or muted("–")

    @display(description=gettext_lazy("created"))
    def created(self, row: SyncItem) -> str:
        """Show when it was asked for."""
        return long_moment(row.created_at)

    @display(description=gettext_lazy("next try"))
    def next_try_in_full(self, row: SyncItem) -> str:
        """Show when it is tried again."""
        return long_moment(row.next_retry_at)

    @display(description=gettext_lazy("last error"))
    def error(self, row: SyncItem) -> str:
        """Show what was wrong, all of it."""
        return text_block(row.last_error)

    @display(description=gettext_lazy("payload"))
    def content(self, row: SyncItem) -> str:
        """Show all that was asked for."""
        return json_block(row.payload)

    @button(gettext_lazy("Try again"), icon="replay", shown_for=lambda row: row.status != SyncItem.Status.FAILED)
    def try_again(self, request: HttpRequest, row: SyncItem) -> None:
        """Give it all its tries anew."""
        if services.try_again(item_id=row.pk, now=clock.now()):
            messages.success(request, _("It is tried again within five minutes."))
        else:
            messages.warning(request, _("It waits for another try already."))

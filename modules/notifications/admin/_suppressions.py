"""Who is mailed no more, and the way back."""

from django.contrib import messages
from django.contrib.admin import EmptyFieldListFilter, display, register
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.kernel import clock
from modules.kernel.console import ReadOnlyAdmin, badge, button, first_line, long_moment, moment, muted, two_lines
from modules.notifications import services
from modules.notifications.models import Suppression


@register(Suppression)
class SuppressionAdmin(ReadOnlyAdmin):
    list_display = ("whom", "condition", "why", "since", "lifted")
    list_display_links = ("whom",)
    list_filter = ("reason", ("lifted_at", EmptyFieldListFilter))
    list_select_related = ("lifted_by",)
    search_fields = ("=address",)
    search_help_text = gettext_lazy("whole address")
    ordering = ("-id",)
    sortable_by = ()
    buttons = ("lift", "restore")
    fields = (("whom", "condition"), "why", "cause", ("since_in_full", "lifted_in_full", "lifted_by"))
    readonly_fields = ("whom", "condition", "why", "cause", "since_in_full", "lifted_in_full")

    @display(description=gettext_lazy("address"))
    def whom(self, row: Suppression) -> str:
        """Show the address."""
        return two_lines(format_html("<b>{}</b>", row.address), row.get_reason_display())

    @display(description=gettext_lazy("state"))
    def condition(self, row: Suppression) -> str:
        """Show whether it is mailed."""
        if row.lifted_at:
            return badge(_("Lifted"), icon="lock_open", tone="gray")
        return badge(_("Mailed no more"), icon="block", tone="amber")

    @display(description=gettext_lazy("detail"))
    def why(self, row: Suppression) -> str:
        """Show what the provider said."""
        return first_line(row.detail) or muted("–")

    @display(description=gettext_lazy("e-mail"))
    def cause(self, row: Suppression) -> str:
        """Lead to the mail after which it is so."""
        if row.mail_id is None:
            return muted("–")
        url = reverse("admin:notifications_emailmessage_change", args=[row.mail_id])
        return format_html('<a class="bk-link" href="{}">{}</a>', url, row.mail)

    @display(description=gettext_lazy("since"))
    def since(self, row: Suppression) -> str:
        """Show since when."""
        return moment(row.created_at)

    @display(description=gettext_lazy("lifted"))
    def lifted(self, row: Suppression) -> str:
        """Show since when it is mailed again."""
        return moment(row.lifted_at)

    @display(description=gettext_lazy("since"))
    def since_in_full(self, row: Suppression) -> str:
        """Show since when."""
        return long_moment(row.created_at)

    @display(description=gettext_lazy("lifted"))
    def lifted_in_full(self, row: Suppression) -> str:
        """Show since when it is mailed again."""
        return long_moment(row.lifted_at)

    @button(gettext_lazy("Mail again"), icon="lock_open", shown_for=lambda row: row.lifted_at is None)
    def lift(self, request: HttpRequest, row: Suppression) -> None:
        """Let the address be mailed."""
        done = services.lift_suppression(suppression_id=row.pk, by_id=request.user.pk, now=clock.now())
        if done:
            messages.success(request, _("%s is mailed again.") % row)
        else:
            messages.warning(request, _("It is not needed."))

    @button(gettext_lazy("Undo: mail no more"), icon="undo", shown_for=lambda row: row.lifted_at is not None)
    def restore(self, request: HttpRequest, row: Suppression) -> None:
        """Take the lifting back."""
        if services.restore_suppression(suppression_id=row.pk):
            messages.success(request, _("%s is mailed no more.") % row)
        else:
            messages.warning(request, _("It is not needed."))

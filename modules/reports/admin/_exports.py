"""Exports of people's data: how they went; never the link, which is their person's alone."""

from django.contrib import messages
from django.contrib.admin import display, register
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.kernel import clock
from modules.kernel.console import ReadOnlyAdmin, button, code, long_moment, moment, muted
from modules.reports import services
from modules.reports.admin._looks import export_badge, person
from modules.reports.models import Export


@register(Export)
class ExportAdmin(ReadOnlyAdmin):
    list_display = ("who", "condition", "weight", "downloads", "created", "valid_until")
    list_display_links = ("who",)
    list_filter = ("state", "reason")
    list_select_related = ("user",)
    search_fields = ("=public_id", "=user__username", "=user__email")
    search_help_text = gettext_lazy("number of the export, whole user name or e-mail")
    ordering = ("-id",)
    sortable_by = ()
    buttons = ("revoke",)
    fields = (
        *(("who", "condition", "why"), ("weight", "entries", "missing"), ("includes_photos", "downloads")),
        *(("created", "finished", "valid_until_in_full"), ("number", "job")),
    )
    readonly_fields = (
        "who",
        "condition",
        "why",
        "weight",
        "created",
        "finished",
        "valid_until_in_full",
        "number",
        "job",
    )

    @display(description=gettext_lazy("user"))
    def who(self, row: Export) -> SafeString:
        """Show whose data they are."""
        return person(row.user)

    @display(description=gettext_lazy("state"))
    def condition(self, row: Export) -> SafeString:
        """Show what became of it."""
        return export_badge(row)

    @display(description=gettext_lazy("reason"))
    def why(self, row: Export) -> str:
        """Show why it failed."""
        return row.get_reason_display() or "–"

    @display(description=gettext_lazy("size"))
    def weight(self, row: Export) -> str:
        """Show how big it is, or would be."""
        return muted("–") if row.size is None else filesizeformat(row.size)

    @display(description=gettext_lazy("created"))
    def created(self, row: Export) -> str:
        """Show when it was asked for."""
        return moment(row.created_at)

    @display(description=gettext_lazy("finished"))
    def finished(self, row: Export) -> str:
        """Show when it was ready, or failed."""
        return long_moment(row.finished_at)

    @display(description=gettext_lazy("link valid until"))
    def valid_until(self, row: Export) -> str:
        """Show until when it can be fetched."""
        return moment(row.expires_at)

    @display(description=gettext_lazy("link valid until"))
    def valid_until_in_full(self, row: Export) -> str:
        """Show until when it can be fetched."""
        return long_moment(row.expires_at)

    @display(description=gettext_lazy("number"))
    def number(self, row: Export) -> SafeString:
        """Show what its person calls it."""
        return code(row.public_id)

    @display(description=gettext_lazy("job"))
    def job(self, row: Export) -> SafeString:
        """Show which job makes it."""
        return code(row.job_id) if row.job_id else muted("–")

    @button(
        gettext_lazy("Withdraw"),
        icon="block",
        question=gettext_lazy("The file is deleted and its link leads nowhere. Go on?"),
        shown_for=lambda row: row.state == Export.State.READY,
    )
    def revoke(self, request: HttpRequest, row: Export) -> None:
        """Delete the file before its day is over."""
        if services.revoke_export(export_id=row.pk, now=clock.now(), by_id=request.user.pk):
            messages.success(request, _("The export is withdrawn."))
        else:
            messages.warning(request, _("The export is not ready any more."))

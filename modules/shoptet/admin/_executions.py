"""The log of readings, and the records that could not be read."""

import json
from typing import Any

from django.contrib import messages
from django.contrib.admin import EmptyFieldListFilter, display, register
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.kernel import clock
from modules.kernel.console import (
    ReadOnlyAdmin,
    badge,
    button,
    duration,
    first_line,
    json_block,
    long_moment,
    moment,
    muted,
    text_block,
    two_lines,
)
from modules.shoptet import services
from modules.shoptet.admin._freshness import freshness
from modules.shoptet.admin._looks import job_link, status_badge
from modules.shoptet.models import ParkedRecord, SnapshotExecution

COUNTS = ("listed", "fetched", "created", "updated", "unchanged", "deleted", "parked")


@register(SnapshotExecution)
class SnapshotExecutionAdmin(ReadOnlyAdmin):
    list_display = ("reading", "state", *COUNTS[1:], "started", "took", "trouble")
    list_display_links = ("reading",)
    list_filter = ("shop", "status", "trigger")
    list_before_template = "shoptet/freshness.html"
    list_select_related = ("shop",)
    ordering = ("-id",)
    sortable_by = ()
    fieldsets = (
        (None, {"fields": (("shop", "kind", "trigger"), ("state", "job"), "error_text", "warning_text")}),
        (gettext_lazy("Counts"), {"fields": (COUNTS[:4], COUNTS[4:])}),
        (
            gettext_lazy("Snapshot"),
            {"fields": (("lines_done", "lines_total", "file_bytes"), ("remote_job_id", "polls", "requests"), "sha256")},
        ),
        (
            gettext_lazy("Times"),
            {"fields": (("started_in_full", "finished_in_full", "took"), ("changes_from", "changes_to"))},
        ),
    )
    readonly_fields = (
        *("reading", "state", "started", "took", "trouble", "job", "error_text", "warning_text"),
        *("started_in_full", "finished_in_full", "changes_from", "changes_to"),
    )

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: the log is written by jobs."""
        return False

    def summary(self, request: HttpRequest, rows: "QuerySet[Any]") -> dict[str, Any] | None:
        """Return how fresh the data of each shop is; a filtered list has its own question."""
        return None if request.GET else freshness(now=clock.now())

    @display(description=gettext_lazy("reading"))
    def reading(self, row: SnapshotExecution) -> str:
        """Show what was read from which shop."""
        return two_lines(format_html("<b>{}</b>", row.shop), f"{row.get_kind_display()} · {row.get_trigger_display()}")

    @display(description=gettext_lazy("state"))
    def state(self, row: SnapshotExecution) -> str:
        """Show how far it is, or how it ended."""
        return status_badge(row)

    @display(description=gettext_lazy("started"))
    def started(self, row: SnapshotExecution) -> str:
        """Show when."""
        return moment(row.started_at)

    @display(description=gettext_lazy("took"))
    def took(self, row: SnapshotExecution) -> str:
        """Show how long it took, or how long it has been at work."""
        span = duration((row.finished_at or clock.now()) - row.started_at)
        return format_html('<span class="bk-nowrap">{}</span>', span if row.finished_at else f"{span} …")

    @display(description=gettext_lazy("error"))
    def trouble(self, row: SnapshotExecution) -> str:
        """Show what went wrong in one line."""
        line = first_line(row.error or row.warning)
        return format_html('<span class="bk-error" title="{}">{}</span>', line, line) if line else muted("–")

    @display(description=gettext_lazy("job"))
    def job(self, row: SnapshotExecution) -> str:
        """Show which job did it."""
        return job_link(row.job_id, row.job_id)

    @display(description=gettext_lazy("error"))
    def error_text(self, row: SnapshotExecution) -> str:
        """Show what went wrong."""
        return format_html('<span class="bk-red-text">{}</span>', row.error) if row.error else muted("–")

    @display(description=gettext_lazy("warning"))
    def warning_text(self, row: SnapshotExecution) -> str:
        """Show what may be missing."""
        return row.warning or muted("–")

    @display(description=gettext_lazy("started"))
    def started_in_full(self, row: SnapshotExecution) -> str:
        """Show when it began."""
        return long_moment(row.started_at)

    @display(description=gettext_lazy("finished"))
    def finished_in_full(self, row: SnapshotExecution) -> str:
        """Show when it ended."""
        return long_moment(row.finished_at)

    @display(description=gettext_lazy("changes from"))
    def changes_from(self, row: SnapshotExecution) -> str:
        """Show where the window of changes begins."""
        return long_moment(row.window_from)

    @display(description=gettext_lazy("changes to"))
    def changes_to(self, row: SnapshotExecution) -> str:
        """Show where the window of changes ends."""
        return long_moment(row.window_to)


@register(ParkedRecord)
class ParkedRecordAdmin(ReadOnlyAdmin):
    list_display = ("record", "shop", "why", "state", "attempts", "parked", "tried")
    list_display_links = ("record",)
    list_filter = ("shop", "kind", ("resolved_at", EmptyFieldListFilter))
    list_select_related = ("shop",)
    search_fields = ("^code",)
    ordering = ("-id",)
    sortable_by = ()
    buttons = ("retry",)
    fields = (("record", "shop", "state"), "why", ("attempts", "parked_in_full", "tried_in_full"), "received")
    readonly_fields = ("record", "why", "state", "parked", "tried", "parked_in_full", "tried_in_full", "received")

    @display(description=gettext_lazy("record"))
    def record(self, row: ParkedRecord) -> str:
        """Show its code."""
        return two_lines(format_html("<b>{}</b>", row.code or _("without a code")), row.get_kind_display())

    @display(description=gettext_lazy("why it could not be read"))
    def why(self, row: ParkedRecord) -> str:
        """Show the reason."""
        return format_html('<span class="bk-red-text">{}</span>', row.reason)

    @display(description=gettext_lazy("state"))
    def state(self, row: ParkedRecord) -> str:
        """Show whether it could be read since."""
        if row.resolved_at:
            return badge(_("Resolved"), icon="check_circle", tone="green")
        return badge(_("Set aside"), icon="inventory", tone="amber")

    @display(description=gettext_lazy("set aside"))
    def parked(self, row: ParkedRecord) -> str:
        """Show since when."""
        return moment(row.parked_at)

    @display(description=gettext_lazy("last tried"))
    def tried(self, row: ParkedRecord) -> str:
        """Show when it was tried last."""
        return moment(row.attempted_at)

    @display(description=gettext_lazy("set aside"))
    def parked_in_full(self, row: ParkedRecord) -> str:
        """Show since when."""
        return long_moment(row.parked_at)

    @display(description=gettext_lazy("last tried"))
    def tried_in_full(self, row: ParkedRecord) -> str:
        """Show when it was tried last."""
        return long_moment(row.attempted_at)

    @display(description=gettext_lazy("as received"))
    def received(self, row: ParkedRecord) -> SafeString:
        """Show what the shop sent."""
        return _pretty(row.raw)

    @button(
        gettext_lazy("Try again"), icon="replay", shown_for=lambda row: row.resolved_at is None and row.shop.is_active
    )
    def retry(self, request: HttpRequest, row: ParkedRecord) -> None:
        """Read the shop now; each reading tries its records set aside again."""
        send = services.request_products if row.kind == ParkedRecord.Kind.PRODUCT else services.request_orders
        job_id = send(shop=row.shop)
        text = _("The shop is being read, and its records set aside with it; follow the job.")
        messages.success(request, job_link(job_id, text))


def _pretty(raw: str) -> SafeString:
    try:
        return json_block(json.loads(raw))
    except ValueError:
        return text_block(raw)  # what could not be read may well be no JSON

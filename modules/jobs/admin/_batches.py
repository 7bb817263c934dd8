"""Batches: how far each is, and what it sends when it ends."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import SimpleListFilter, display, register
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.jobs import selectors, services
from modules.jobs.admin._filters import TenantFilter
from modules.jobs.admin._rights import WithRightsOfJobs
from modules.jobs.admin._states import job_link, short, state_badge
from modules.jobs.domain import BatchState, Callback, State
from modules.jobs.models import Batch, Job
from modules.kernel.console import (
    asked_once,
    badge,
    button,
    code,
    crumb,
    long_moment,
    moment,
    muted,
    of_visible_tenants,
    progress_bar,
    tenant_names,
    two_lines,
)

LISTED = 50  # members on a batch's page, the newest ones
CALLBACKS = {
    Callback.FIRST_FAILURE: gettext_lazy("When the first fails"),
    Callback.SUCCESS: gettext_lazy("When all have succeeded"),
    Callback.FINISH: gettext_lazy("When all have ended"),
}
STATES = {  # word, icon, tone
    BatchState.RUNNING: (gettext_lazy("Running"), "sync", "blue"),
    BatchState.STOPPING: (gettext_lazy("Stopping"), "sync", "blue"),
    BatchState.CANCELLED: (gettext_lazy("Cancelled"), "block", "gray"),
    BatchState.FAILED: (gettext_lazy("Ended with failures"), "error", "red"),
    BatchState.SUCCEEDED: (gettext_lazy("Succeeded"), "check_circle", "green"),
}


class EndedFilter(SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return what a batch can be."""
        return [("running", _("Running")), ("ended", _("Ended"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the batches in the chosen state."""
        chosen = {"running": True, "ended": False}.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(finished_at__isnull=chosen)


@register(Batch)
class BatchAdmin(WithRightsOfJobs):
    list_display = ("batch", "state", "progress", "tenant", "created", "finished")
    list_display_links = ("batch",)
    list_filter = (EndedFilter, TenantFilter)
    search_fields = ("name__startswith",)
    search_help_text = gettext_lazy("the start of a name")
    ordering = ("-id",)
    sortable_by = ()
    buttons = ("cancel",)
    fields = (
        *("batch_id", "state", "progress", "by_state", "what_it_sends", "tenant"),
        *("created_in_full", "cancelled", "finished_in_full", "newest_members"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the batches of the reader's tenants; those of no tenant are for readers of all."""
        return of_visible_tenants(super().get_queryset(request))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return a batch with its tally."""
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            self.fill_in(request, [found])
        return found

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Count the members of the page's batches, and name their tenants."""
        tallies = selectors.batch_tallies(rows)
        names = tenant_names() if any(row.tenant_id for row in rows) else {}
        for row in rows:
            row.tally = tallies[row.id]
            row.tenant_name = names.get(row.tenant_id, "")

    @button(
        gettext_lazy("Cancel"),
        icon="block",
        shown_for=lambda row: row.finished_at is None and row.cancelled_at is None,
        question=gettext_lazy("Cancel all jobs of this batch? Running ones stop at their next checkpoint."),
    )
    def cancel(self, request: HttpRequest, row: Batch) -> None:
        """Cancel what waits, ask what runs to stop."""
        count = services.cancel_batch(row.id)
        messages.success(request, _("Jobs cancelled or asked to stop: %(count)d.") % {"count": count})

    @display(description=gettext_lazy("batch"))
    def batch(self, row: Batch) -> str:
        """Show its name."""
        return two_lines(format_html("<b>{}</b>", row.name), short(row.id))

    @display(description=gettext_lazy("id"))
    def batch_id(self, row: Batch) -> str:
        """Show its whole id."""
        return code(row.id)

    @display(description=gettext_lazy("state"))
    def state(self, row: Any) -> str:
        """Show whether it has ended, and how."""
        word, icon, tone = STATES[row.state_of(row.tally)]
        return badge(word, icon=icon, tone=tone)

    @display(description=gettext_lazy("progress"))
    def progress(self, row: Any) -> str:
        """Show how many members have ended, and how many of them badly."""
        failed = row.tally.failed + row.tally.cancelled
        note = _("failed or cancelled: %(count)d") % {"count": failed} if failed else ""
        return progress_bar(row.tally.ended, row.tally.total, note)

    @display(description=gettext_lazy("tenant"))
    def tenant(self, row: Any) -> str:
        """Show whose it is."""
        return row.tenant_name or muted("–")

    @display(description=gettext_lazy("created"))
    def created(self, row: Batch) -> str:
        """Show when it was opened."""
        return moment(row.created_at)

    @display(description=gettext_lazy("finished"))
    def finished(self, row: Batch) -> str:
        """Show when it ended."""
        return moment(row.finished_at)

    @display(description=gettext_lazy("created"))
    def created_in_full(self, row: Batch) -> str:
        """Show when it was opened."""
        return long_moment(row.created_at)

    @display(description=gettext_lazy("finished"))
    def finished_in_full(self, row: Batch) -> str:
        """Show when its last member ended."""
        return long_moment(row.finished_at)

    @display(description=gettext_lazy("cancelled"))
    def cancelled(self, row: Batch) -> str:
        """Show when somebody cancelled it."""
        return long_moment(row.cancelled_at)

    @display(description=gettext_lazy("jobs by state"))
    def by_state(self, row: Any) -> str:
        """Show the members by state, each a link to the list of them."""
        tally, words = row.tally, Job.State
        counts = [
            (_("waiting"), tally.waiting, ""),
            (words.RUNNING.label, tally.running, State.RUNNING),
            (words.SUCCEEDED.label, tally.succeeded, State.SUCCEEDED),
            (words.FAILED.label, tally.failed, State.FAILED),
            (words.CANCELLED.label, tally.cancelled, State.CANCELLED),
        ]
        place = f"{reverse('admin:jobs_job_changelist')}?batch={row.id}"
        links = ((f"{place}&state={state}" if state else place, word, count) for word, count, state in counts if count)
        return format_html_join(" · ", '<a class="bk-link" href="{}">{} {}</a>', links) or muted(_("none"))

    @display(description=gettext_lazy("callbacks"))
    def what_it_sends(self, row: Batch) -> str:
        """Show what it sends when, or the job that it sent."""
        lines = ((CALLBACKS[name], _callback(row, name)) for name in Callback if name in row.callbacks)
        return format_html_join("", "<div>{}: {}</div>", lines) or muted(_("none"))

    @display(description=gettext_lazy("newest jobs"))
    @asked_once
    def newest_members(self, row: Batch) -> str:
        """Show the members that came last."""
        found = of_visible_tenants(Job.objects.filter(batch_id=row.id)).order_by("-id")
        lines = (
            (state_badge(job), job_link(job.id, f"{job.actor} {short(job.id)}"), crumb(job.arguments))
            for job in found.defer("result", "checkpoint", "chain")[:LISTED]
        )
        return format_html_join("", '<div>{} {} <span class="bk-muted">{}</span></div>', lines) or muted(_("none"))


def _callback(row: Batch, name: Callback) -> SafeString:
    actor = row.callbacks[name].get("actor", "")
    return job_link(row.sent[name], actor) if name in row.sent else format_html("{}", actor)

"""Worker processes and what they hold."""

from typing import Any

from django.contrib.admin import SimpleListFilter, display, register
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.jobs.admin._states import job_link, short
from modules.jobs.domain import State
from modules.jobs.models import Job, Worker
from modules.kernel import clock
from modules.kernel.console import (
    ReadOnlyAdmin,
    asked_once,
    badge,
    crumb,
    long_moment,
    moment,
    muted,
    of_visible_tenants,
    two_lines,
)

LISTED = 50  # running jobs on a worker's page


class AliveFilter(SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return what a worker can be."""
        return [("up", _("Working")), ("lost", _("Silent")), ("stopped", _("Stopped"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the workers in the chosen state."""
        now = clock.now()
        by_state: dict[str, dict[str, Any]] = {
            "up": {"stopped_at": None, "lease_until__gt": now},
            "lost": {"stopped_at": None, "lease_until__lte": now},
            "stopped": {"stopped_at__isnull": False},
        }
        return queryset.filter(**by_state.get(self.value() or "", {}))


@register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("worker", "state", "queue_names", "running", "seen", "started")
    list_display_links = ("worker",)
    list_filter = (AliveFilter,)
    search_fields = ("hostname",)
    ordering = ("-id",)
    sortable_by = ()
    fields = ("worker", "state", "queue_names", "threads", "seen_in_full", "started_in_full", "stopped", "running_jobs")
    readonly_fields = fields

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Count the running jobs of each worker on the page."""
        held = of_visible_tenants(Job.objects.filter(state=State.RUNNING, worker_id__in=[row.pk for row in rows]))
        counts = held.order_by().values("worker_id").annotate(count=Count("id"))
        found = {row["worker_id"]: row["count"] for row in counts}
        for row in rows:
            row.running_count = found.get(row.pk, 0)

    @display(description=gettext_lazy("worker"))
    def worker(self, row: Worker) -> str:
        """Show where it runs."""
        return two_lines(format_html("<b>{}</b>", row.hostname), _("process %d") % row.pid)

    @display(description=gettext_lazy("state"))
    def state(self, row: Worker) -> str:
        """Show whether it lives: a lease that ran out is a worker that fell silent."""
        if row.stopped_at:
            return badge(_("Stopped"), icon="stop_circle", tone="gray")
        if row.lease_until > clock.now():
            return badge(_("Working"), icon="check_circle", tone="green")
        title = _("Its lease ran out; its jobs have gone to other workers.")
        return badge(_("Silent"), icon="signal_disconnected", tone="red", title=title)

    @display(description=gettext_lazy("queues"))
    def queue_names(self, row: Worker) -> str:
        """Show what it serves."""
        return format_html_join(" ", '<span class="bk-tag">{}</span>', ((queue,) for queue in row.queues)) or muted("–")

    @display(description=gettext_lazy("running jobs"))
    def running(self, row: Any) -> str:
        """Show how many of its threads are busy."""
        return format_html('<span class="bk-number">{} / {}</span>', row.running_count, row.threads)

    @display(description=gettext_lazy("last sign of life"))
    def seen(self, row: Worker) -> str:
        """Show how long it has been silent."""
        return moment(row.seen_at)

    @display(description=gettext_lazy("started"))
    def started(self, row: Worker) -> str:
        """Show how long it lives."""
        return moment(row.started_at)

    @display(description=gettext_lazy("last sign of life"))
    def seen_in_full(self, row: Worker) -> str:
        """Show when it was seen last."""
        return long_moment(row.seen_at)

    @display(description=gettext_lazy("started"))
    def started_in_full(self, row: Worker) -> str:
        """Show when it began."""
        return long_moment(row.started_at)

    @display(description=gettext_lazy("stopped"))
    def stopped(self, row: Worker) -> str:
        """Show when it was stopped in good order."""
        return long_moment(row.stopped_at)

    @display(description=gettext_lazy("running jobs"))
    @asked_once
    def running_jobs(self, row: Worker) -> str:
        """Show what it does now."""
        held = of_visible_tenants(Job.objects.filter(state=State.RUNNING, worker_id=row.pk)).order_by("started_at")
        lines = ((job_link(job.pk, f"{job.actor} {short(job.pk)}"), crumb(job.arguments)) for job in held[:LISTED])
        return format_html_join("", '<div>{} <span class="bk-muted">{}</span></div>', lines) or muted(_("none"))

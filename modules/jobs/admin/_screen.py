"""What the list of all jobs and the list of failed ones have in common."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.admin import display
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.jobs.admin._page import job_page
from modules.jobs.admin._rights import WithRightsOfJobs
from modules.jobs.admin._search import find
from modules.jobs.admin._states import state_badge
from modules.jobs.domain import WAITING, State
from modules.jobs.models import Job
from modules.jobs.services import CHANGEABLE
from modules.kernel import clock
from modules.kernel.console import (
    crumb,
    duration,
    first_line,
    moment,
    muted,
    of_visible_tenants,
    progress_bar,
    shown_buttons,
    tenant_names,
    two_lines,
    visible_tenant_ids,
)


class JobScreen(WithRightsOfJobs):
    """Jobs in the reader's scope, newest first: the order of the primary key, so that no page sorts."""

    ordering: ClassVar[tuple[str, ...]] = ("-id",)
    sortable_by = ()
    search_fields = ("id",)
    search_help_text = gettext_lazy("id, actor, tag, error:Timeout, older:2h …")
    list_display_links = ("job_name",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the jobs of the reader's tenants; jobs of no tenant are for readers of all."""
        return of_visible_tenants(super().get_queryset(request)).defer("result", "checkpoint", "chain")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        """Find by the words of a search: see `jobs/search.html`."""
        return (find(queryset, search_term) if search_term.strip() else queryset), False

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Name the tenants of the page's jobs."""
        names = tenant_names() if any(row.tenant_id for row in rows) else {}
        for row in rows:
            row.tenant_name = names.get(row.tenant_id, "")

    def without_tenant(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """Return the columns for the reader of a single tenant."""
        visible = visible_tenant_ids()
        return columns if visible is None or len(visible) > 1 else tuple(c for c in columns if c != "tenant")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one job."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        job = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        if job is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "title": job.actor,
            "opts": self.opts,
            "original": job,
            "page": job_page(job),
            "buttons": shown_buttons(self, request, job, self.buttons),
            "may_change": job.state in CHANGEABLE and self.has_act_permission(request),
        }
        return TemplateResponse(request, "jobs/job.html", context)

    @display(description=gettext_lazy("job"))
    def job_name(self, job: Job) -> str:
        """Show the actor, and its arguments in one masked line."""
        return two_lines(
            format_html('<b class="bk-nowrap">{}</b>', job.actor), crumb(job.arguments, length=70) or _("no arguments")
        )

    @display(description=gettext_lazy("state"))
    def state_badge(self, job: Job) -> str:
        """Show the state, and how far a running job is."""
        if job.state != State.RUNNING or job.progress_done is None:
            return state_badge(job)
        return two_lines(state_badge(job), progress_bar(job.progress_done, job.progress_total, ""))

    @display(description=gettext_lazy("tenant"))
    def tenant(self, job: Any) -> str:
        """Show whose job it is."""
        return job.tenant_name or muted("–")

    @display(description=gettext_lazy("attempt"))
    def attempts(self, job: Job) -> str:
        """Show which of how many."""
        return format_html('<span class="bk-number bk-nowrap">{} / {}</span>', job.attempt, job.max_attempts)

    @display(description=gettext_lazy("created"))
    def created(self, job: Job) -> str:
        """Show when it was sent."""
        return format_html('<span class="bk-nowrap">{}</span>', moment(job.created_at))

    @display(description=gettext_lazy("time"))
    def timing(self, job: Job) -> str:
        """Show how long it waits, runs, or took."""
        return format_html('<span class="bk-nowrap">{}</span>', timing(job, now=clock.now()))

    @display(description=gettext_lazy("error"))
    def error(self, job: Job) -> str:
        """Show the last error in one line."""
        if not job.error_type:
            return muted("–")
        line = first_line(job.error_message)
        return format_html('<span class="bk-error" title="{}"><b>{}</b> {}</span>', line, job.error_type, line)


def timing(job: Job, *, now: datetime) -> SafeString | str:
    """Return what a job's clock says, by its state."""
    if job.state in WAITING:
        return format_html("{} {}", _("due"), moment(job.run_at, now=now))
    if job.state == State.QUEUED:
        return _("waits %(time)s") % {"time": duration(now - job.run_at)}
    if job.state == State.RUNNING and job.started_at:
        return _("runs %(time)s") % {"time": duration(now - job.started_at)}
    if job.started_at and job.finished_at:
        return _("took %(time)s") % {"time": duration(job.finished_at - job.started_at)}
    return "–"

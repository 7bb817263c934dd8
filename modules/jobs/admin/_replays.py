"""Replays in steps: how far each is, why it stopped, and how to go on."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import display, register
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.jobs import services
from modules.jobs.admin._rights import WithRightsOfJobs
from modules.jobs.admin._states import job_link, short, state_badge
from modules.jobs.domain import RAMP, State
from modules.jobs.models import Job, Replay, ReplayedJob
from modules.kernel.console import (
    badge,
    button,
    first_line,
    long_moment,
    moment,
    muted,
    of_visible_tenants,
    progress_bar,
    tenant_names,
    two_lines,
    visible_tenant_ids,
)

LISTED = 50  # members on a replay's page: those that failed again, then those that have not ended
REFRESH_SECONDS = 5  # by the browser, while something moves; workers pass as often
LOOKS = {
    Replay.State.RUNNING: ("sync", "blue"),
    Replay.State.STOPPED: ("pause_circle", "amber"),
    Replay.State.DONE: ("check_circle", "green"),
    Replay.State.CANCELLED: ("block", "gray"),
}
FAILED_AGAIN = (ReplayedJob.Outcome.SAME_CAUSE, ReplayedJob.Outcome.OTHER_CAUSE)


def of_visible_replays(rows: "QuerySet[Replay]") -> "QuerySet[Replay]":
    """Return the replays all of whose jobs the reader may see."""
    tenants = visible_tenant_ids()
    return rows if tenants is None else rows.filter(tenant_ids__contained_by=tenants)


@register(Replay)
class ReplayAdmin(WithRightsOfJobs):
    list_display = ("replay", "state_and_why", "progress", "step", "started_by", "started")
    list_display_links = ("replay",)
    list_filter = ("state",)
    ordering = ("-id",)
    sortable_by = ()
    buttons = ("pause", "resume", "cancel")
    fields = (
        *("what", "state_and_why", "progress", "step", "by_state", "failed_for", "reason", "whose"),
        *("started_by", "started_in_full", "ended", "members"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the replays of the reader's tenants."""
        return of_visible_replays(super().get_queryset(request))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return a replay with what its page shows of its jobs: asked once, while the theme reads a cell thrice."""
        found: Any = super().get_object(request, object_id, from_field)
        if found is not None:
            names = tenant_names()
            found.shown = _shown(found)
            found.tenant_names = ", ".join(names.get(one, str(one)) for one in found.tenant_ids or ())
        return found

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list, and let the browser ask again while one of them runs."""
        runs = self.get_queryset(request).filter(state=Replay.State.RUNNING).exists()
        return _live(super().changelist_view(request, extra_context), if_=runs)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one replay, and let the browser ask again while its jobs move."""
        response = super().change_view(request, object_id, form_url, extra_context)
        found = getattr(response, "context_data", {}).get("original")
        return _live(response, if_=found and (found.state == Replay.State.RUNNING or found.in_flight))

    @button(gettext_lazy("Pause"), icon="pause", shown_for=lambda row: row.state == Replay.State.RUNNING)
    def pause(self, request: HttpRequest, row: Replay) -> None:
        """Release no more for now."""
        if services.stop_replay(row.pk, by=request.user.get_username()):
            messages.success(request, _("No more jobs are released until you resume it."))
        else:
            messages.warning(request, _("This replay does not run any more."))

    @button(gettext_lazy("Resume"), icon="play_arrow", shown_for=lambda row: row.state == Replay.State.STOPPED)
    def resume(self, request: HttpRequest, row: Replay) -> None:
        """Go on with those that were not released."""
        if services.resume_replay(row.pk):
            messages.success(request, _("It goes on, carefully again: a few first. Those that failed stay failed."))
        else:
            messages.warning(request, _("This replay has not stopped."))

    @button(
        gettext_lazy("Cancel"),
        icon="block",
        shown_for=lambda row: row.state in {Replay.State.RUNNING, Replay.State.STOPPED},
    )
    def cancel(self, request: HttpRequest, row: Replay) -> None:
        """End it. No question: another may begin with the same jobs, and this page renews itself under one."""
        if services.cancel_replay(row.pk):
            messages.success(
                request, _("The replay is cancelled. Released jobs go on, the others stay among the failed ones.")
            )
        else:
            messages.warning(request, _("This replay has ended already."))

    @display(description=gettext_lazy("replay"))
    def replay(self, row: Replay) -> str:
        """Show which jobs it is about, and why."""
        return two_lines(format_html("<b>#{} {}</b>", row.pk, row.what), row.reason or muted("–"))

    @display(description=gettext_lazy("state"))
    def state_and_why(self, row: Replay) -> str:
        """Show the state, and what stopped it."""
        icon, tone = LOOKS[Replay.State(row.state)]
        if row.state == Replay.State.DONE and row.failed:
            icon, tone = "error", "red"
        found = badge(row.get_state_display(), icon=icon, tone=tone)
        if not row.stopped_for:
            return found
        note = format_html('<span title="{}">{}</span>', row.stopped_note, first_line(row.stopped_note, length=80))
        return two_lines(found, format_html("{}: {}", row.get_stopped_for_display(), note))

    @display(description=gettext_lazy("progress"))
    def progress(self, row: Replay) -> str:
        """Show how many have ended, and how many of them failed again."""
        note = _("failed again: %(count)d") % {"count": row.failed} if row.failed else ""
        return progress_bar(row.total - row.waiting - row.in_flight, row.total, note)

    @display(description=gettext_lazy("step"))
    def step(self, row: Replay) -> str:
        """Show which step of how many: 5, 50, the rest."""
        sizes = [*(str(size) for size in RAMP), _("the rest")]
        place = row.step - 1
        marked = [format_html("<b>{}</b>", size) if n == place else muted(size) for n, size in enumerate(sizes)]
        return format_html(
            '<span class="bk-nowrap">{}</span>', format_html_join(" → ", "{}", ((one,) for one in marked))
        )

    @display(description=gettext_lazy("started"))
    def started(self, row: Replay) -> str:
        """Show when it began."""
        return format_html('<span class="bk-nowrap">{}</span>', moment(row.started_at))

    @display(description=gettext_lazy("started"))
    def started_in_full(self, row: Replay) -> str:
        """Show when it began."""
        return long_moment(row.started_at)

    @display(description=gettext_lazy("stopped or ended"))
    def ended(self, row: Replay) -> str:
        """Show since when it does not run."""
        return long_moment(row.ended_at)

    @display(description=gettext_lazy("tenants"))
    def whose(self, row: Any) -> str:
        """Name the tenants of its jobs."""
        return row.tenant_names or muted("–")

    @display(description=gettext_lazy("jobs by state"))
    def by_state(self, row: Replay) -> str:
        """Show how many are where, and a link to the list of all of them."""
        counts = [
            (_("not released yet"), row.waiting),
            (_("released, not ended"), row.in_flight),
            (_("succeeded"), row.succeeded),
            (_("failed again"), row.failed),
            (_("cancelled"), row.cancelled),
            (_("taken by others"), row.gone),
        ]
        words = " · ".join(f"{word} {number_format(count, force_grouping=True)}" for word, count in counts if count)
        url = f"{reverse('admin:jobs_job_changelist')}?replay={row.pk}"
        return format_html('{} · <a class="bk-link" href="{}">{}</a>', words, url, _("all its jobs"))

    @display(description=gettext_lazy("why it stopped"))
    def failed_for(self, row: Replay) -> str:
        """Show the job that stopped it, with its error."""
        if not row.stopped_for:
            return muted("–")
        if row.stopped_job_id is None:
            return format_html("{}: {}", row.get_stopped_for_display(), row.stopped_note)
        link = job_link(row.stopped_job_id, short(row.stopped_job_id))
        error = format_html('<span class="bk-red-text">{}</span>', row.stopped_note)
        return format_html("{}: {} {}", row.get_stopped_for_display(), link, error)

    @display(description=gettext_lazy("jobs"))
    def members(self, row: Any) -> str:
        """Show the jobs that failed again, then those that have not ended."""
        lines = ((_line(member, job),) for member, job in row.shown)
        return format_html_join("", "<div>{}</div>", lines) or muted(_("none"))


def _shown(row: Replay) -> list[tuple[ReplayedJob, Job | None]]:
    """Return the members that failed again, then those that have not ended, with their jobs as they are now."""
    failed = row.jobs.filter(outcome__in=FAILED_AGAIN).order_by("-id")[:LISTED]
    moving = row.jobs.filter(outcome="", released_fence__isnull=False).order_by("id")[:LISTED]
    members = [*failed, *moving][:LISTED]
    found = of_visible_tenants(Job.objects.filter(id__in=[member.job_id for member in members]))
    jobs = found.only("id", "actor", "state", "error_message", "run_at").in_bulk()
    return [(member, jobs.get(member.job_id)) for member in members]


def _line(member: ReplayedJob, job: Job | None) -> SafeString:
    if job is None:
        return format_html("{} {}", member.get_outcome_display(), muted(short(member.job_id)))
    note = member.get_outcome_display() if member.outcome else ""
    if job.state == State.RETRYING:
        note = format_html("{} {}", first_line(job.error_message, length=80), moment(job.run_at))
    link = job_link(job.id, f"{job.actor} {short(job.id)}")
    return format_html('{} {} <span class="bk-muted">{}</span>', state_badge(job), link, note)


def _live(response: HttpResponse, *, if_: Any) -> HttpResponse:
    if if_ and response.status_code == 200:
        response["Refresh"] = str(REFRESH_SECONDS)
    return response

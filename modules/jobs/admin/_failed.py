"""The dead letters: what failed, how often for the same cause, and the way back."""

from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import action, display, register
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, QuerySet
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from modules.jobs import services
from modules.jobs.admin._bulk import matching_view
from modules.jobs.admin._filters import ActorFilter, CauseFilter, DeadStateFilter, QueueFilter, TenantFilter
from modules.jobs.admin._screen import JobScreen
from modules.jobs.admin._search import search_box
from modules.jobs.domain import DEAD_LETTERS
from modules.jobs.models import FailedJob, Job
from modules.jobs.services import NothingToReplay
from modules.kernel.console import (
    COUNT_CAP,
    button,
    chosen_queryset,
    first_line,
    moment,
    note_bulk,
    of_visible_tenants,
    two_lines,
)

CAUSES = 5  # shown above the list
LOOKED_AT = 5_000  # newest failures, among which causes are counted
MAX_SELECTED = 1_000
SAMPLE = 5  # jobs named before many are discarded


def replay_one(request: HttpRequest, job: Job) -> None:
    """Queue one dead letter again and say so."""
    if services.replay([job.pk]):
        messages.success(request, _("The job is queued again."))
    else:
        messages.warning(request, _("This job is no longer among the failed ones."))


def discard_one(request: HttpRequest, job: Job) -> None:
    """Take one dead letter off the list and say so."""
    if services.discard([job.pk]):
        messages.success(request, _("The job is off the list; its history stays."))
    else:
        messages.warning(request, _("This job is no longer among the failed ones."))


@register(FailedJob)
class FailedJobAdmin(JobScreen):
    list_display = ("job_name", "problem", "cause", "state_badge", "tenant", "attempts", "failed")
    list_filter = (DeadStateFilter, ActorFilter, QueueFilter, TenantFilter, CauseFilter)
    list_before_template = "jobs/failed_causes.html"
    ordering: ClassVar[tuple[str, ...]] = ("-finished_at", "-id")  # the order of the dead letters' own index
    buttons = ("replay", "discard")
    actions = ("replay_selected", "ramp_selected", "discard_selected")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Leave out what is the same in every row."""
        return self.without_tenant(self.list_display)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the dead letters of the reader's tenants."""
        return super().get_queryset(request).filter(state__in=DEAD_LETTERS)

    def get_urls(self) -> list[URLPattern]:
        """Add the pages that act on every match."""
        view = self.admin_site.admin_view(self.matching_view)
        return [path("matching/<str:verb>/", view, name="jobs_failedjob_matching"), *super().get_urls()]

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Count the jobs that failed for the same cause, once for the whole page."""
        super().fill_in(request, rows)
        dead = of_visible_tenants(Job.objects.filter(state__in=DEAD_LETTERS)).order_by()
        found = dead.filter(fingerprint__in={row.fingerprint for row in rows}).values("fingerprint")
        counts = {row["fingerprint"]: row["count"] for row in found.annotate(count=Count("id"))}
        for row in rows:
            row.same_cause_count = counts.get(row.fingerprint, 1)

    def summary(self, request: HttpRequest, jobs: "QuerySet[Any]") -> dict[str, Any]:
        """Return the causes that most of the newest matching jobs share."""
        ends = jobs.order_by("-finished_at").values_list("finished_at", flat=True)
        edge = ends[LOOKED_AT : LOOKED_AT + 1].first()
        newest = jobs if edge is None else jobs.filter(finished_at__gt=edge)
        figures = {"count": Count("id"), "message": Max("error_message"), "last": Max("finished_at")}
        groups = newest.order_by().values("fingerprint", "error_type").annotate(**figures)
        causes = [
            {**group, "message": first_line(group["message"]), "last": moment(group["last"])}
            for group in groups.order_by("-count", "fingerprint")[:CAUSES]
        ]
        box = search_box(request.GET.get("q", ""))
        return {"causes": causes, "may_act": self.has_act_permission(request), "box": box}

    @display(description=gettext_lazy("error"))
    def problem(self, job: Job) -> str:
        """Show the error's type and first line."""
        line = first_line(job.error_message)
        name = format_html('<b class="bk-red-text">{}</b>', job.error_type)
        return two_lines(name, format_html('<span class="bk-clip" title="{}">{}</span>', line, line))

    @display(description=gettext_lazy("same cause"))
    def cause(self, job: Any) -> str:
        """Show how many failed like it."""
        if not job.fingerprint:
            return "–"
        text = ngettext("%(count)s job", "%(count)s jobs", job.same_cause_count)
        url = f"{reverse('admin:jobs_failedjob_changelist')}?fingerprint={job.fingerprint}"
        count = number_format(job.same_cause_count, force_grouping=True)
        link = format_html('<a class="bk-link bk-nowrap" href="{}">{}</a>', url, text % {"count": count})
        return two_lines(link, format_html("<code>{}</code>", job.fingerprint[:8]))

    @display(description=gettext_lazy("failed"))
    def failed(self, job: Job) -> str:
        """Show when it was given up."""
        return format_html('<span class="bk-nowrap">{}</span>', moment(job.finished_at))

    @button(gettext_lazy("Replay"), icon="replay", shown_for=lambda job: job.state in DEAD_LETTERS)
    def replay(self, request: HttpRequest, job: Job) -> None:
        """Run one dead letter again."""
        replay_one(request, job)

    @button(
        gettext_lazy("Discard"),
        icon="delete",
        shown_for=lambda job: job.state in DEAD_LETTERS,
        question=gettext_lazy("Take this job off the list of failures? It will not run again; its history stays."),
    )
    def discard(self, request: HttpRequest, job: Job) -> None:
        """Take one dead letter off the list."""
        discard_one(request, job)

    @action(description=gettext_lazy("Replay the selected jobs"), permissions=["act"])
    def replay_selected(self, request: HttpRequest, chosen: "QuerySet[Any]") -> None:
        """Queue the chosen jobs again."""
        total = chosen.count()
        count = services.replay_matching(chosen)
        text = ngettext(
            "%(count)d of %(total)d job is queued again.", "%(count)d of %(total)d jobs are queued again.", total
        )
        note_bulk(request, Job, what=text % {"count": count, "total": total}, count=count)

    @action(description=gettext_lazy("Replay the selected jobs: 5, then 50, then all"), permissions=["act"])
    def ramp_selected(self, request: HttpRequest, chosen: "QuerySet[Any]") -> HttpResponseBase:
        """Queue the chosen jobs again in steps, after a question."""
        if "confirmed" not in request.POST:
            return self._ask(request, verb="ramp", jobs=chosen, fields=_selection("ramp_selected", chosen))
        count = chosen.count()
        what = ngettext("%(count)d selected job", "%(count)d selected jobs", count) % {"count": count}
        return self._ramp(request, jobs=chosen, what=what)

    @action(description=gettext_lazy("Discard the selected jobs"), permissions=["act"])
    def discard_selected(self, request: HttpRequest, chosen: "QuerySet[Any]") -> HttpResponseBase | None:
        """Take the chosen jobs off the list, after a question."""
        if "confirmed" not in request.POST:
            return self._ask(request, verb="discard", jobs=chosen, fields=_selection("discard_selected", chosen))
        total = chosen.count()
        count = services.discard_matching(chosen)
        text = ngettext(
            "%(count)d of %(total)d job is off the list.", "%(count)d of %(total)d jobs are off the list.", total
        )
        note_bulk(request, Job, what=text % {"count": count, "total": total}, count=count)
        return None

    def matching_view(self, request: HttpRequest, verb: str) -> HttpResponseBase:
        """Replay (at once or in steps) or discard what the list's address matches: a GET asks, a POST acts."""
        if verb not in {"ramp", "replay", "discard"}:
            raise Http404
        if verb != "ramp":
            return matching_view(self, request, verb)
        if not self.has_act_permission(request):
            raise PermissionDenied
        jobs = chosen_queryset(self, request)
        if request.method != "POST":
            return self._ask(request, verb=verb, jobs=jobs, fields=[])
        return self._ramp(request, jobs=jobs, what=_filter_in_words(request, jobs))

    def _ramp(self, request: HttpRequest, *, jobs: "QuerySet[Any]", what: str) -> HttpResponseBase:
        """Begin a replay in steps and lead to its page."""
        reason = request.POST.get("reason", "").strip()
        try:
            started = services.start_replay(jobs=jobs, what=what, by=request.user.get_username(), reason=reason)
        except NothingToReplay:
            messages.warning(request, _("No failed job matches that is not in a running replay."))
            return HttpResponseRedirect(_list_of(request))
        text = ngettext(
            "The replay of %(count)s job has begun with the first few.",
            "The replay of %(count)s jobs has begun with the first few.",
            started.total,
        )
        count = number_format(started.total, force_grouping=True)
        note_bulk(request, Job, what=text % {"count": count}, count=started.total)
        return HttpResponseRedirect(reverse("admin:jobs_replay_change", args=[started.pk]))

    def _ask(self, request: HttpRequest, *, verb: str, jobs: Any, fields: list[tuple[str, Any]]) -> TemplateResponse:
        count = jobs.order_by()[:COUNT_CAP].count()
        context = {
            **self.admin_site.each_context(request),
            "title": _question(verb, count),
            "opts": self.opts,
            "verb": verb,
            "sample": [(job.actor, job.error_type, first_line(job.error_message)) for job in jobs[:SAMPLE]],
            "more": max(0, count - SAMPLE),
            "fields": fields,
            "back": _list_of(request),
        }
        return TemplateResponse(request, "jobs/confirm.html", context)


def _selection(action_name: str, chosen: "QuerySet[Any]") -> list[tuple[str, Any]]:
    """Return the hidden fields that bring a selection back after the question."""
    return [("action", action_name), *[("_selected_action", job.pk) for job in chosen[:MAX_SELECTED]]]


def _list_of(request: HttpRequest) -> str:
    return f"{reverse('admin:jobs_failedjob_changelist')}?{request.GET.urlencode()}"


def _filter_in_words(request: HttpRequest, jobs: "QuerySet[Any]") -> str:
    """Return which jobs the list's address matches, for people; a cause by one of its errors."""
    wanted = request.GET.dict()
    example = jobs.first() if wanted.get("fingerprint") else None
    if example:
        wanted["fingerprint"] = f"{example.error_type}: {first_line(example.error_message)}"
    words = {
        "fingerprint": _("cause"),
        "actor": _("actor"),
        "queue": _("queue"),
        "state": _("state"),
        "tenant": _("tenant"),
        "q": _("search"),
    }
    found = [f"{words.get(name, name)}: {value}" for name, value in wanted.items() if value]
    return ", ".join(found) or _("all failed jobs")


def _question(verb: str, count: int) -> str:
    number = number_format(count, force_grouping=True) + ("+" if count >= COUNT_CAP else "")
    if verb == "ramp":
        return ngettext("Replay %(count)s job in steps?", "Replay %(count)s jobs in steps?", count) % {"count": number}
    return ngettext("Discard %(count)s job?", "Discard %(count)s jobs?", count) % {"count": number}

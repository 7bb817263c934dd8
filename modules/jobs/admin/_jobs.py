"""All jobs."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import action, register
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from modules.jobs import services
from modules.jobs.admin._arguments import change_arguments_view
from modules.jobs.admin._bulk import matching_view
from modules.jobs.admin._failed import discard_one, replay_one
from modules.jobs.admin._filters import ActorFilter, BatchFilter, QueueFilter, ReplayFilter, StateFilter, TenantFilter
from modules.jobs.admin._screen import JobScreen
from modules.jobs.admin._search import search_box
from modules.jobs.domain import ALIVE, DEAD_LETTERS, State
from modules.jobs.models import Job
from modules.kernel.console import button, note_bulk

MAX_SELECTED = 1_000


def _is_narrowed(request: HttpRequest) -> bool:
    """Return whether the list shows some jobs only: nobody is offered to cancel all there are."""
    return any(value for name, value in request.GET.items() if name not in {"p", "o"})


def _with_state(request: HttpRequest, state: str) -> str:
    """Return the list's address with this state and the other filters as they are."""
    query = request.GET.copy()
    for name in ("p", "state"):
        query.pop(name, None)
    if state:
        query["state"] = state
    return f"{reverse('admin:jobs_job_changelist')}{f'?{query.urlencode()}' if query else ''}"


@register(Job)
class JobAdmin(JobScreen):
    list_display = ("job_name", "state_badge", "queue", "tenant", "attempts", "created", "timing", "error")
    list_filter = (StateFilter, QueueFilter, ActorFilter, TenantFilter, BatchFilter, ReplayFilter)
    list_before_template = "jobs/job_states.html"
    buttons = ("cancel", "replay", "discard")
    actions = ("cancel_selected",)

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Leave out what is the same in every row."""
        return self.without_tenant(self.list_display)

    def get_urls(self) -> list[URLPattern]:
        """Add the page that changes a job's arguments, and those that act on every match."""
        arguments, matching = map(self.admin_site.admin_view, (self.arguments_view, self.matching_view))
        return [
            path("matching/<str:verb>/", matching, name="jobs_job_matching"),
            path("<path:object_id>/arguments/", arguments, name="jobs_job_arguments"),
            *super().get_urls(),
        ]

    def matching_view(self, request: HttpRequest, verb: str) -> HttpResponseBase:
        """Cancel or replay what the list's address matches."""
        return matching_view(self, request, verb)

    def arguments_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Give a waiting or failed job other arguments."""
        return change_arguments_view(self, request, unquote(object_id))

    def summary(self, request: HttpRequest, jobs: "QuerySet[Any]") -> dict[str, Any]:
        """Return what stands above the list: the states as links (address, word, chosen), and the search's help."""
        chosen = request.GET.get("state", "")
        links = [(_with_state(request, state), word, state == chosen) for state, word in Job.State.choices]
        return {
            "states": [(_with_state(request, ""), _("All"), not chosen), *links],
            "box": search_box(request.GET.get("q", "")),
            "may_act": self.has_act_permission(request) and _is_narrowed(request),
        }

    @button(
        _("Cancel"),
        icon="block",
        shown_for=lambda job: job.state in ALIVE and not job.cancel_requested_at,
        question=_("Cancel this job? A running one stops at its next checkpoint."),
    )
    def cancel(self, request: HttpRequest, job: Job) -> None:
        """Cancel one job."""
        if not services.cancel([job.pk]):
            messages.warning(request, _("This job has ended already."))
        elif job.state == State.RUNNING:
            messages.success(request, _("The job was asked to stop at its next checkpoint."))
        else:
            messages.success(request, _("The job is cancelled."))

    @button(_("Replay"), icon="replay", shown_for=lambda job: job.state in DEAD_LETTERS)
    def replay(self, request: HttpRequest, job: Job) -> None:
        """Run one dead letter again."""
        replay_one(request, job)

    @button(
        _("Discard"),
        icon="delete",
        shown_for=lambda job: job.state in DEAD_LETTERS,
        question=_("Take this job off the list of failures? It will not run again; its history stays."),
    )
    def discard(self, request: HttpRequest, job: Job) -> None:
        """Take one dead letter off the list."""
        discard_one(request, job)

    @action(description=_("Cancel the selected jobs"), permissions=["act"])
    def cancel_selected(self, request: HttpRequest, chosen: "QuerySet[Any]") -> None:
        """Cancel what has not started, ask what runs to stop."""
        ids = list(chosen.values_list("id", flat=True)[:MAX_SELECTED])
        count = services.cancel(ids)
        text = ngettext(
            "%(count)d of %(total)d job is cancelled or asked to stop.",
            "%(count)d of %(total)d jobs are cancelled or asked to stop.",
            len(ids),
        )
        note_bulk(request, Job, what=text % {"count": count, "total": len(ids)}, count=count)

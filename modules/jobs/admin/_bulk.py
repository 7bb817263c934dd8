"""What is done to all jobs that a list's filters and search match: asked with the number, then watched to its end."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import display, register
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Min, QuerySet
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from modules.jobs import services
from modules.jobs.admin._rights import WithRightsOfJobs
from modules.jobs.admin._search import terms_of
from modules.jobs.domain import Term, write_search
from modules.jobs.models import BulkOperation, Job
from modules.jobs.registry import all_specs
from modules.jobs.services import NothingMatches
from modules.kernel import clock
from modules.kernel.console import (
    ConsoleAdmin,
    badge,
    button,
    code,
    duration,
    first_line,
    long_moment,
    moment,
    muted,
    note_bulk,
    progress_bar,
    tenant_names,
    two_lines,
    visible_tenant_ids,
)
from modules.kernel.ids import uuid7

ACTORS_SHOWN = 8
TYPED_FROM = 1_000  # jobs, from which on their number is to be typed
LOOKS = {
    BulkOperation.State.RUNNING: ("sync", "blue"),
    BulkOperation.State.PAUSED: ("pause_circle", "amber"),
    BulkOperation.State.DONE: ("check_circle", "green"),
    BulkOperation.State.STOPPED: ("block", "gray"),
}


def matching_view(admin: ConsoleAdmin, request: HttpRequest, verb: str) -> HttpResponseBase:
    """Cancel, replay or discard all that the list's address matches: a GET asks with the number, a POST begins."""
    if not admin.has_act_permission(request):
        raise PermissionDenied
    if verb not in BulkOperation.Verb.values:
        raise Http404
    terms = terms_of(request)
    if request.method != "POST":
        return _ask(admin, request, verb, terms)
    total = _matching(verb, terms).count()
    problem = _problem(request, total)
    return _ask(admin, request, verb, terms, problem=problem) if problem else _begin(admin, request, verb, terms)


def _matching(verb: str, terms: list[Term]) -> "QuerySet[Job]":
    return services.bulk_jobs(verb, terms, tenant_ids=visible_tenant_ids(), upto=uuid7(), now=clock.now())


def _problem(request: HttpRequest, total: int) -> str:
    """Return what is missing from the answer to the question."""
    if not request.POST.get("reason", "").strip():
        return _("Say why, for those who look at it later.")
    if total > TYPED_FROM and not request.POST.get("number", "").strip().isdecimal():
        return _("So many at once: type their number.")
    if total > TYPED_FROM and total > int(request.POST["number"]):
        return _("More match than you typed: %(count)s by now.") % {"count": number_format(total, force_grouping=True)}
    return ""


def _begin(admin: ConsoleAdmin, request: HttpRequest, verb: str, terms: list[Term]) -> HttpResponseBase:
    reason, by = request.POST["reason"].strip(), request.user.get_username()
    try:
        begun = services.start_bulk(verb, terms, tenant_ids=visible_tenant_ids(), by=by, reason=reason)
    except NothingMatches:
        messages.warning(request, _("No job matches any more that this could be done to."))
        return HttpResponseRedirect(_list_of(admin, request))
    is_over = begun.state == BulkOperation.State.DONE
    note_bulk(request, Job, what=_done(verb, begun.done) if is_over else _begun(begun), count=begun.total, why=reason)
    if is_over:
        return HttpResponseRedirect(_list_of(admin, request))
    return HttpResponseRedirect(reverse("admin:jobs_bulkoperation_change", args=[begun.pk]))


def _ask(
    admin: ConsoleAdmin, request: HttpRequest, verb: str, terms: list[Term], *, problem: str = ""
) -> TemplateResponse:
    jobs = _matching(verb, terms)
    split = list(jobs.order_by().values_list("actor").annotate(count=Count("id")).order_by("-count", "actor"))
    count, known = sum(part for _actor, part in split), {spec.name for spec in all_specs()}
    context = {
        **admin.admin_site.each_context(request),
        "title": _question(verb, count),
        "opts": admin.opts,
        "verb": verb,
        "count": count,
        "search": write_search(terms),
        "split": [(actor, part, actor in known) for actor, part in split[:ACTORS_SHOWN]],
        "more": max(0, len(split) - ACTORS_SHOWN),
        **jobs.order_by().aggregate(oldest=Min("created_at"), newest=Max("created_at")),
        "sample": [(job.error_type, first_line(job.error_message)) for job in jobs.exclude(error_type="")[:1]],
        "must_type": count > TYPED_FROM,
        "reason": request.POST.get("reason", ""),
        "problem": problem,
        "back": _list_of(admin, request),
    }
    context["oldest"], context["newest"] = moment(context["oldest"]), moment(context["newest"])
    return TemplateResponse(request, "jobs/bulk_question.html", context, status=422 if problem else 200)


def _list_of(admin: ConsoleAdmin, request: HttpRequest) -> str:
    place = reverse(f"admin:{admin.opts.app_label}_{admin.opts.model_name}_changelist")
    return f"{place}?{request.GET.urlencode()}"


def _question(verb: str, count: int) -> str:
    number = {"count": number_format(count, force_grouping=True)}
    if verb == BulkOperation.Verb.CANCEL:
        return ngettext("Cancel %(count)s job?", "Cancel %(count)s jobs?", count) % number
    if verb == BulkOperation.Verb.REPLAY:
        return ngettext("Replay %(count)s job?", "Replay %(count)s jobs?", count) % number
    return ngettext("Discard %(count)s job?", "Discard %(count)s jobs?", count) % number


def _done(verb: str, count: int) -> str:
    number = {"count": number_format(count, force_grouping=True)}
    if verb == BulkOperation.Verb.CANCEL:
        texts = ("%(count)s job is cancelled or asked to stop.", "%(count)s jobs are cancelled or asked to stop.")
        return ngettext(*texts, count) % number
    if verb == BulkOperation.Verb.REPLAY:
        return ngettext("%(count)s job is queued again.", "%(count)s jobs are queued again.", count) % number
    return ngettext("%(count)s job is off the list.", "%(count)s jobs are off the list.", count) % number


def _begun(operation: BulkOperation) -> str:
    return _("%(what)s: %(count)s jobs, begun.") % {
        "what": operation.get_verb_display(),
        "count": number_format(operation.total, force_grouping=True),
    }


@register(BulkOperation)
class BulkOperationAdmin(WithRightsOfJobs):
    list_display = ("operation", "state_badge", "progress", "begun_by", "started")
    list_display_links = ("operation",)
    list_filter = ("state", "verb")
    ordering = ("-id",)
    sortable_by = ()
    buttons = ("pause", "resume", "stop")
    fields = (
        *("what", "state_badge", "progress", "counts", "matched", "why", "whose"),
        *("begun_by", "started_in_full", "ended"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the operations on jobs of the reader's tenants alone; a null is a reader's of all."""
        tenants, found = visible_tenant_ids(), super().get_queryset(request)
        return found if tenants is None else found.filter(tenant_ids__contained_by=tenants)

    @button(
        gettext_lazy("Pause"), icon="pause", shown_for=lambda operation: operation.state == BulkOperation.State.RUNNING
    )
    def pause(self, request: HttpRequest, operation: BulkOperation) -> None:
        """Stop for now."""
        if services.pause_bulk(operation.pk):
            messages.success(request, _("It stops after the present chunk, until you resume it."))
        else:
            messages.warning(request, _("It does not run any more."))

    @button(
        gettext_lazy("Resume"),
        icon="play_arrow",
        shown_for=lambda operation: operation.state == BulkOperation.State.PAUSED,
    )
    def resume(self, request: HttpRequest, operation: BulkOperation) -> None:
        """Go on where it stopped."""
        if services.resume_bulk(operation.pk):
            messages.success(request, _("It goes on where it stopped."))
        else:
            messages.warning(request, _("It is not halted."))

    @button(
        gettext_lazy("Stop"),
        icon="block",
        shown_for=lambda operation: operation.state in {BulkOperation.State.RUNNING, BulkOperation.State.PAUSED},
    )
    def stop(self, request: HttpRequest, operation: BulkOperation) -> None:
        """End it; what is done stays done."""
        if services.stop_bulk(operation.pk):
            messages.success(request, _("It has ended. What is done stays done."))
        else:
            messages.warning(request, _("It has ended already."))

    @display(description=gettext_lazy("bulk action"))
    def operation(self, row: BulkOperation) -> str:
        """Show what is done to which jobs, and why."""
        title = format_html("<b>#{} {}</b> {}", row.pk, row.get_verb_display(), _in_words(row))
        return two_lines(title, row.reason)

    @display(description=gettext_lazy("what"))
    def what(self, row: BulkOperation) -> str:
        """Show what is done to which jobs."""
        return format_html("<b>{}</b> {}", row.get_verb_display(), _in_words(row))

    @display(description=gettext_lazy("state"))
    def state_badge(self, row: BulkOperation) -> str:
        """Show the state."""
        icon, tone = LOOKS[BulkOperation.State(row.state)]
        return badge(row.get_state_display(), icon=icon, tone=tone)

    @display(description=gettext_lazy("progress"))
    def progress(self, row: BulkOperation) -> str:
        """Show how many of those that matched are behind it (all, when it is done), how fast, and how long it takes."""
        handled = row.total if row.state == BulkOperation.State.DONE else min(row.handled, row.total)
        return progress_bar(handled, row.total, _pace(row))

    @display(description=gettext_lazy("jobs"))
    def counts(self, row: BulkOperation) -> str:
        """Show how it went; what had changed before its turn is neither done nor passed over."""
        parts = [(_("done"), row.done), (_("passed over"), row.passed_over)]
        if row.state == BulkOperation.State.DONE:
            parts.append((_("changed before their turn"), max(0, row.total - row.handled)))
        words = (f"{word} {number_format(count, force_grouping=True)}" for word, count in parts if count)
        return " · ".join(words) or muted("–")

    @display(description=gettext_lazy("matched at the start"))
    def matched(self, row: BulkOperation) -> str:
        """Lead to the jobs that match now."""
        url = f"{reverse('admin:jobs_job_changelist')}?{_query(row)}"
        number = number_format(row.total, force_grouping=True)
        return format_html('{} · <a class="bk-link" href="{}">{}</a>', number, url, _("what matches now"))

    @display(description=gettext_lazy("reason"))
    def why(self, row: BulkOperation) -> str:
        """Show what the one who began it wrote."""
        return row.reason

    @display(description=gettext_lazy("tenants"))
    def whose(self, row: BulkOperation) -> str:
        """Name the tenants of whose jobs it is."""
        if row.tenant_ids is None:
            return muted(_("all"))
        names = tenant_names()
        return ", ".join(names.get(one, str(one)) for one in row.tenant_ids)

    @display(description=gettext_lazy("begun by"))
    def begun_by(self, row: BulkOperation) -> str:
        """Show who."""
        return row.started_by

    @display(description=gettext_lazy("started"))
    def started(self, row: BulkOperation) -> str:
        """Show when."""
        return moment(row.started_at)

    @display(description=gettext_lazy("started"))
    def started_in_full(self, row: BulkOperation) -> str:
        """Show when it began."""
        return long_moment(row.started_at)

    @display(description=gettext_lazy("stopped or ended"))
    def ended(self, row: BulkOperation) -> str:
        """Show since when it does not run, and how long it took."""
        if row.ended_at is None:
            return muted("–")
        took = _("took %(time)s") % {"time": duration(row.ended_at - row.started_at)}
        return format_html("{} · {}", long_moment(row.ended_at), took)


def _pace(row: BulkOperation) -> str:
    pace = row.pace(now=clock.now())
    if pace is None:
        return ""
    digits = 0 if pace.per_second >= 10 else 1
    rate = number_format(round(pace.per_second, digits), decimal_pos=digits, force_grouping=True)
    if pace.left is None:
        return _("%(rate)s jobs/s") % {"rate": rate}
    return _("%(rate)s jobs/s, %(time)s left") % {"rate": rate, "time": duration(pace.left)}


def _in_words(row: BulkOperation) -> Any:
    return code(row.search) if row.search else _("all jobs")


def _query(row: BulkOperation) -> str:
    return urlencode({"q": row.search})

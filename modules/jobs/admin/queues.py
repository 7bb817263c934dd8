"""The queues: what waits in each, who serves it, how it does; and what stands shut, to be opened or closed here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from modules.jobs import selectors, services
from modules.jobs.domain import WAITING, State
from modules.jobs.models import Limit, Pause
from modules.jobs.registry import all_specs
from modules.jobs.selectors import QueueBoard
from modules.kernel import clock
from modules.kernel.console import (
    NumberWidget,
    SelectWidget,
    TextWidget,
    badge,
    duration,
    meter,
    moment,
    muted,
    note_bulk,
    sparkline,
    tenant_names,
    two_lines,
    visible_tenant_ids,
)


class GateForm(forms.Form):
    """Something that jobs pass. Refuses what none ever will: a gate with a typing error would hold nothing."""

    kind = forms.ChoiceField(label=gettext_lazy("What"), choices=Pause.Kind.choices, widget=SelectWidget)
    value = forms.CharField(label=gettext_lazy("Which"), max_length=200, widget=TextWidget)
    wildcard: ClassVar[set[str]] = set()

    def clean(self) -> dict[str, Any]:
        """Check the name."""
        given = self.cleaned_data
        known = _known(given.get("kind", ""))
        if known is not None and given.get("value", "") not in known | self.wildcard:
            choices = ", ".join(sorted(known)[:20])
            self.add_error("value", _("There is none of this name. There are: %(names)s") % {"names": choices})
        return given

    @property
    def gate(self) -> dict[str, Any]:
        """Return what a valid form names."""
        return {"kind": self.cleaned_data["kind"], "value": self.cleaned_data["value"]}


class PauseForm(GateForm):
    """What to close, and why."""

    reason = forms.CharField(label=gettext_lazy("Why"), max_length=300, widget=TextWidget)


class LimitForm(GateForm):
    """How many may run at once, how many may start in a time, or both."""

    wildcard: ClassVar[set[str]] = {"*"}
    max_running = forms.IntegerField(
        label=gettext_lazy("At once"), min_value=1, max_value=100_000, required=False, widget=NumberWidget
    )
    rate_count = forms.IntegerField(
        label=gettext_lazy("Starts"), min_value=1, max_value=1_000_000, required=False, widget=NumberWidget
    )
    rate_seconds = forms.IntegerField(
        label=gettext_lazy("in so many seconds"), min_value=1, max_value=86_400, required=False, widget=NumberWidget
    )

    def clean(self) -> dict[str, Any]:
        """Refuse a limit that limits nothing, and half a rate."""
        given = super().clean()
        if not any(given.get(name) for name in ("max_running", "rate_count", "rate_seconds")):
            self.add_error("max_running", _("Say how many at once, or how many in a time."))
        if bool(given.get("rate_count")) != bool(given.get("rate_seconds")):
            self.add_error("rate_seconds", _("A rate needs both: how many starts, in how many seconds."))
        return given

    @property
    def numbers(self) -> dict[str, Any]:
        """Return how many, by the names that the service has for them."""
        return {name: self.cleaned_data[name] for name in ("max_running", "rate_count", "rate_seconds")}


def _known(kind: str) -> set[str] | None:
    """Return what there is of a kind; None where any name may come."""
    if kind == Pause.Kind.QUEUE:
        return set(selectors.known_queues())
    if kind == Pause.Kind.ACTOR:
        return {spec.name for spec in all_specs()}
    if kind == Pause.Kind.TENANT:
        return {str(tenant_id) for tenant_id in tenant_names()}
    return None


def may_look(request: HttpRequest) -> bool:
    """Return whether the reader sees the page: whoever sees jobs."""
    return any(request.user.has_perm(f"jobs.{verb}_job") for verb in ("view", "change"))


def may_act(request: HttpRequest) -> bool:
    """Return whether the reader may pause and resume: a pause holds the jobs of all tenants."""
    return request.user.has_perm("jobs.change_job") and visible_tenant_ids() is None


@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """Show the queues."""
    if not may_look(request):
        raise PermissionDenied
    return _page(request)


@require_POST
def pause(request: HttpRequest) -> HttpResponse:
    """Close a gate: running jobs go on to their end, the others wait in the ledger."""
    if not may_act(request):
        raise PermissionDenied
    form = PauseForm(request.POST)
    if not form.is_valid():
        return _page(request, pause_form=form)
    gate = form.gate
    by, reason = request.user.get_username(), form.cleaned_data["reason"]
    if services.pause(**gate, reason=reason, paused_by=by, now=clock.now()):
        what = _("%(gate)s is paused: %(reason)s") % {"gate": _name(**gate), "reason": reason}
        note_bulk(request, Pause, what=what, count=1)
    else:
        messages.warning(request, _("%(gate)s was paused already.") % {"gate": _name(**gate)})
    return HttpResponseRedirect(reverse("jobs_queues"))


@require_POST
def resume(request: HttpRequest) -> HttpResponse:
    """Open a gate; what waits behind it is rung for at once."""
    if not may_act(request):
        raise PermissionDenied
    gate = {"kind": request.POST.get("kind", ""), "value": request.POST.get("value", "")}
    if gate["kind"] in Pause.Kind.values and services.resume(**gate):
        note_bulk(request, Pause, what=_("%(gate)s goes on.") % {"gate": _name(**gate)}, count=1)
    else:
        messages.warning(request, _("This is not paused; somebody may have resumed it."))
    return HttpResponseRedirect(reverse("jobs_queues"))


@require_POST
def limit(request: HttpRequest) -> HttpResponse:
    """Set a limit, or another one in its place; waiting burns no attempt."""
    if not may_act(request):
        raise PermissionDenied
    form = LimitForm(request.POST)
    if not form.is_valid():
        return _page(request, limit_form=form)
    made = services.set_limit(**form.gate, **form.numbers)
    what = _("%(gate)s is limited: %(limit)s") % {"gate": _name(**form.gate), "limit": _limit(made)}
    note_bulk(request, Limit, what=what, count=1)
    return HttpResponseRedirect(reverse("jobs_queues"))


@require_POST
def unlimit(request: HttpRequest) -> HttpResponse:
    """Take a limit away."""
    if not may_act(request):
        raise PermissionDenied
    gate = {"kind": request.POST.get("kind", ""), "value": request.POST.get("value", "")}
    if gate["kind"] in Limit.Kind.values and services.remove_limit(**gate):
        note_bulk(request, Limit, what=_("%(gate)s is no longer limited.") % {"gate": _name(**gate)}, count=1)
    else:
        messages.warning(request, _("There is no such limit; somebody may have removed it."))
    return HttpResponseRedirect(reverse("jobs_queues"))


@dataclass(frozen=True)
class Row:
    """A queue as the page shows it."""

    name: str
    url: str
    state: SafeString
    waiting: Any
    later: int
    running: Any
    oldest: Any
    trend: Any
    empty_in: Any
    pause: Pause | None


def _page(
    request: HttpRequest, *, pause_form: PauseForm | None = None, limit_form: LimitForm | None = None
) -> HttpResponse:
    now, tenant_ids = clock.now(), visible_tenant_ids()
    boards = selectors.queue_boards(now=now, tenant_ids=tenant_ids)
    context = {
        **admin.site.each_context(request),
        "title": _("Queues"),
        "rows": [_row(board, now=now) for board in boards],
        "is_whole": tenant_ids is None,
        "may_act": may_act(request),
        "pause_form": pause_form or PauseForm(initial={"kind": Pause.Kind.ACTOR}),
        "limit_form": limit_form or LimitForm(initial={"kind": Limit.Kind.ACTOR}),
        "pauses": [],
        "limits": [],
    }
    if tenant_ids is None:
        others = selectors.other_pauses()
        context["pauses"] = [(gate, _name(gate.kind, gate.value), moment(gate.paused_at)) for gate in others]
        context["limits"] = [(gate, _name(gate.kind, gate.value), _limit(gate)) for gate in selectors.limits()]
    status = 422 if pause_form or limit_form else 200
    return TemplateResponse(request, "jobs/queues.html", context, status=status)


def _row(board: QueueBoard, *, now: datetime) -> Row:
    states, oldest = board.figures.states, board.figures.oldest_queued_at
    running = states.get(State.RUNNING, 0)
    return Row(
        name=board.figures.queue,
        url=f"{reverse('admin:jobs_job_changelist')}?queue={board.figures.queue}",
        state=_state(board),
        waiting=states.get(State.QUEUED, 0),
        later=sum(states.get(state, 0) for state in WAITING),
        running=meter(running, most=board.threads, text=f"{running} / {board.threads}", tone="blue"),
        oldest=duration(now - oldest) if oldest else muted("–"),
        trend=_trend(board),
        empty_in=_empty_in(board),
        pause=board.pause,
    )


def _state(board: QueueBoard) -> SafeString:
    if gate := board.pause:
        word = badge(_("Paused"), icon="pause_circle", tone="amber")
        return two_lines(word, _("by %(who)s: %(why)s") % {"who": gate.paused_by or "–", "why": gate.reason or "–"})
    if not board.threads and board.figures.states:
        return badge(_("No worker"), icon="signal_disconnected", tone="red", title=_("Nobody serves this queue."))
    if not board.threads:
        return badge(_("No worker"), icon="signal_disconnected", tone="gray", title=_("Nobody serves this queue."))
    return badge(_("Open"), icon="check_circle", tone="green")


def _trend(board: QueueBoard) -> Any:
    total = sum(board.runs)
    label = _("runs: %(runs)d, failed: %(failed)d") % {"runs": total, "failed": board.failed}
    return two_lines(sparkline(board.runs, label=label, tone="red" if board.failed else "blue"), label if total else "")


def _empty_in(board: QueueBoard) -> Any:
    waiting = board.figures.states.get(State.QUEUED, 0)
    if not waiting:
        return muted("–")
    if board.pause or not board.threads:
        return _("never, as it is")
    if not board.per_minute:
        return _("unknown yet")
    return duration(timedelta(minutes=waiting / board.per_minute))


def _name(kind: str, value: str) -> str:
    word = Pause.Kind(kind).label
    shown = tenant_names().get(int(value), value) if kind == Pause.Kind.TENANT and value.isdecimal() else value
    return f"{word} {_('each by itself') if shown == '*' else shown}"


def _limit(limit: Limit) -> str:
    parts = []
    if limit.max_running is not None:
        parts.append(_("%(count)d at once") % {"count": limit.max_running})
    if limit.rate_count and limit.rate_seconds:
        pace = {"count": limit.rate_count, "time": duration(timedelta(seconds=limit.rate_seconds))}
        parts.append(_("%(count)d starts in %(time)s") % pace)
    return ", ".join(parts)

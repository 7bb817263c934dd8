"""What runs by itself: the operators' changes beside the code's defaults, and each firing."""

import json
from copy import copy
from functools import cache
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.contrib import messages
from django.contrib.admin import display, register
from django.db import connection
from django.db.models import QuerySet
from django.forms.models import construct_instance
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from modules.jobs import selectors, services
from modules.jobs.admin._states import job_link, short, state_badge
from modules.jobs.admin._strips import run_strips
from modules.jobs.domain import CALENDAR, InvalidSchedule, Timetable, countries, outlook
from modules.jobs.models import Job, JobSchedule, ScheduleFiring
from modules.jobs.registry import InvalidArguments, UnknownActor
from modules.kernel import clock
from modules.kernel.console import (
    BaseModelForm,
    ConsoleAdmin,
    LongSelectWidget,
    ReadOnlyAdmin,
    SelectWidget,
    TextareaWidget,
    TextWidget,
    badge,
    button,
    code,
    crumb,
    long_moment,
    minute,
    moment,
    muted,
    of_visible_tenants,
    two_lines,
    visible_tenant_ids,
)

PREVIEW = 10  # runs shown ahead
MOST_LINES = 40  # of them and what is left out between them


class PrettyEncoder(json.JSONEncoder):
    """Writes what a person edits: one line for each argument."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "indent": 2, "ensure_ascii": False})


class OptionsField(forms.JSONField):
    """A JSON object, written with an indent; nothing where the code's counts, not the word null."""

    def prepare_value(self, value: Any) -> Any:
        """Return the text for the form."""
        return "" if value is None else super().prepare_value(value)


class ScheduleForm(BaseModelForm):
    """An operator's changes; a field left empty means the code's default, named beside it."""

    timezone = forms.ChoiceField(label=gettext_lazy("Time zone"), required=False, widget=LongSelectWidget)
    is_enabled = forms.TypedChoiceField(
        label=gettext_lazy("Enabled"),
        required=False,
        coerce=lambda value: value == "yes",
        empty_value=None,
        widget=SelectWidget,
    )

    options = OptionsField(
        label=gettext_lazy("Options"), required=False, widget=TextareaWidget(attrs={"rows": 4}), encoder=PrettyEncoder
    )

    country = forms.ChoiceField(label=gettext_lazy("Holidays of"), required=False, widget=LongSelectWidget)

    class Meta:
        model = JobSchedule
        fields = ("cron", "timezone", "options", "is_enabled", "overlap", "catch_up", *CALENDAR)
        widgets = {"cron": TextWidget}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.saved = copy(self.instance)
        if "cron" in self.fields:  # a reader who may not change gets no fields
            self._show_defaults(self.instance)

    def _show_defaults(self, schedule: JobSchedule) -> None:
        as_in_code = _("as in the code: %s")
        default = _("on") if schedule.default_is_enabled else _("off")
        self._offer("timezone", as_in_code % schedule.default_timezone, [(zone, zone) for zone in _zones()])
        self._offer("country", _("no country"), sorted(countries().items(), key=itemgetter(1)))
        self._offer("is_enabled", as_in_code % default, [("yes", _("on")), ("no", _("off"))])
        self.initial["is_enabled"] = {None: "", True: "yes", False: "no"}[schedule.is_enabled]
        cron, options = self.fields["cron"], self.fields["options"]
        cron.widget.attrs["placeholder"] = schedule.default_cron
        cron.help_text = _("minute, hour, day, month, weekday; empty: %s") % (as_in_code % schedule.default_cron)
        options.help_text = _("a JSON object with the arguments of %(actor)s; empty: %(default)s") % {
            "actor": schedule.actor,
            "default": as_in_code % (crumb(schedule.default_options) or "{}"),
        }

    def _offer(self, name: str, default: str, choices: list[tuple[str, str]]) -> None:
        field: Any = self.fields[name]
        field.choices = [("", default), *choices]

    def clean_options(self) -> Any:
        """Return the options, None for the code's; refuses what is no JSON object."""
        options = self.cleaned_data["options"]
        if options is not None and not isinstance(options, dict):
            raise forms.ValidationError(_('Write a JSON object, for example {"hours": 24}.'))
        return options

    def clean(self) -> dict[str, Any] | None:
        """Refuse what the scheduler could not follow, with the message at the field."""
        cleaned = super().clean()
        if self.errors:
            return cleaned
        typed = self.typed()
        problems = services.schedule_problems(
            actor=typed.actor, timetable=typed.timetable, options=typed.effective_options
        )
        for field, problem in problems.items():
            self.add_error(field if field in self.fields else None, problem)
        return cleaned

    def typed(self) -> JobSchedule:
        """Return the schedule, not saved, with what was typed and is no mistake by itself."""
        schedule: JobSchedule = copy(self.saved)
        construct_instance(self, schedule)
        return schedule


@cache
def _zones() -> list[str]:
    return sorted(available_timezones())


@register(JobSchedule)
class JobScheduleAdmin(ConsoleAdmin):
    """Schedules belong to the whole product: only a reader of all tenants changes them."""

    form = ScheduleForm
    change_form_template = "jobs/schedule.html"
    fields = (
        ("cron", "timezone"),
        ("is_enabled", "overlap", "catch_up"),
        ("skipped_hour", "doubled_hour"),
        ("on_day_off", "country", "are_weekends_off"),
        "options",
    )
    list_display = ("schedule", "times", "next_run", "last_run", "history", "switch", "trouble")
    list_display_links = ("schedule",)
    search_fields = ("key", "actor", "description")
    ordering = ("key",)
    sortable_by = ()
    buttons = ("run_now",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: schedules are declared in code."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: switch it off instead."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the reader may edit."""
        return visible_tenant_ids() is None and super().has_change_permission(request, obj)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Return whether the reader may run it now."""
        return visible_tenant_ids() is None and super().has_act_permission(request)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """Return the schedules; held while one is being saved, so that no firing is overwritten."""
        schedules = super().get_queryset(request)
        return schedules.select_for_update() if request.method == "POST" and connection.in_atomic_block else schedules

    def save_model(self, request: HttpRequest, obj: JobSchedule, form: Any, change: bool) -> None:
        """Save through the service: the new times count from now on."""
        services.change_schedule(obj, now=clock.now())

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Find the last job of each schedule on the page."""
        last = of_visible_tenants(Job.objects.filter(id__in=[row.last_job_id for row in rows if row.last_job_id]))
        jobs = {job.pk: job for job in last.only("id", "state")}
        strips = run_strips([row.pk for row in rows])
        for row in rows:
            row.last_job = jobs.get(row.last_job_id)
            row.strip = strips[row.pk]

    def above(self, request: HttpRequest, row: JobSchedule) -> dict[str, Any]:
        """Return the panel beside the form."""
        self.fill_in(request, [row])
        runs = reverse("admin:jobs_schedulefiring_changelist")
        return {
            "schedule": row,
            "last_run": self.last_run(row),
            "strip": self.history(row),
            "switch": self.switch(row),
            "waiting": long_moment(row.waiting_due_at, timezone=row.effective_timezone) if row.waiting_due_at else "",
            "history_url": f"{runs}?schedule__id__exact={row.pk}",
        }

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Add the runs ahead: of what was typed, where that can be followed, else of what is saved."""
        context["preview"], context["preview_zone"] = _runs_ahead(context["adminform"].form, kwargs["obj"])
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description=gettext_lazy("schedule"))
    def schedule(self, row: JobSchedule) -> str:
        """Show its name and what it is for."""
        return two_lines(format_html("<b>{}</b>", row.key), row.description or row.actor)

    @display(description=gettext_lazy("times"))
    def times(self, row: JobSchedule) -> str:
        """Show the cron line that counts, and whose it is."""
        changed = [] if row.cron in {"", row.default_cron} else [_("code: %s") % row.default_cron]
        days_off = {"skip": [_("not on days off")], "move": [_("moved from days off")]}.get(row.on_day_off, [])
        return two_lines(code(row.effective_cron), " · ".join([row.effective_timezone, *changed, *days_off]))

    @display(description=gettext_lazy("next run"))
    def next_run(self, row: JobSchedule) -> str:
        """Show it in the schedule's own zone."""
        run_at = selectors.next_run(row, now=clock.now())
        if run_at is None:
            return muted("–")
        waits = _("one waits for the last one's end") if row.waiting_due_at else moment(run_at)
        return two_lines(minute(run_at, timezone=row.effective_timezone), waits)

    @display(description=gettext_lazy("last run"))
    def last_run(self, row: Any) -> str:
        """Show when, and what came of it."""
        if row.last_fired_at is None:
            return muted(_("never"))
        state = job_link(row.last_job.pk, state_badge(row.last_job)) if row.last_job else muted(_("job pruned"))
        return two_lines(state, moment(row.last_fired_at))

    @display(description=gettext_lazy("last runs"))
    def history(self, row: Any) -> str:
        """Show how the last runs went and how long they took."""
        return row.strip or muted("–")

    @display(description=gettext_lazy("enabled"))
    def switch(self, row: JobSchedule) -> str:
        """Show whether it fires."""
        if row.runs:
            return badge(_("On"), icon="toggle_on", tone="green")
        return badge(_("Off"), icon="toggle_off", tone="gray")

    @display(description=gettext_lazy("problem"))
    def trouble(self, row: JobSchedule) -> str:
        """Show why it cannot run."""
        return format_html('<span class="bk-red-text">{}</span>', row.problem) if row.problem else muted("–")

    @button(gettext_lazy("Run now"), icon="play_arrow")
    def run_now(self, request: HttpRequest, row: JobSchedule) -> None:
        """Send its job at once."""
        try:
            job_id = services.run_schedule_now(key=row.key, now=clock.now())
        except (UnknownActor, InvalidArguments) as error:
            messages.error(request, _("This schedule cannot run: %s") % error)
            return
        text = _("%(schedule)s runs now: job %(job)s.") % {"schedule": row.key, "job": short(job_id)}
        messages.success(request, job_link(job_id, text))


def _runs_ahead(form: ScheduleForm, row: JobSchedule) -> tuple[list[dict[str, Any]], str]:
    """Return the next runs of what was typed and their zone; where that cannot be followed, of what is saved."""
    for schedule in [form.typed(), form.saved] if form.is_bound else [row]:
        if ahead := preview(schedule.timetable):
            break
    return ahead, schedule.effective_timezone


def preview(table: Timetable) -> list[dict[str, Any]]:
    """Return the next runs in their own zone and what is left out between them, each with a note why.

    `shifted` is the first after a change of the clocks. Empty when nothing runs any more.
    """
    try:
        ahead = outlook(table, after=clock.now(), count=PREVIEW, language=(get_language() or "en")[:2])
    except InvalidSchedule:
        return []
    if not any(one.runs for one in ahead):
        return []
    offsets = [one.at.astimezone(ZoneInfo(table.timezone)).utcoffset() for one in ahead]
    return [
        {
            "at": long_moment(one.at, timezone=table.timezone),
            "runs": one.runs,
            "note": services.due_note(one, timezone=table.timezone),
            "shifted": is_shifted,
        }
        for one, is_shifted in zip(ahead[:MOST_LINES], _changes(offsets), strict=False)
    ]


def _changes(values: list[Any]) -> list[bool]:
    """Return of each value whether it is another than the one before."""
    return [one != before for one, before in zip(values, values[:1] + values, strict=False)]


_OUTCOMES = {
    ScheduleFiring.Outcome.FIRED: ("check_circle", "green"),
    ScheduleFiring.Outcome.OVERLAPPED: ("sync_problem", "amber"),
    ScheduleFiring.Outcome.MISSED: ("history_toggle_off", "amber"),
    ScheduleFiring.Outcome.HOLIDAY: ("celebration", "gray"),
    ScheduleFiring.Outcome.UNSUPPORTED: ("error", "red"),
}


@register(ScheduleFiring)
class ScheduleFiringAdmin(ReadOnlyAdmin):
    """Each due time of each schedule, newest first."""

    list_display = ("due", "schedule", "outcome_badge", "job", "reason")
    list_filter = ("schedule", "outcome")
    list_display_links = None
    list_select_related = ("schedule",)
    ordering = ("-id",)
    sortable_by = ()

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: the past is not changed."""
        return False

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Find the jobs of the page's firings."""
        found = of_visible_tenants(Job.objects.filter(id__in=[row.job_id for row in rows if row.job_id]))
        jobs = {job.pk: job for job in found.only("id", "state")}
        for row in rows:
            row.found_job = jobs.get(row.job_id)

    @display(description=gettext_lazy("due"))
    def due(self, firing: ScheduleFiring) -> str:
        """Show the due time in the schedule's zone."""
        return long_moment(firing.due_at, timezone=firing.schedule.effective_timezone)

    @display(description=gettext_lazy("outcome"))
    def outcome_badge(self, firing: ScheduleFiring) -> str:
        """Show what came of it."""
        icon, tone = _OUTCOMES[ScheduleFiring.Outcome(firing.outcome)]
        return badge(firing.get_outcome_display(), icon=icon, tone=tone)

    @display(description=gettext_lazy("job"))
    def job(self, firing: Any) -> str:
        """Show the job's state now."""
        if firing.found_job:
            return job_link(firing.found_job.pk, state_badge(firing.found_job))
        return muted(short(firing.job_id)) if firing.job_id else muted("–")

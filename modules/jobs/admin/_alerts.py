"""What is wrong now and was lately, and the rules that say what is worth telling."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import SimpleListFilter, display, register
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.jobs import services
from modules.jobs.admin._hindsight import preview_page, typed_params, unit_of
from modules.jobs.domain import LIMITS, AlertKind, Channel, InvalidRule, rule_params
from modules.jobs.models import Alert, AlertRule
from modules.kernel import clock
from modules.kernel.console import (
    BaseModelForm,
    ConsoleAdmin,
    NumberWidget,
    ReadOnlyAdmin,
    SelectWidget,
    TextWidget,
    badge,
    button,
    duration,
    long_moment,
    moment,
    muted,
    two_lines,
    visible_tenant_ids,
)

LATELY = timedelta(days=7)
SHOWN = 20  # of what a rule finds now


class OpenFilter(SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return what an incident can be."""
        return [("open", _("Going on")), ("over", _("Over"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the incidents in the chosen state."""
        chosen = {"open": True, "over": False}.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(closed_at__isnull=chosen)


@register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ("incident", "state", "opened", "lasted", "told")
    list_display_links = ("incident",)
    list_filter = (OpenFilter, "rule")
    list_select_related = ("rule",)
    search_fields = ("subject",)
    ordering = ("-id",)
    sortable_by = ()
    fields = ("incident", "state", "opened_in_full", "closed_in_full", "lasted", "told")
    readonly_fields = fields

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow readers of all tenants only: a subject may be anybody's job."""
        return visible_tenant_ids() is None and request.user.has_perm("jobs.view_alert")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: an incident is over when its cause is."""
        return False

    @display(description=gettext_lazy("incident"))
    def incident(self, alert: Alert) -> str:
        """Show what is wrong, and by which rule."""
        return two_lines(format_html("<b>{}</b>", services.say_alert(alert)), alert.rule.key)

    @display(description=gettext_lazy("state"))
    def state(self, alert: Alert) -> str:
        """Show whether it goes on."""
        if alert.closed_at is None:
            return badge(_("Going on"), icon="notifications_active", tone="red")
        return badge(_("Over"), icon="check_circle", tone="green")

    @display(description=gettext_lazy("since"))
    def opened(self, alert: Alert) -> str:
        """Show when it began."""
        return moment(alert.opened_at)

    @display(description=gettext_lazy("lasted"))
    def lasted(self, alert: Alert) -> str:
        """Show how long it took, or has taken until now."""
        return duration((alert.closed_at or clock.now()) - alert.opened_at)

    @display(description=gettext_lazy("told"))
    def told(self, alert: Alert) -> str:
        """Show to which channels it was told, and which lead nowhere."""
        nowhere = _("not configured")
        lines = ((name, nowhere if what == "not configured" else "✓") for name, what in sorted(alert.notified.items()))
        return format_html_join("", '<div class="bk-nowrap">{} {}</div>', lines) or muted(_("nobody"))

    @display(description=gettext_lazy("since"))
    def opened_in_full(self, alert: Alert) -> str:
        """Show when it began."""
        return long_moment(alert.opened_at)

    @display(description=gettext_lazy("over since"))
    def closed_in_full(self, alert: Alert) -> str:
        """Show when it ended."""
        return long_moment(alert.closed_at)


class RuleForm(BaseModelForm):
    """An operator's changes; a field left empty means the code's default, named beside it."""

    is_enabled = forms.TypedChoiceField(
        label=gettext_lazy("Enabled"),
        required=False,
        coerce=lambda value: value == "yes",
        empty_value=None,
        widget=SelectWidget,
    )
    limit = forms.IntegerField(label=gettext_lazy("Limit"), required=False, min_value=0, widget=NumberWidget)
    only = forms.CharField(label=gettext_lazy("Only for"), required=False, max_length=2_000, widget=TextWidget)
    tells = forms.ChoiceField(label=gettext_lazy("Tells"), required=False, widget=SelectWidget)
    webhook = forms.URLField(
        label=gettext_lazy("Webhook's address"),
        required=False,
        max_length=2_000,
        assume_scheme="https",
        widget=TextWidget(attrs={"autocomplete": "off"}),
    )

    class Meta:
        model = AlertRule
        fields = ("is_enabled",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "limit" in self.fields:  # a reader who may not change gets no fields
            self._show(self.instance)

    def _show(self, rule: AlertRule) -> None:
        as_in_code = _("as in the code: %s")
        default = _("on") if rule.default_is_enabled else _("off")
        self._offer("is_enabled", as_in_code % default, [("yes", _("on")), ("no", _("off"))])
        self.initial["is_enabled"] = {None: "", True: "yes", False: "no"}[rule.is_enabled]
        told = ", ".join(rule.default_channels) or _("nobody")
        self._offer("tells", as_in_code % told, [("-", _("nobody")), *((one, one) for one in _choices())])
        self.initial["tells"] = "" if rule.channels is None else ",".join(rule.channels) or "-"
        self.initial["only"] = ", ".join(map(str, (rule.params or {}).get("only", [])))
        self.fields["only"].help_text = _("names with commas between them; empty: for all")
        self.fields["webhook"].help_text = (
            _("One is kept, encrypted; a new one takes its place.") if rule.webhook_secret else _("Kept encrypted.")
        )
        self._show_limit(rule)

    def _show_limit(self, rule: AlertRule) -> None:
        unit = unit_of(rule)
        if unit is None:
            del self.fields["limit"]
            return
        self.initial["limit"] = (rule.params or {}).get(unit)
        default = rule.default_params.get(unit, LIMITS[AlertKind(rule.kind)][unit])
        words = {"seconds": _("seconds"), "times": _("times in a row"), "over": _("more than so many")}
        self.fields["limit"].help_text = f"{words[unit]}; {_('as in the code: %s') % default}"

    def _offer(self, name: str, default: str, choices: list[tuple[str, str]]) -> None:
        field: Any = self.fields[name]
        field.choices = [("", default), *choices]

    def clean(self) -> dict[str, Any] | None:
        """Put the fields together to what the rule keeps; refuses what it could not follow."""
        cleaned = super().clean()
        if self.errors:
            return cleaned
        try:
            rule_params(self.instance.kind, {**self.instance.default_params, **self.params})
        except InvalidRule as error:
            self.add_error(None, str(error))
        return cleaned

    @property
    def params(self) -> dict[str, Any]:
        """Return the operator's limits; empty where the code's count."""
        return typed_params(self.instance, limit=self.cleaned_data.get("limit"), only=self.cleaned_data["only"])

    @property
    def channels(self) -> list[str] | None:
        """Return who is told, None for the code's."""
        return {"": None, "-": []}.get(self.cleaned_data["tells"], self.cleaned_data["tells"].split(","))


def _choices() -> list[str]:
    names = [str(channel) for channel in Channel]
    return [*names, ",".join(names)]


@register(AlertRule)
class AlertRuleAdmin(ConsoleAdmin):
    """Rules are declared in code; readers of all tenants change their limits and whom they tell."""

    form = RuleForm
    change_form_template = "jobs/alert_rule.html"
    fields = ("is_enabled", "limit", "only", "tells", "webhook")
    list_display = ("rule", "limits", "tells", "switch", "open_now", "trouble")
    list_display_links = ("rule",)
    ordering = ("key",)
    sortable_by = ()
    buttons = ("forget_webhook",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: rules are declared in code."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: switch it off instead."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow readers of all tenants only."""
        return visible_tenant_ids() is None and super().has_view_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow readers of all tenants only."""
        return visible_tenant_ids() is None and super().has_change_permission(request, obj)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Allow those who may change."""
        return self.has_change_permission(request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out the number of a rule that has none."""
        return [name for name in self.fields if name != "limit" or (obj and unit_of(obj))]

    def get_urls(self) -> list[URLPattern]:
        """Add the page that looks back with limits as they are typed."""
        view = self.admin_site.admin_view(self.preview_view)
        return [path("<path:object_id>/preview/", view, name="jobs_alertrule_preview"), *super().get_urls()]

    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show when the rule would have told of something in the last days, had it been set as in the address."""
        return preview_page(self, request, unquote(object_id))

    def save_model(self, request: HttpRequest, obj: AlertRule, form: Any, change: bool) -> None:
        """Save through the service; the address is kept encrypted and never shown."""
        services.change_rule(
            obj.key, params=form.params or None, channels=form.channels, is_enabled=form.cleaned_data["is_enabled"]
        )
        if url := form.cleaned_data["webhook"]:
            services.set_webhook(key=obj.key, url=url)

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Count the open incidents of each rule on the page."""
        open_ = Alert.objects.filter(closed_at__isnull=True, rule__in=rows).values_list("rule_id", flat=True)
        found = list(open_)
        for row in rows:
            row.open_count = found.count(row.pk)

    def above(self, request: HttpRequest, row: AlertRule) -> dict[str, Any]:
        """Return what the rule finds now, and how often it was told lately."""
        now = clock.now()
        lately = Alert.objects.filter(rule=row, opened_at__gte=now - LATELY).count()
        found = services.rule_findings(row, now=now)
        return {
            "preview_url": reverse("admin:jobs_alertrule_preview", args=[row.pk]),
            "rule": row,
            "what": row.get_kind_display(),
            "found": [services.say_finding(row, subject, value) for subject, value in found.items()][:SHOWN],
            "lately": lately,
            "incidents_url": f"{reverse('admin:jobs_alert_changelist')}?rule__id__exact={row.pk}",
        }

    @button(
        gettext_lazy("Forget the webhook"),
        icon="link_off",
        shown_for=lambda row: bool(row.webhook_secret),
        question=gettext_lazy("Forget this rule's own address? Then it calls ALERT_WEBHOOK_URL, if there is one."),
    )
    def forget_webhook(self, request: HttpRequest, row: AlertRule) -> None:
        """Go back to the address of the settings."""
        services.set_webhook(key=row.key, url="")
        messages.success(request, _("The address is forgotten."))

    @display(description=gettext_lazy("rule"))
    def rule(self, row: AlertRule) -> str:
        """Show what it looks at."""
        return two_lines(format_html("<b>{}</b>", row.get_kind_display()), row.key)

    @display(description=gettext_lazy("limits"))
    def limits(self, row: AlertRule) -> str:
        """Show the limits that count."""
        shown = {**LIMITS.get(AlertKind(row.kind), {}), **row.effective_params}
        return ", ".join(f"{name} {value}" for name, value in shown.items()) or muted("–")

    @display(description=gettext_lazy("tells"))
    def tells(self, row: AlertRule) -> str:
        """Show who is told."""
        return ", ".join(row.effective_channels) or muted(_("nobody"))

    @display(description=gettext_lazy("enabled"))
    def switch(self, row: AlertRule) -> str:
        """Show whether it is watched."""
        if row.watches:
            return badge(_("On"), icon="toggle_on", tone="green")
        return badge(_("Off"), icon="toggle_off", tone="gray")

    @display(description=gettext_lazy("going on"))
    def open_now(self, row: Any) -> str:
        """Show how many incidents are open."""
        return badge(str(row.open_count), icon="notifications_active", tone="red") if row.open_count else muted("0")

    @display(description=gettext_lazy("problem"))
    def trouble(self, row: AlertRule) -> str:
        """Show why it cannot be followed."""
        return format_html('<span class="bk-red-text">{}</span>', row.problem) if row.problem else muted("–")

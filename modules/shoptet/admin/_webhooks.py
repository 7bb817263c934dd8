"""What shops told of: whether it is handled, and once more for what should be."""

import json
from typing import Any

from django.contrib import messages
from django.contrib.admin import SimpleListFilter, display, register
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.kernel.console import ReadOnlyAdmin, badge, button, json_block, long_moment, moment, two_lines
from modules.kernel.secrets import MASK
from modules.shoptet import services
from modules.shoptet.admin._looks import job_link
from modules.shoptet.models import WebhookEvent

PLAIN = frozenset({"eshopId", "event", "eventCreated", "eventInstance"})  # the rest is the record: somebody's data
LONGEST_SHOWN = 80  # characters of what an event is about: a mass event lists thousands


class StateFilter(SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return what an event may be."""
        return [("waiting", _("Waiting")), ("handled", _("Handled")), ("refused", _("Refused by the shop"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the events that wait, those that are done, or those that were given up."""
        if self.value() == "waiting":
            return queryset.filter(handled_at=None)
        if self.value() == "handled":
            return queryset.filter(handled_at__isnull=False, reason="")
        if self.value() == "refused":
            return queryset.filter(handled_at__isnull=False).exclude(reason="")
        return queryset


@register(WebhookEvent)
class WebhookEventAdmin(ReadOnlyAdmin):
    list_display = ("told", "shop", "state", "deliveries", "received", "handled")
    list_display_links = ("told",)
    list_filter = (StateFilter, "shop")
    list_select_related = ("shop",)
    search_fields = ("=instance", "^event")
    ordering = ("-id",)
    sortable_by = ()
    buttons = ("again",)
    fields = (
        ("told", "shop", "state"),
        ("deliveries", "received_in_full", "handled_in_full"),
        ("failures", "next_try_at", "reason"),
        "content",
    )
    readonly_fields = (
        *("told", "state", "received", "handled", "received_in_full", "handled_in_full"),
        *("failures", "next_try_at", "reason", "content"),
    )

    @display(description=gettext_lazy("event"))
    def told(self, row: WebhookEvent) -> str:
        """Show what happened to what."""
        about = row.instance if len(row.instance) <= LONGEST_SHOWN else f"{row.instance[:LONGEST_SHOWN]}…"
        return two_lines(format_html("<b>{}</b>", row.event), about)

    @display(description=gettext_lazy("state"))
    def state(self, row: WebhookEvent) -> str:
        """Show whether anything was done about it."""
        if row.handled_at and row.reason:
            return badge(_("Refused by the shop"), icon="block", tone="red")
        if row.handled_at:
            return badge(_("Handled"), icon="check_circle", tone="green")
        return badge(_("Waiting"), icon="hourglass_empty", tone="amber")

    @display(description=gettext_lazy("received"))
    def received(self, row: WebhookEvent) -> str:
        """Show when it was told first."""
        return moment(row.received_at)

    @display(description=gettext_lazy("handled"))
    def handled(self, row: WebhookEvent) -> str:
        """Show when it was done."""
        return moment(row.handled_at)

    @display(description=gettext_lazy("received"))
    def received_in_full(self, row: WebhookEvent) -> str:
        """Show when it was told first."""
        return long_moment(row.received_at)

    @display(description=gettext_lazy("handled"))
    def handled_in_full(self, row: WebhookEvent) -> str:
        """Show when it was done."""
        return long_moment(row.handled_at)

    @display(description=gettext_lazy("as received"))
    def content(self, row: WebhookEvent) -> SafeString:
        """Show the body without the record that a shop may put into it."""
        told = json.loads(row.body)
        return json_block({name: value if name in PLAIN else MASK for name, value in told.items()})

    @button(gettext_lazy("Process again"), icon="replay", shown_for=lambda row: row.shop.is_active)
    def again(self, request: HttpRequest, row: WebhookEvent) -> None:
        """Ask the shop about it once more."""
        job_id = services.handle_again(event=row)
        messages.success(request, job_link(job_id, _("The shop is asked about it again; follow the job.")))

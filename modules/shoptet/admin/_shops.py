"""Shops: their tokens, whether they answer, and when they were read last."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import SimpleListFilter, display, register
from django.db import transaction
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.kernel.console import (
    BaseModelForm,
    PasswordWidget,
    TextWidget,
    badge,
    button,
    long_moment,
    moment,
    muted,
    two_lines,
)
from modules.orders.models import Order
from modules.shoptet import services
from modules.shoptet.admin._looks import execution_link, job_link, status_badge
from modules.shoptet.admin._named import NamedOfTenantAdmin
from modules.shoptet.clients import InvalidToken, ShoptetError
from modules.shoptet.models import Shop, SnapshotExecution


class ShopForm(BaseModelForm):
    """A shop; its token goes in and never comes out again."""

    base_url = forms.URLField(
        label=gettext_lazy("API address"), initial="https://api.myshoptet.com", assume_scheme="https", widget=TextWidget
    )
    token = forms.CharField(
        label=gettext_lazy("API token"),
        required=False,
        widget=PasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("Stored encrypted and never shown again; empty keeps the stored one."),
    )

    oauth_url = forms.URLField(
        label=gettext_lazy("Address of add-on tokens"),
        required=False,
        assume_scheme="https",
        widget=TextWidget,
        help_text=gettext_lazy(
            "Empty for a private API token. Of an add-on: https://…/action/ApiOAuthServer/getAccessToken; "
            "the API token is then its permanent OAuth token."
        ),
    )

    class Meta:
        model = Shop
        fields = ("tenant", "name", "base_url", "oauth_url", "is_master", "is_active")

    def clean(self) -> dict[str, Any] | None:
        """Refuse an address or a token that the service would refuse, with the message at the field."""
        cleaned = super().clean()
        if self.errors:
            return cleaned
        if self.cleaned_data["token"]:
            self._rehearse()
        elif not self.instance.pk:
            self.add_error("token", _("Create a private API token in Shoptet and enter it here."))
        elif {"base_url", "oauth_url"} & set(self.changed_data):
            # Or whoever may edit a shop could have its token sent to a server of their own.
            self.add_error(
                "token", _("The stored token belongs to the former address; enter the one for this address.")
            )
        return cleaned

    def _rehearse(self) -> None:
        """Let the service do its work and take it back: what it refuses is refused before anything is saved."""
        try:
            with transaction.atomic():
                self.store()
                transaction.set_rollback(True)
        except services.UnsafeAddress as error:
            self.add_error("base_url", str(error))
        except InvalidToken as error:
            self.add_error("token", str(error))

    def store(self) -> Shop:
        """Store the shop with its new token."""
        values, shop = self.cleaned_data, self.instance
        return services.add_shop(
            tenant_id=shop.tenant_id or values["tenant"].pk,
            name=shop.name or values["name"],
            base_url=values["base_url"],
            token=values["token"],
            oauth_url=values["oauth_url"],
            is_master=values["is_master"],
        )


class TroubleFilter(SimpleListFilter):
    title = gettext_lazy("last sync")
    parameter_name = "trouble"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return what the last reading left behind."""
        return [("yes", _("ended in an error")), ("no", _("without an error"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the shops with, or without, an error."""
        chosen = {"yes": queryset.exclude(last_error=""), "no": queryset.filter(last_error="")}
        return chosen.get(self.value() or "", queryset)


@register(Shop)
class ShopAdmin(NamedOfTenantAdmin):
    form = ShopForm
    list_display = ("shop", "tenant", "last_sync", "error", "orders", "switch")
    list_display_links = ("shop",)
    list_filter = (TroubleFilter, "is_active")
    list_select_related = ("tenant", "channel")
    search_fields = ("name",)
    ordering = ("name",)
    sortable_by = ()
    buttons = ("sync_orders", "sync_products", "take_snapshot", "test_connection")
    fieldsets = (
        (None, {"fields": (("tenant", "name"), ("base_url", "token"), "oauth_url", ("is_active", "is_master"))}),
        (
            gettext_lazy("State"),
            {"fields": (("last_sync", "orders", "error"), ("eshop_id", "zone", "read_at"), "paused_until")},
        ),
    )
    readonly_fields = ("last_sync", "orders", "error", "eshop_id", "zone", "read_at", "paused_until")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save through the service that encrypts the token."""
        if form.cleaned_data["token"]:
            obj.pk = form.store().pk
        Shop.objects.filter(pk=obj.pk).update(is_active=obj.is_active, is_master=obj.is_master)

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Find the last reading and count the orders of each shop on the page."""
        readings = SnapshotExecution.objects.filter(shop__in=rows).order_by("shop_id", "-started_at", "-id")
        last = {reading.shop_id: reading for reading in readings.distinct("shop_id")}
        orders = Order.objects.filter(channel__in=[row.channel_id for row in rows], deleted_at=None).order_by()
        counts = {row["channel_id"]: row["n"] for row in orders.values("channel_id").annotate(n=Count("id"))}
        for row in rows:
            row.last_reading, row.order_count = last.get(row.pk), counts.get(row.channel_id, 0)

    @display(description=gettext_lazy("shop"))
    def shop(self, row: Shop) -> str:
        """Show its name and address."""
        return two_lines(format_html("<b>{}</b>", row.name), row.base_url)

    @display(description=gettext_lazy("last sync"))
    def last_sync(self, row: Any) -> str:
        """Show what came of the last reading, and when."""
        if row.last_reading is None:
            return muted(_("never"))
        url = reverse("admin:shoptet_snapshotexecution_change", args=[row.last_reading.pk])
        link = format_html('<a class="bk-link" href="{}">{}</a>', url, status_badge(row.last_reading))
        return two_lines(link, moment(row.last_reading.finished_at or row.last_reading.started_at))

    @display(description=gettext_lazy("last error"))
    def error(self, row: Shop) -> str:
        """Show what went wrong in a sentence."""
        return format_html('<span class="bk-red-text">{}</span>', row.last_error) if row.last_error else muted("–")

    @display(description=gettext_lazy("orders"))
    def orders(self, row: Any) -> str:
        """Show how many there are, as a link to them."""
        url = f"{reverse('admin:orders_order_changelist')}?channel__id__exact={row.channel_id}"
        count = number_format(row.order_count, force_grouping=True)
        return format_html('<a class="bk-link bk-number" href="{}">{}</a>', url, count)

    @display(description=gettext_lazy("reading"))
    def switch(self, row: Shop) -> str:
        """Show whether it is read by schedule."""
        if row.is_active:
            return badge(_("On"), icon="toggle_on", tone="green")
        return badge(_("Off"), icon="toggle_off", tone="gray")

    @display(description=gettext_lazy("time zone"))
    def zone(self, row: Shop) -> str:
        """Show the shop's own clock."""
        return row.timezone or "–"

    @display(description=gettext_lazy("settings read"))
    def read_at(self, row: Shop) -> str:
        """Show when the shop last told about itself."""
        return long_moment(row.described_at)

    @button(gettext_lazy("Sync orders now"), icon="sync", shown_for=lambda shop: shop.is_active)
    def sync_orders(self, request: HttpRequest, shop: Shop) -> None:
        """Send the job that reads new and changed orders."""
        job_id = services.request_orders(shop=shop)
        text = _("The orders of %(shop)s are being read; follow the job.") % {"shop": shop.name}
        messages.success(request, job_link(job_id, text))

    @button(gettext_lazy("Import products now"), icon="sell", shown_for=lambda shop: shop.is_active and shop.is_master)
    def sync_products(self, request: HttpRequest, shop: Shop) -> None:
        """Send the job that reads new and changed products of a master."""
        job_id = services.request_products(shop=shop)
        text = _("The products of %(shop)s are being read; follow the job.") % {"shop": shop.name}
        messages.success(request, job_link(job_id, text))

    @button(gettext_lazy("Take a snapshot"), icon="photo_camera", shown_for=lambda shop: shop.is_active)
    def take_snapshot(self, request: HttpRequest, shop: Shop) -> None:
        """Begin the reading of all orders, or show the one that is under way."""
        entry, _is_new = services.request_snapshot(shop=shop, what="orders")
        text = _("All orders of %(shop)s are being read; follow the log.") % {"shop": shop.name}
        messages.success(request, execution_link(entry, text))

    @button(gettext_lazy("Test connection"), icon="lan")
    def test_connection(self, request: HttpRequest, shop: Shop) -> None:
        """Ask the shop who it is; nothing is stored."""
        try:
            with services.connect(shop) as client:
                facts, _at = client.eshop()
        except ShoptetError as error:
            messages.error(request, _("The shop did not answer as it should: %s") % error)
            return
        told = {"id": facts.eshop_id, "currency": facts.currency, "zone": facts.timezone}
        text = _("Connected. Shop number %(id)s, currency %(currency)s, time zone %(zone)s.")
        messages.success(request, text % told)

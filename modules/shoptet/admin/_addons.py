"""Add-ons: what the vendor knows them by, and where it reaches us; the secret goes in and never comes out."""

from typing import Any

from django import forms
from django.contrib.admin import display, register
from django.db import transaction
from django.db.models import Count
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.kernel.console import (
    BaseModelForm,
    PasswordWidget,
    TextWidget,
    badge,
    long_moment,
    muted,
    two_lines,
)
from modules.shoptet import services
from modules.shoptet.admin._named import NamedOfTenantAdmin
from modules.shoptet.clients import PermanentShoptetError
from modules.shoptet.models import Addon, Shop


class AddonForm(BaseModelForm):
    """An add-on; its client secret goes in and never comes out again."""

    client_secret = forms.CharField(
        label=gettext_lazy("Client secret"),
        required=False,
        widget=PasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy(
            "If one was issued. Stored encrypted and never shown again; empty keeps the stored one."
        ),
    )
    oauth_server = forms.URLField(
        label=gettext_lazy("OAuth server"),
        assume_scheme="https",
        widget=TextWidget,
        help_text=gettext_lazy("Of the partner's shop: https://…/action/ApiOAuthServer"),
    )
    base_url = forms.URLField(
        label=gettext_lazy("API address"), initial="https://api.myshoptet.com", assume_scheme="https", widget=TextWidget
    )

    class Meta:
        model = Addon
        fields = ("tenant", "name", "client_id", "oauth_server", "base_url", "is_active")

    def clean(self) -> dict[str, Any] | None:
        """Refuse an address that the service would refuse, and to send the stored secret to another server."""
        cleaned = super().clean()
        if self.errors:
            return cleaned
        # Or whoever may edit an add-on could have its secret sent to a server of their own.
        if self._moves_the_secret():
            self.add_error("client_secret", _("The stored secret belongs to the former server; enter it again."))
            return cleaned
        for name in ("oauth_server", "base_url"):
            self._refuse_unsafe(name)
        return cleaned

    def _moves_the_secret(self) -> bool:
        is_kept = self.instance.client_secret_encrypted and not self.cleaned_data["client_secret"]
        return bool(is_kept and "oauth_server" in self.changed_data)

    def _refuse_unsafe(self, name: str) -> None:
        try:
            services.refuse_unsafe(self.cleaned_data[name])
        except services.UnsafeAddress as error:
            self.add_error(name, str(error))

    def store(self) -> Addon:
        """Store the add-on; the secret that it had stays where none is given. One transaction."""
        values, addon = self.cleaned_data, self.instance
        with transaction.atomic():
            stored = services.add_addon(
                tenant_id=addon.tenant_id or values["tenant"].pk,
                name=addon.name or values["name"],
                client_id=values["client_id"],
                client_secret=values["client_secret"].strip() or None,
                oauth_server=values["oauth_server"],
                base_url=values["base_url"],
            )
            Addon.objects.filter(pk=stored.pk).update(is_active=values["is_active"])
        return stored


@register(Addon)
class AddonAdmin(NamedOfTenantAdmin):
    form = AddonForm
    list_display = ("addon", "tenant", "shops", "switch", "added")
    list_display_links = ("addon",)
    list_filter = ("is_active",)
    list_select_related = ("tenant",)
    search_fields = ("name", "=client_id")
    ordering = ("name",)
    sortable_by = ()
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("tenant", "name"),
                    ("client_id", "client_secret"),
                    ("oauth_server", "base_url"),
                    "is_active",
                )
            },
        ),
        (
            gettext_lazy("For Shoptet's partner administration"),
            {"fields": ("install_address", "events_address", ("secret", "shops", "added"))},
        ),
    )
    readonly_fields = ("install_address", "events_address", "secret", "shops", "added")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save through the service that encrypts the secret."""
        obj.pk = form.store().pk

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Count the shops that have installed each add-on on the page."""
        installed = Shop.objects.filter(addon__in=rows, addon_ended_at=None).order_by()
        counts = {row["addon_id"]: row["n"] for row in installed.values("addon_id").annotate(n=Count("id"))}
        for row in rows:
            row.shop_count = counts.get(row.pk, 0)

    @display(description=gettext_lazy("add-on"))
    def addon(self, row: Addon) -> str:
        """Show its name and client id."""
        return two_lines(format_html("<b>{}</b>", row.name), row.client_id)

    @display(description=gettext_lazy("shops"))
    def shops(self, row: Any) -> str:
        """Show how many have it installed."""
        return format_html('<span class="bk-number">{}</span>', number_format(row.shop_count, force_grouping=True))

    @display(description=gettext_lazy("installations"))
    def switch(self, row: Addon) -> str:
        """Show whether shops may install it."""
        if row.is_active:
            return badge(_("On"), icon="toggle_on", tone="green")
        return badge(_("Off"), icon="toggle_off", tone="gray")

    @display(description=gettext_lazy("added"))
    def added(self, row: Addon) -> str:
        """Show when it was added."""
        return long_moment(row.created_at)

    @display(description=gettext_lazy("client secret"))
    def secret(self, row: Addon) -> str:
        """Show whether one is stored, and nothing of it."""
        return _("stored") if row.client_secret_encrypted else muted(_("none"))

    @display(description=gettext_lazy("installation address"))
    def install_address(self, row: Addon) -> str:
        """Show where the vendor calls when a shop installs it."""
        return _address(row, "install")

    @display(description=gettext_lazy("address for the add-on's events"))
    def events_address(self, row: Addon) -> str:
        """Show where the vendor tells of suspensions and the like."""
        return _address(row, "events")


def _address(addon: Addon, name: str) -> str:
    try:
        return format_html("<code>{}</code>", getattr(services.addon_addresses(addon), name))
    except PermanentShoptetError as error:
        return muted(str(error))

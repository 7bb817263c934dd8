"""Products as the shops tell them: for looking only, what is wrong is mended in the shop."""

from typing import Any

from django.contrib.admin import display, register
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from modules.catalog.models import Product, ProductOverlay, Variant
from modules.kernel.console import ReadOnlyAdmin, ReadOnlyInline, badge, json_block, moment, money, two_lines


class VariantInline(ReadOnlyInline):
    model = Variant
    fields = ("sold", "ean", "own_price", "is_visible")
    readonly_fields = fields
    ordering = ("position", "code")
    hide_title = True

    @display(description=_("variant"))
    def sold(self, variant: Variant) -> str:
        """Show what is sold and under which code."""
        return two_lines(variant.code, variant.name)

    @display(description=_("price"))
    def own_price(self, variant: Variant) -> str:
        """Show the price of one."""
        return money(variant.price, variant.currency)


class ProductOverlayInline(ReadOnlyInline):
    model = ProductOverlay
    fields = ("storefront", "name", "own_price", "is_visible")
    readonly_fields = fields
    ordering = ("storefront_id",)
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Bring the storefronts along: one query, however many targets there are."""
        return super().get_queryset(request).select_related("storefront")

    @display(description=_("price"))
    def own_price(self, overlay: ProductOverlay) -> str:
        """Show the price of the target, if it has its own."""
        return money(overlay.price, overlay.currency)


@register(Product)
class ProductAdmin(ReadOnlyAdmin):
    list_display = ("product", "storefront", "brand_name", "state", "changed", "fetched")
    list_display_links = ("product",)
    list_filter = ("storefront", "visibility")
    list_select_related = ("storefront",)
    search_fields = ("^variants__code", "^variants__ean", "name", "=guid")
    search_help_text = _("code, EAN, name or GUID")
    ordering = ("-changed_at", "-id")
    sortable_by = ()
    inlines = (VariantInline, ProductOverlayInline)
    fieldsets = (
        (None, {"fields": (("name", "storefront", "state"), ("brand_name", "supplier_name"), ("changed", "fetched"))}),
        (_("As received"), {"fields": ("received",), "classes": ("collapse",)}),
    )
    readonly_fields = ("product", "state", "changed", "fetched", "received")

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: products come from the shops."""
        return False

    @display(description=_("product"))
    def product(self, product: Product) -> str:
        """Show its name."""
        return format_html("<b>{}</b>", str(product))

    @display(description=_("visibility"))
    def state(self, product: Product) -> str:
        """Show whether customers see it."""
        if product.deleted_at:
            return badge(_("Deleted in the shop"), icon="delete", tone="gray")
        return badge(product.visibility or "–", icon="visibility", tone="blue")

    @display(description=_("changed in the shop"))
    def changed(self, product: Product) -> str:
        """Show when the shop changed it last."""
        return moment(product.changed_at)

    @display(description=_("fetched"))
    def fetched(self, product: Product) -> str:
        """Show how fresh our copy is."""
        return moment(product.fetched_at)

    @display(description=_("as received"))
    def received(self, product: Product) -> str:
        """Show what the shop sent."""
        return json_block(product.raw)

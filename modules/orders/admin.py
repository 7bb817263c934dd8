"""Orders as the shops tell them: for looking only, what is wrong is mended in the shop."""

from typing import Any

from django.contrib.admin import display, register
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from modules.kernel.console import (
    ReadOnlyAdmin,
    ReadOnlyInline,
    badge,
    json_block,
    long_moment,
    moment,
    money,
    two_lines,
)
from modules.orders.models import Order, OrderItem


class OrderItemInline(ReadOnlyInline):
    model = OrderItem
    fields = ("line_number", "product", "quantity", "unit_price", "total")
    readonly_fields = fields
    ordering = ("line_number",)
    hide_title = True

    @display(description=_("product"))
    def product(self, item: OrderItem) -> str:
        """Show what was bought."""
        return two_lines(f"{item.name} {item.variant_name}".strip() or "–", item.code or item.item_type)

    @display(description=_("amount"))
    def quantity(self, item: OrderItem) -> str:
        """Show how much of it."""
        amount = f"{item.amount.normalize():f}" if item.amount is not None else "–"
        return format_html('<span class="bk-number">{} {}</span>', amount, item.unit)

    @display(description=_("unit price with VAT"))
    def unit_price(self, item: OrderItem) -> str:
        """Show the price of one."""
        return money(item.unit_price_with_vat, item.order.currency)

    @display(description=_("line total with VAT"))
    def total(self, item: OrderItem) -> str:
        """Show the price of the line."""
        return money(item.total_with_vat, item.order.currency)


@register(Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = ("order", "channel", "buyer", "status", "total", "ordered", "fetched")
    list_display_links = ("order",)
    list_filter = ("channel", "is_cancelled", "is_paid")
    list_select_related = ("channel",)
    search_fields = ("^code", "^email_normalized", "full_name")
    search_help_text = _("code, e-mail or name")
    ordering = ("-created_at", "-id")
    sortable_by = ()
    inlines = (OrderItemInline,)
    fieldsets = (
        (None, {"fields": (("code", "channel", "status"), ("ordered_in_full", "changed_in_full", "fetched_in_full"))}),
        (_("Buyer"), {"fields": (("full_name", "email", "phone"), ("billing", "delivery"))}),
        (
            _("Money"),
            {"fields": (("total", "without_vat", "vat_amount"), ("is_paid", "payment_name", "shipping_name"))},
        ),
        (_("As received"), {"fields": ("received",), "classes": ("collapse",)}),
    )
    readonly_fields = (
        *("order", "buyer", "status", "total", "ordered", "fetched"),
        *("ordered_in_full", "changed_in_full", "fetched_in_full", "billing", "delivery"),
        *("without_vat", "vat_amount", "received"),
    )

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: orders come from the shops."""
        return False

    @display(description=_("order"))
    def order(self, order: Order) -> str:
        """Show its code."""
        return format_html("<b>{}</b>", order.code)

    @display(description=_("buyer"))
    def buyer(self, order: Order) -> str:
        """Show who bought."""
        return two_lines(order.full_name or "–", order.email)

    @display(description=_("status"))
    def status(self, order: Order) -> str:
        """Show the shop's own status, and what overrides it."""
        if order.deleted_at:
            return badge(_("Deleted in the shop"), icon="delete", tone="gray")
        if order.is_cancelled:
            return badge(order.status_name or _("Cancelled"), icon="block", tone="gray")
        icon, tone = ("paid", "green") if order.is_paid else ("shopping_cart", "blue")
        return badge(order.status_name or _("No status"), icon=icon, tone=tone)

    @display(description=_("total with VAT"))
    def total(self, order: Order) -> str:
        """Show what it came to."""
        return money(order.total_with_vat, order.currency)

    @display(description=_("total without VAT"))
    def without_vat(self, order: Order) -> str:
        """Show what remains for the shop."""
        return money(order.total_without_vat, order.currency)

    @display(description=_("VAT"))
    def vat_amount(self, order: Order) -> str:
        """Show the tax in it."""
        return money(order.vat, order.currency)

    @display(description=_("ordered"))
    def ordered(self, order: Order) -> str:
        """Show when."""
        return moment(order.created_at)

    @display(description=_("fetched"))
    def fetched(self, order: Order) -> str:
        """Show how fresh our copy is."""
        return moment(order.fetched_at)

    @display(description=_("ordered"))
    def ordered_in_full(self, order: Order) -> str:
        """Show when."""
        return long_moment(order.created_at)

    @display(description=_("changed in the shop"))
    def changed_in_full(self, order: Order) -> str:
        """Show when the shop changed it last."""
        return long_moment(order.changed_at)

    @display(description=_("fetched"))
    def fetched_in_full(self, order: Order) -> str:
        """Show how fresh our copy is."""
        return long_moment(order.fetched_at)

    @display(description=_("billing address"))
    def billing(self, order: Order) -> str:
        """Show where the bill goes."""
        return _address(order.billing_address)

    @display(description=_("delivery address"))
    def delivery(self, order: Order) -> str:
        """Show where the goods go."""
        return _address(order.delivery_address)

    @display(description=_("as received"))
    def received(self, order: Order) -> str:
        """Show what the shop sent."""
        return json_block(order.raw)


def _address(address: Any) -> str:
    parts = ("fullName", "company", "street", "houseNumber", "city", "zip", "countryCode")
    known = [str(address[part]) for part in parts if address.get(part)] if isinstance(address, dict) else []
    return ", ".join(known) or "–"

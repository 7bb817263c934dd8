"""Who buys, and what for."""

from typing import Any

from django.contrib.admin import display, register
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.customers.models import Customer, CustomerMetrics, CustomerOrder
from modules.kernel.console import Fact, ReadOnlyAdmin, add_fact, long_moment, moment, money, muted, table, two_lines

LISTED = 50  # orders on a customer's page, the newest


@register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    list_display = ("customer", "order_count", "revenue", "aov", "last_order", "added")
    list_display_links = ("customer",)
    list_select_related = ("metrics",)
    search_fields = ("^email_normalized", "full_name", "^phone")
    search_help_text = gettext_lazy("e-mail, name or phone")
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("full_name", "email", "phone"),)}),
        (
            gettext_lazy("Figures"),
            {"fields": (("order_count", "revenue", "aov"), ("cancelled", "first_order", "last_order_in_full"))},
        ),
        (gettext_lazy("Orders"), {"fields": ("orders",)}),
    )
    readonly_fields = (*("order_count", "revenue", "aov", "cancelled", "first_order", "last_order_in_full", "orders"),)

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Refuse: customers come from orders."""
        return False

    @display(description=gettext_lazy("customer"))
    def customer(self, row: Customer) -> str:
        """Show who it is."""
        return two_lines(format_html("<b>{}</b>", row), row.email)

    @display(description=gettext_lazy("orders"), ordering=F("metrics__order_count").desc(nulls_last=True))
    def order_count(self, row: Customer) -> str:
        """Show how often they bought."""
        metrics = _metrics(row)
        return format_html('<span class="bk-number">{}</span>', metrics.order_count) if metrics else muted("–")

    @display(description=gettext_lazy("revenue"), ordering=F("metrics__revenue").desc(nulls_last=True))
    def revenue(self, row: Customer) -> str:
        """Show what they spent."""
        metrics = _metrics(row)
        return money(metrics.revenue, metrics.currency) if metrics else muted("–")

    @display(description=gettext_lazy("average order value"), ordering=F("metrics__aov").desc(nulls_last=True))
    def aov(self, row: Customer) -> str:
        """Show what an order of theirs comes to."""
        metrics = _metrics(row)
        return money(metrics.aov, metrics.currency) if metrics else muted("–")

    @display(description=gettext_lazy("last order"), ordering=F("metrics__last_order_at").desc(nulls_last=True))
    def last_order(self, row: Customer) -> str:
        """Show when they bought last."""
        metrics = _metrics(row)
        return moment(metrics.last_order_at if metrics else None)

    @display(description=gettext_lazy("added"), ordering="-id")
    def added(self, row: Customer) -> str:
        """Show since when we know them."""
        return moment(row.created_at)

    @display(description=gettext_lazy("cancelled orders"))
    def cancelled(self, row: Customer) -> str:
        """Show how many of their orders were cancelled."""
        metrics = _metrics(row)
        return str(metrics.cancelled_count) if metrics else "–"

    @display(description=gettext_lazy("first order"))
    def first_order(self, row: Customer) -> str:
        """Show since when they buy."""
        metrics = _metrics(row)
        return long_moment(metrics.first_order_at if metrics else None)

    @display(description=gettext_lazy("last order"))
    def last_order_in_full(self, row: Customer) -> str:
        """Show when they bought last."""
        metrics = _metrics(row)
        return long_moment(metrics.last_order_at if metrics else None)

    @display(description=gettext_lazy("newest orders"))
    def orders(self, row: Customer) -> str:
        """Show what they bought, newest first."""
        links: QuerySet[Any] = CustomerOrder.objects.filter(customer=row).select_related("order")
        newest = links.order_by(F("order__created_at").desc(nulls_last=True), "-order_id")[:LISTED]
        headers = [_("order"), _("ordered"), _("status"), _("total with VAT"), _("linked by")]
        return table(headers, [_order_row(link) for link in newest])


def _metrics(row: Customer) -> CustomerMetrics | None:
    return getattr(row, "metrics", None)  # a customer whose figures were not calculated yet has none


def _order_row(link: CustomerOrder) -> list[Any]:
    order = link.order
    code = format_html(
        '<a class="bk-link" href="{}">{}</a>', reverse("admin:orders_order_change", args=[order.pk]), order
    )
    total = money(order.total_with_vat, order.currency)
    return [code, moment(order.created_at), order.status_name, total, link.get_linked_by_display()]


def _customer_of(order: Any) -> Fact:
    link: Any = CustomerOrder.objects.filter(order=order).select_related("customer").first()
    if link is None:
        return Fact(_("Customer"), muted(_("nobody yet")))
    url = reverse("admin:customers_customer_change", args=[link.customer_id])
    name = format_html('<a class="bk-link" href="{}">{}</a>', url, link.customer)
    return Fact(_("Customer"), two_lines(name, link.get_linked_by_display()))


add_fact("orders.order", _customer_of)

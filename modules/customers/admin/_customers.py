"""Who buys, and what for."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import action, display, register
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.customers import selectors, services
from modules.customers.admin._filters import LastOrderFilter, MoneyFilter, OrdersFilter, ReturnFilter, SegmentFilter
from modules.customers.admin._looks import (
    LOOKS,
    MONTHS,
    dots,
    last_months,
    month_name,
    orders_sparkline,
    segment_badge,
    segments_panel,
)
from modules.customers.domain import Segment
from modules.customers.models import Customer, CustomerAccount, CustomerMerge, CustomerMetrics, CustomerOrder
from modules.kernel import clock
from modules.kernel.console import (
    ButtonSpec,
    Column,
    Fact,
    ReadOnlyAdmin,
    add_fact,
    asked_once,
    button,
    column_chart,
    long_moment,
    moment,
    money,
    muted,
    note_bulk,
    table,
    two_lines,
    visible_tenant_ids,
)

LISTED = 50  # orders on a customer's page, the newest
CHART_MONTHS = 24
MAX_MERGED = 10  # customers merged by one action
SHARED = 5  # e-mails named above the list

TOOLS = {
    "recalculate": (gettext_lazy("Recalculate all figures"), "calculate", services.request_recalculation),
    "backfill": (gettext_lazy("Look for customers of unlinked orders"), "person_search", services.request_backfill),
    "sync": (gettext_lazy("Repair links"), "link", services.request_sync),
}


@register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    list_display = ("customer", "segment", "order_count", "rhythm", "revenue", "aov", "expected", "last_order")
    list_display_links = ("customer",)
    list_select_related = ("metrics",)
    list_filter = (SegmentFilter, OrdersFilter, LastOrderFilter, MoneyFilter, ReturnFilter)
    list_before_template = "customers/segments.html"
    change_form_template = "customers/customer.html"
    search_fields = ("^email_normalized", "full_name", "^phone", "company")
    search_help_text = gettext_lazy("e-mail, name, company or phone")
    ordering = ("-id",)
    actions = ("merge_selected",)
    buttons = ("merge_namesakes", "part")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("full_name", "email", "phone"),
                    ("company", "place", "language"),
                    "accounts",
                )
            },
        ),
        (
            gettext_lazy("Figures"),
            {
                "fields": (
                    ("order_count", "paid", "cancelled"),
                    ("revenue", "aov", "value"),
                    ("repeats", "first_order", "last_order_in_full"),
                )
            },
        ),
        (gettext_lazy("One person"), {"fields": ("merges",)}),
        (gettext_lazy("Orders"), {"fields": ("orders",)}),
    )
    readonly_fields = (
        *("place", "accounts", "order_count", "paid", "cancelled", "revenue", "aov", "value", "repeats"),
        *("first_order", "last_order_in_full", "merges", "orders"),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """List those who count by themselves; the page of a merged one is still there."""
        found = super().get_queryset(request)
        is_list = request.resolver_match and request.resolver_match.url_name == "customers_customer_changelist"
        return found.filter(merged_into=None) if is_list else found

    def get_urls(self) -> list[URLPattern]:
        """Add the tools above the list."""
        view = self.admin_site.admin_view(self.tool_view)
        return [path("tools/<str:tool>/", view, name="customers_customer_tool"), *super().get_urls()]

    def tool_view(self, request: HttpRequest, tool: str) -> HttpResponseBase:
        """Send one tool's job for each tenant that the reader may see."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_act_permission(request):
            raise PermissionDenied
        if tool not in TOOLS:
            raise Http404
        label, _icon, send = TOOLS[tool]
        tenants = visible_tenant_ids()
        for tenant_id in selectors.active_tenant_ids():
            if tenants is None or tenant_id in tenants:
                send(tenant_id=tenant_id)
        note_bulk(request, Customer, what=_("Sent: %s") % label, count=1)
        return HttpResponseRedirect(reverse("admin:customers_customer_changelist"))

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Count the orders of each month for the whole page at once."""
        since = last_months(clock.now(), MONTHS)[0]
        counts = selectors.monthly_orders([row.pk for row in rows], since=clock.midnight(since)) if rows else {}
        for row in rows:
            row.monthly_orders = counts.get(row.pk, {})

    def summary(self, request: HttpRequest, rows: "QuerySet[Any]") -> dict[str, Any]:
        """Return the segments, what stays unlinked and why, and the tools."""
        totals, currency = selectors.segment_totals()
        chosen = request.GET.get("segment", "")
        shared = selectors.shared_emails(limit=SHARED)
        return {
            "segments": segments_panel(totals, currency=currency, chosen=chosen, model=Customer),
            "unlinked": number_format(selectors.count_unlinked(), force_grouping=True),
            "shared": [{"email": email, "count": count, "url": f"?q={email}"} for email, count in shared],
            "tools": self._tools(request),
        }

    def _tools(self, request: HttpRequest) -> list[dict[str, Any]]:
        if not self.has_act_permission(request):
            return []
        return [
            {
                "url": reverse("admin:customers_customer_tool", args=[tool]),
                "spec": ButtonSpec(label, icon, lambda _row: True),
            }
            for tool, (label, icon, _send) in TOOLS.items()
        ]

    def above(self, request: HttpRequest, row: Customer) -> dict[str, Any]:
        """Return what the page tells before the details: who it is, what to expect, and how they bought."""
        metrics = _metrics(row)
        if row.merged_into:
            return {"merged_into": _link(row.merged_into)}
        if metrics is None:
            return {}
        return {
            "segment": segment_badge(metrics.segment),
            "meaning": LOOKS[Segment(metrics.segment)].meaning if metrics.segment else "",
            "scores": [
                Fact(_("How lately"), dots(metrics.recency_score)),
                Fact(_("How often"), dots(metrics.frequency_score)),
                Fact(_("How much"), dots(metrics.money_score)),
            ],
            "expected": _expectations(metrics),
            "chart": _chart(row, metrics),
        }

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the customer with what the buttons ask of it."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            row.namesakes = _namesakes(row)
        return row

    @button(
        gettext_lazy("Merge those with this e-mail"),
        icon="merge",
        shown_for=lambda row: bool(row.namesakes),
        question=gettext_lazy("Are all customers with this e-mail one person? It can be undone on the page of each."),
    )
    def merge_namesakes(self, request: HttpRequest, row: Any) -> None:
        """Make those with the same e-mail part of this one."""
        self._merge(request, row, [other.pk for other in row.namesakes])

    @button(gettext_lazy("Undo the merge"), icon="call_split", shown_for=lambda row: row.merged_into_id is not None)
    def part(self, request: HttpRequest, row: Customer) -> None:
        """Make the customer one of its own again."""
        merge = CustomerMerge.objects.filter(merged=row, undone_at=None).first()
        if merge is None:
            messages.warning(request, _("This customer is not merged."))
            return
        services.undo_merge(tenant_id=row.tenant_id, merge_id=merge.pk, by=request.user.get_username(), now=clock.now())
        messages.success(request, _("The two are separate again."))

    @action(description=gettext_lazy("Merge the selected customers into the oldest"), permissions=["act"])
    def merge_selected(self, request: HttpRequest, chosen: "QuerySet[Any]") -> None:
        """Make the chosen customers one, who was first."""
        rows = list(chosen.order_by("id")[: MAX_MERGED + 1])
        if not 2 <= len(rows) <= MAX_MERGED or len({row.tenant_id for row in rows}) > 1:
            messages.error(request, _("Choose two to %d customers of one tenant.") % MAX_MERGED)
            return
        self._merge(request, rows[0], [row.pk for row in rows[1:]])

    def _merge(self, request: HttpRequest, kept: Customer, others: list[int]) -> None:
        try:
            for merged_id in others:
                services.merge_customers(
                    tenant_id=kept.tenant_id,
                    kept_id=kept.pk,
                    merged_id=merged_id,
                    by=request.user.get_username(),
                    now=clock.now(),
                )
        except services.UnableToMerge:
            messages.error(request, _("One of them is part of another already; look again."))
            return
        messages.success(request, _("Merged into %s; the page of each merged one takes it back.") % kept)

    @display(description=gettext_lazy("customer"))
    def customer(self, row: Customer) -> str:
        """Show who it is."""
        return two_lines(format_html("<b>{}</b>", row), row.email)

    @display(description=gettext_lazy("segment"), ordering="metrics__segment")
    def segment(self, row: Customer) -> str:
        """Show the group they belong to."""
        metrics = _metrics(row)
        return segment_badge(metrics.segment) if metrics else muted("–")

    @display(description=gettext_lazy("12 months"))
    def rhythm(self, row: Any) -> str:
        """Show when they ordered."""
        return orders_sparkline(row.monthly_orders)

    @display(description=gettext_lazy("expected in a year"), ordering=F("metrics__predicted_clv").desc(nulls_last=True))
    def expected(self, row: Customer) -> str:
        """Show what they are likely to bring, and whether they come back at all."""
        metrics = _metrics(row)
        if metrics is None or metrics.predicted_clv is None:
            return muted("–")
        value = money(metrics.predicted_clv, metrics.currency)
        if metrics.alive_chance is None:
            return two_lines(value, _("bought once"))
        return two_lines(value, _("returns with %d %%") % round(100 * metrics.alive_chance))

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

    @display(description=gettext_lazy("paid orders"))
    def paid(self, row: Customer) -> str:
        """Show how many of their orders are paid."""
        metrics = _metrics(row)
        return str(metrics.paid_count) if metrics else "–"

    @display(description=gettext_lazy("value so far, without VAT"))
    def value(self, row: Customer) -> str:
        """Show what stayed of their orders."""
        metrics = _metrics(row)
        return money(metrics.clv, metrics.currency) if metrics else muted("–")

    @display(description=gettext_lazy("came back"))
    def repeats(self, row: Customer) -> str:
        """Show on how many days they bought again, and for how much."""
        metrics = _metrics(row)
        if metrics is None or not metrics.frequency:
            return muted("–")
        return format_html("{} &times; {}", metrics.frequency, money(metrics.repeat_value, metrics.currency))

    @display(description=gettext_lazy("place"))
    def place(self, row: Customer) -> str:
        """Show where they live."""
        return ", ".join(filter(None, (row.city, row.country_code))) or "–"

    @display(description=gettext_lazy("accounts"))
    @asked_once
    def accounts(self, row: Customer) -> str:
        """Show where they are registered."""
        accounts, _merged, _orders = selectors.customer_parts(row)
        lines = (
            (" · ".join(filter(None, (str(each.channel), each.guid, each.group_name, _deleted(each)))),)
            for each in accounts
        )
        return format_html_join("", "<div>{}</div>", lines) or muted("–")

    @display(description=gettext_lazy("merges"))
    @asked_once
    def merges(self, row: Customer) -> str:
        """Show who is the same person, who said so, and what was taken back."""
        found = CustomerMerge.objects.filter(Q(kept=row) | Q(merged=row)).select_related("kept", "merged")
        headers = [_("kept"), _("merged"), _("reason"), _("when"), _("by"), _("undone")]
        return table(headers, [_merge_row(merge) for merge in found.order_by("-id")[:LISTED]])

    @display(description=gettext_lazy("newest orders"))
    @asked_once
    def orders(self, row: Customer) -> str:
        """Show what they bought, newest first."""
        _accounts, _merged, newest = selectors.customer_parts(row)
        headers = [_("order"), _("ordered"), _("status"), _("total with VAT"), _("linked by")]
        return table(headers, [_order_row(link) for link in newest])


def _metrics(row: Customer) -> CustomerMetrics | None:
    return getattr(row, "metrics", None)  # a customer whose figures were not calculated yet has none


def _namesakes(row: Customer) -> list[Customer]:
    """Return the others with the same e-mail, who count by themselves."""
    if not row.email_normalized or row.merged_into_id:
        return []
    same = Customer.objects.filter(tenant=row.tenant_id, email_normalized=row.email_normalized, merged_into=None)
    return list(same.exclude(id=row.pk).order_by("id")[:MAX_MERGED])


def _link(row: Customer) -> Any:
    return format_html(
        '<a class="bk-link" href="{}">{}</a>', reverse("admin:customers_customer_change", args=[row.pk]), row
    )


def _merge_row(merge: CustomerMerge) -> list[Any]:
    undone = moment(merge.undone_at) if merge.undone_at else muted("–")
    by = merge.merged_by or muted(_("a job"))
    return [_link(merge.kept), _link(merge.merged), merge.get_reason_display(), moment(merge.merged_at), by, undone]


def _expectations(metrics: CustomerMetrics) -> list[Fact]:
    if metrics.predicted_orders is None:
        return []
    chance = muted("–") if metrics.alive_chance is None else f"{round(100 * metrics.alive_chance)} %"
    return [
        Fact(_("Chance to return"), chance),
        Fact(_("Orders expected in a year"), number_format(metrics.predicted_orders, decimal_pos=1)),
        Fact(_("Value expected in a year, without VAT"), money(metrics.predicted_clv, metrics.currency)),
    ]


def _chart(row: Customer, metrics: CustomerMetrics) -> Any:
    """Return two years of buying, month by month; None for who did not."""
    months = last_months(clock.now(), CHART_MONTHS)
    found = selectors.monthly_revenue(row.pk, since=clock.midnight(months[0]))
    if not found:
        return None
    columns = []
    for month in months:
        count, revenue = found.get(month, (0, 0))
        text = _("%(month)s: %(orders)s orders, %(revenue)s %(currency)s")
        shown = {"month": month_name(month), "orders": count, "currency": metrics.currency}
        shown["revenue"] = number_format(revenue, decimal_pos=2, force_grouping=True)
        columns.append(Column(month_name(month), float(revenue), text % shown))
    top = number_format(max(column.value for column in columns), decimal_pos=0, force_grouping=True)
    return column_chart(columns, label=_("Revenue by month"), top=f"{top} {metrics.currency}")


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


def _deleted(account: CustomerAccount) -> str:
    return _("deleted in the shop") if account.deleted_at else ""

"""What is in stock, how long it lasts, and what is missing."""

from datetime import date, timedelta
from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter, display, register
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from modules.inventory import selectors, services
from modules.inventory.domain import LEAD_DAYS, Risk
from modules.inventory.models import VariantMetrics
from modules.kernel import clock
from modules.kernel.console import (
    Bar,
    ButtonSpec,
    Card,
    Column,
    ReadOnlyAdmin,
    badge,
    column_chart,
    long_moment,
    meter,
    moment,
    money,
    muted,
    note_bulk,
    parted_bar,
    sparkline,
    table,
    two_lines,
    visible_tenant_ids,
)

URGENT = 6  # variants named above the list
WEEKS, CHART_WEEKS = 12, 52
FULL_DAYS = 60  # a bar of days left is full here; more is enough for anybody

LOOKS = {
    Risk.OUT: ("production_quantity_limits", "darkred", gettext_lazy("sells, and there is none")),
    Risk.HIGH: ("error", "red", gettext_lazy("gone within 14 days, before new ones arrive")),
    Risk.MEDIUM: ("schedule", "amber", gettext_lazy("gone within 28 days")),
    Risk.LOW: ("check_circle", "green", gettext_lazy("lasts longer than 28 days")),
    Risk.NONE: ("bedtime", "gray", gettext_lazy("nothing sold in 90 days")),
    Risk.UNKNOWN: ("help", "gray", gettext_lazy("no source told how many there are")),
}


class DeadStockFilter(SimpleListFilter):
    title = gettext_lazy("dead stock")
    parameter_name = "dead"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return the one question."""
        return [("yes", _("in stock, not sold for half a year"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the variants that only lie there."""
        return queryset.filter(is_dead_stock=True) if self.value() == "yes" else queryset


@register(VariantMetrics)
class VariantMetricsAdmin(ReadOnlyAdmin):
    list_display = ("variant", "outlook", "in_stock", "lasts", "rhythm", "sold", "last_sale")
    list_display_links = ("variant",)
    list_filter = ("risk", DeadStockFilter, "channel")
    list_select_related = ("channel",)
    list_before_template = "inventory/outlook.html"
    change_form_template = "inventory/variant.html"
    search_fields = ("^code", "name")
    search_help_text = gettext_lazy("code or name")
    ordering: ClassVar[tuple[str, ...]] = ("-sold_90", "id")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("code", "name", "channel"),
                    ("outlook", "in_stock", "lasts"),
                    ("pace", "turnover_text", "is_dead_stock"),
                    ("sold_7", "sold_30", "sold_90", "sold_365"),
                    ("earned", "first_sale", "last_sale_in_full", "recalculated"),
                )
            },
        ),
        (gettext_lazy("Stocks"), {"fields": ("stocks",)}),
    )
    readonly_fields = (
        *("outlook", "in_stock", "lasts", "pace", "turnover_text", "earned", "first_sale", "last_sale_in_full"),
        *("recalculated", "stocks"),
    )

    def get_urls(self) -> list[URLPattern]:
        """Add the tool above the list."""
        view = self.admin_site.admin_view(self.recalculate_view)
        return [path("recalculate/", view, name="inventory_variantmetrics_recalculate"), *super().get_urls()]

    def recalculate_view(self, request: HttpRequest) -> HttpResponseBase:
        """Send the recalculation of each tenant that the reader may see."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_act_permission(request):
            raise PermissionDenied
        tenants = visible_tenant_ids()
        for tenant_id in selectors.active_tenant_ids():
            if tenants is None or tenant_id in tenants:
                services.request_recalculation(tenant_id=tenant_id)
        note_bulk(request, VariantMetrics, what=_("Sent: %s") % _("Recalculate all figures"), count=1)
        return HttpResponseRedirect(reverse("admin:inventory_variantmetrics_changelist"))

    def fill_in(self, request: HttpRequest, rows: list[Any]) -> None:
        """Count the weeks of all variants of the page at once."""
        weeks = selectors.page_weeks(rows, now=clock.now(), weeks=WEEKS) if rows else {}
        for row in rows:
            row.weeks = weeks.get(row.pk, [])

    def summary(self, request: HttpRequest, rows: "QuerySet[Any]") -> dict[str, Any]:
        """Return how many lasts how long, what is missing first, and the tool."""
        counts = selectors.risk_counts()
        place = reverse("admin:inventory_variantmetrics_changelist")
        parts = [
            _part(risk, counts[risk], place=place, chosen=request.GET.get("risk__exact"))
            for risk in Risk
            if risk in counts
        ]
        bars = [Bar(part["name"], part["value"], part["icon"], part["tone"], part["url"]) for part in parts]
        return {
            "bar": parted_bar(bars, label=_("Variants by how long they last")),
            "parts": parts,
            "urgent": [_urgent(row) for row in selectors.most_urgent(limit=URGENT)],
            "tools": self._tools(request),
        }

    def _tools(self, request: HttpRequest) -> list[dict[str, Any]]:
        if not self.has_act_permission(request):
            return []
        spec = ButtonSpec(gettext_lazy("Recalculate all figures"), "calculate", lambda _row: True)
        return [{"url": reverse("admin:inventory_variantmetrics_recalculate"), "spec": spec}]

    def above(self, request: HttpRequest, row: VariantMetrics) -> dict[str, Any]:
        """Return a year of sales, week by week."""
        weeks = selectors.weekly_sales(row, now=clock.now(), weeks=CHART_WEEKS)
        if not any(week.pieces for week in weeks):
            return {}
        columns = [
            Column(
                date_format(week.monday, "j. n."),
                float(week.pieces),
                _("week of %(day)s: %(pieces)s sold")
                % {"day": date_format(week.monday), "pieces": pieces(week.pieces)},
            )
            for week in weeks
        ]
        most = pieces(max(week.pieces for week in weeks))
        return {"chart": column_chart(columns, label=_("Pieces sold by week"), top=f"{most} {row.unit}")}

    @display(description=gettext_lazy("variant"))
    def variant(self, row: VariantMetrics) -> str:
        """Show what it is."""
        return two_lines(format_html("<b>{}</b>", row.name or row.code), f"{row.code} · {row.channel}")

    @display(description=gettext_lazy("outlook"), ordering="risk")
    def outlook(self, row: VariantMetrics) -> str:
        """Show whether it will be missing, and whether it only lies there."""
        return dead_badge() if row.is_dead_stock else risk_badge(row.risk)

    @display(description=gettext_lazy("in stock"), ordering="amount")
    def in_stock(self, row: VariantMetrics) -> str:
        """Show how many may be sold."""
        if row.amount is None:
            return muted("–")
        return format_html('<span class="bk-number">{} {}</span>', pieces(row.amount), row.unit)

    @display(description=gettext_lazy("lasts"), ordering=F("days_left").asc(nulls_last=True))
    def lasts(self, row: VariantMetrics) -> str:
        """Show for how many days."""
        return days_bar(row)

    @display(description=gettext_lazy("12 weeks"))
    def rhythm(self, row: Any) -> str:
        """Show when it was sold."""
        text = _("%s sold in 12 weeks") % pieces(sum(row.weeks))
        return sparkline([float(week) for week in row.weeks], label=text, tone=LOOKS[Risk(row.risk)][1])

    @display(description=gettext_lazy("sold in 30 / 90 days"), ordering="-sold_90")
    def sold(self, row: VariantMetrics) -> str:
        """Show how many went, and for how much."""
        went = format_html('<span class="bk-number">{} / {}</span>', pieces(row.sold_30), pieces(row.sold_90))
        return two_lines(went, money(row.revenue_90, row.channel.currency))

    @display(description=gettext_lazy("revenue in 90 days"))
    def earned(self, row: VariantMetrics) -> str:
        """Show what it brought, without VAT."""
        return money(row.revenue_90, row.channel.currency)

    @display(description=gettext_lazy("last sale"), ordering=F("last_sold_at").desc(nulls_last=True))
    def last_sale(self, row: VariantMetrics) -> str:
        """Show when it was sold last."""
        return moment(row.last_sold_at)

    @display(description=gettext_lazy("last sale"))
    def last_sale_in_full(self, row: VariantMetrics) -> str:
        """Show when it was sold last."""
        return long_moment(row.last_sold_at)

    @display(description=gettext_lazy("first sale"))
    def first_sale(self, row: VariantMetrics) -> str:
        """Show since when it sells."""
        return long_moment(row.first_sold_at)

    @display(description=gettext_lazy("recalculated"))
    def recalculated(self, row: VariantMetrics) -> str:
        """Show how fresh the figures are."""
        return long_moment(row.recalculated_at)

    @display(description=gettext_lazy("pieces a day"))
    def pace(self, row: VariantMetrics) -> str:
        """Show how fast it goes."""
        return number_format(row.velocity, decimal_pos=2)

    @display(description=gettext_lazy("turnover a year"))
    def turnover_text(self, row: VariantMetrics) -> str:
        """Show how often a year its stock is sold."""
        if row.turnover is None:
            return muted("–")
        return format_html("{} &times;", number_format(row.turnover, decimal_pos=1))

    @display(description=gettext_lazy("stocks"))
    def stocks(self, row: VariantMetrics) -> str:
        """Show where how many are."""
        headers = [_("stock"), _("place"), _("pieces"), _("reserved"), _("changed")]
        return table(
            headers,
            [
                [
                    each.stock or "–",
                    each.location or "–",
                    pieces(each.amount),
                    pieces(each.reserved),
                    moment(each.changed_at),
                ]
                for each in selectors.levels(row)
            ],
        )


def risk_badge(risk: str) -> SafeString:
    """Return a risk as icon, word and color."""
    icon, tone, meaning = LOOKS[Risk(risk)]
    return badge(VariantMetrics.RiskName(risk).label, icon=icon, tone=tone, title=str(meaning))


def dead_badge() -> SafeString:
    """Return the sign of stock that does not sell."""
    return badge(_("Dead stock"), icon="inventory_2", tone="gray", title=_("in stock, not sold for half a year"))


def days_bar(row: VariantMetrics) -> SafeString:
    """Return how long the stock lasts, as a bar that is full at two months."""
    if row.days_left is None:
        return muted("–")
    days = int(row.days_left)
    text = ngettext("%(count)s day", "%(count)s days", days) % {"count": days} if days <= 365 else _("over a year")
    return meter(days, most=FULL_DAYS, text=text, tone=LOOKS[Risk(row.risk)][1])


def pieces(amount: Any) -> str:
    """Return a number of pieces without needless zeros."""
    return number_format(amount.normalize() if amount else 0, use_l10n=True, force_grouping=True)


def _part(risk: Risk, count: int, *, place: str, chosen: str | None) -> dict[str, Any]:
    icon, tone, meaning = LOOKS[risk]
    return {
        "name": VariantMetrics.RiskName(risk).label,
        "meaning": meaning,
        "icon": icon,
        "tone": tone,
        "value": count,
        "count": number_format(count, force_grouping=True),
        "url": f"{place}?risk__exact={risk}",
        "is_chosen": chosen == risk,
    }


def _urgent(row: VariantMetrics) -> dict[str, Any]:
    """Return a variant that is or will be missing, and what a day without it costs."""
    until = clock.now().date() + timedelta(days=int(row.days_left or 0))
    return {
        "name": row.name or row.code,
        "code": row.code,
        "url": reverse("admin:inventory_variantmetrics_change", args=[row.pk]),
        "badge": risk_badge(row.risk),
        "days": days_bar(row),
        "until": _until(row, until),
        "loss": money(row.revenue_90 / 90, row.channel.currency),
        "order": pieces((row.velocity * 2 * LEAD_DAYS - max(row.amount or 0, 0)).to_integral_value("ROUND_CEILING")),
    }


def _until(row: VariantMetrics, day: date) -> str:
    return _("now") if row.risk == Risk.OUT else date_format(day)


def home(request: HttpRequest) -> dict[str, Any]:
    """Return the card of the home page that this reader may see."""
    if not request.user.has_perm("inventory.view_variantmetrics"):
        return {"cards": [], "charts": []}
    counts = selectors.risk_counts()
    out, soon = counts.get("out", 0), counts.get("high", 0)
    url = f"{reverse('admin:inventory_variantmetrics_changelist')}{'?risk__exact=out' if out else ''}"
    note = _("%d more within 14 days") % soon
    return {
        "cards": [Card(_("Sold out"), out, "production_quantity_limits", "red" if out else "green", url, note)],
        "charts": [],
    }

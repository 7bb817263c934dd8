from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from modules.accounts.models import Tenant
from modules.inventory.domain import Risk
from modules.kernel.tenancy import tenant_manager
from modules.orders.models import SalesChannel


def _pieces(label: Any, **options: Any) -> "models.DecimalField[Any, Any]":
    """A number of pieces; some are sold by weight or length."""
    return models.DecimalField(label, max_digits=14, decimal_places=3, **options)


class StockLevel(models.Model):
    """How many of a variant one stock of a channel has, as its source told last."""

    # The index of the constraint begins with the channel, and no list goes by tenant alone.
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    channel = models.ForeignKey(
        SalesChannel, models.CASCADE, related_name="+", db_index=False, verbose_name=_("sales channel")
    )
    code = models.TextField(_("product code"))
    stock = models.TextField(_("stock"), blank=True)
    amount = _pieces(_("pieces"))
    reserved = _pieces(_("reserved"), default=0)
    location = models.TextField(_("place"), blank=True)
    first_seen_at = models.DateTimeField(_("first seen"))
    changed_at = models.DateTimeField(_("changed"))

    objects: ClassVar[models.Manager["StockLevel"]] = tenant_manager()

    class Meta:
        verbose_name = _("stock level")
        verbose_name_plural = _("stock levels")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "code", "stock"], name="inventory_level_once"),
            models.CheckConstraint(condition=~Q(code=""), name="inventory_level_code"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.stock}".strip()


class VariantMetrics(models.Model):
    """What a variant sells in a channel and how long its stock lasts.

    Cancelled and deleted orders count nowhere; returned pieces take away. `amount` is what may be sold: all stocks
    of the channel less what is reserved; NULL where no source told.
    """

    class RiskName(models.TextChoices):
        OUT = "out", _("Sold out")
        HIGH = "high", _("Order today")
        MEDIUM = "medium", _("Order soon")
        LOW = "low", _("Enough")
        NONE = "none", _("Does not sell")
        UNKNOWN = "unknown", _("Stock unknown")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    channel = models.ForeignKey(
        SalesChannel, models.CASCADE, related_name="+", db_index=False, verbose_name=_("sales channel")
    )
    code = models.TextField(_("product code"))
    name = models.TextField(_("name"), blank=True)
    unit = models.TextField(_("unit"), blank=True)
    amount = _pieces(_("in stock"), null=True, blank=True)
    sold_7 = _pieces(_("sold in 7 days"), default=0)
    sold_30 = _pieces(_("sold in 30 days"), default=0)
    sold_90 = _pieces(_("sold in 90 days"), default=0)
    sold_365 = _pieces(_("sold in 365 days"), default=0)
    revenue_90 = models.DecimalField(
        _("revenue in 90 days"), max_digits=16, decimal_places=2, default=0, help_text=_("Without VAT.")
    )
    velocity = models.DecimalField(_("pieces a day"), max_digits=14, decimal_places=4, default=0)
    days_left = models.DecimalField(_("days left"), max_digits=12, decimal_places=1, null=True, blank=True)
    risk = models.CharField(_("outlook"), max_length=10, choices=RiskName)
    turnover = models.DecimalField(
        _("turnover"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("How many times a year what is in stock now is sold."),
    )
    is_dead_stock = models.BooleanField(_("dead stock"), default=False)
    first_sold_at = models.DateTimeField(_("first sale"), null=True, blank=True)
    last_sold_at = models.DateTimeField(_("last sale"), null=True, blank=True)
    recalculated_at = models.DateTimeField(_("recalculated"))

    objects: ClassVar[models.Manager["VariantMetrics"]] = tenant_manager()

    class Meta:
        verbose_name = _("variant in stock")
        verbose_name_plural = _("variants in stock")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "code"], name="inventory_variant_once"),
            models.CheckConstraint(condition=Q(risk__in=list(map(str, Risk))), name="inventory_variant_risk"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "risk", "days_left"], name="inventory_variant_risk"),
            models.Index(fields=["tenant", "-sold_90", "id"], name="inventory_variant_sold"),
        ]

    def __str__(self) -> str:
        return self.code

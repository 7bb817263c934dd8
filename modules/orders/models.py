from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from modules.accounts.models import Tenant
from modules.kernel.tenancy import tenant_manager


def _money(label: Any) -> "models.DecimalField[Any, Any]":
    """An amount to the cent; NULL where the source does not know."""
    return models.DecimalField(label, max_digits=14, decimal_places=2, null=True, blank=True)


class SalesChannel(models.Model):  # type: ignore[django-manager-missing] # its class is made at run time
    """What orders come through; a shop of a row above has one each, because an order cannot point up."""

    class Kind(models.TextChoices):
        SHOPTET = "shoptet", _("Shoptet")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    name = models.CharField(_("name"), max_length=200)
    currency = models.CharField(_("default currency"), max_length=3, blank=True)

    objects: ClassVar[models.Manager["SalesChannel"]] = tenant_manager()

    class Meta:
        verbose_name = _("sales channel")
        verbose_name_plural = _("sales channels")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "kind", "name"], name="orders_channel_once"),
            models.CheckConstraint(condition=Q(kind__in=["shoptet"]), name="orders_channel_kind"),
        ]

    def __str__(self) -> str:
        return self.name


class OrderStatus(models.Model):
    """A status that a channel's orders may have; names are the shop owner's own."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    channel = models.ForeignKey(SalesChannel, models.CASCADE, related_name="statuses", verbose_name=_("channel"))
    status_id = models.BigIntegerField(_("number in the shop"))
    name = models.TextField(_("name"))
    position = models.IntegerField(_("position"), default=0)
    marks_paid = models.BooleanField(_("marks as paid"), default=False)

    objects: ClassVar[models.Manager["OrderStatus"]] = tenant_manager()

    class Meta:
        verbose_name = _("order status")
        verbose_name_plural = _("order statuses")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "status_id"], name="orders_status_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Order(models.Model):  # type: ignore[django-manager-missing] # its class is made at run time
    """The newest known state of an order; one that its source deleted stays as a tombstone (`deleted_at`)."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    channel = models.ForeignKey(
        SalesChannel, models.CASCADE, related_name="orders", db_index=False, verbose_name=_("channel")
    )
    code = models.TextField(_("code"))
    guid = models.TextField(_("GUID in the shop"), blank=True)
    created_at = models.DateTimeField(_("ordered"), null=True, blank=True)
    changed_at = models.DateTimeField(_("changed in the shop"), null=True, blank=True)
    fetched_at = models.DateTimeField(_("fetched"))
    deleted_at = models.DateTimeField(_("deleted in the shop"), null=True, blank=True)

    email = models.TextField(_("e-mail"), blank=True)
    email_normalized = models.TextField(_("e-mail for matching"), blank=True)
    phone = models.TextField(_("phone"), blank=True)
    customer_guid = models.TextField(_("customer GUID in the shop"), blank=True)
    full_name = models.TextField(_("name"), blank=True)

    status_id = models.BigIntegerField(_("status number"), null=True, blank=True)
    status_name = models.TextField(_("status"), blank=True)
    is_cancelled = models.BooleanField(_("cancelled"), default=False)
    is_paid = models.BooleanField(_("paid"), null=True, blank=True)
    is_cash_desk = models.BooleanField(_("cash desk"), default=False)

    currency = models.CharField(_("currency"), max_length=3, blank=True)
    total_with_vat = _money(_("total with VAT"))
    total_without_vat = _money(_("total without VAT"))
    vat = _money(_("VAT"))
    to_pay = _money(_("to pay"))
    exchange_rate = models.DecimalField(_("exchange rate"), max_digits=18, decimal_places=8, null=True, blank=True)
    total_default = _money(_("total in the shop's default currency"))

    source_name = models.TextField(_("source"), blank=True)
    shipping_name = models.TextField(_("shipping"), blank=True)
    payment_name = models.TextField(_("payment"), blank=True)
    language = models.TextField(_("language"), blank=True)
    billing_address = models.JSONField(_("billing address"), null=True, blank=True)
    delivery_address = models.JSONField(_("delivery address"), null=True, blank=True)
    raw = models.JSONField(_("as received"), default=dict)

    objects: ClassVar[models.Manager["Order"]] = tenant_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "code"], name="orders_order_once"),
            models.CheckConstraint(condition=~Q(code=""), name="orders_order_code"),
            models.CheckConstraint(condition=Q(exchange_rate__gte=0), name="orders_order_rate"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-created_at"], name="orders_order_recent"),
            models.Index(
                fields=["tenant", "email_normalized"], condition=~Q(email_normalized=""), name="orders_order_email"
            ),
        ]

    def __str__(self) -> str:
        return self.code


class OrderItem(models.Model):
    """A line of an order, keyed by its place: a shop may sell one code on two lines of one order."""

    # No index of its own: lines are reached through their order.
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    order = models.ForeignKey(Order, models.CASCADE, related_name="items", db_index=False, verbose_name=_("order"))
    line_number = models.PositiveIntegerField(_("line"))
    item_id = models.BigIntegerField(_("line number in the shop"), null=True, blank=True)
    item_type = models.TextField(_("type"), blank=True)
    product_guid = models.TextField(_("product GUID in the shop"), blank=True)
    code = models.TextField(_("product code"), blank=True)
    ean = models.TextField(_("EAN"), blank=True)
    name = models.TextField(_("name"), blank=True)
    variant_name = models.TextField(_("variant"), blank=True)
    amount = models.DecimalField(_("amount"), max_digits=12, decimal_places=3, null=True, blank=True)
    unit = models.TextField(_("unit"), blank=True)
    total_with_vat = _money(_("line total with VAT"))
    total_without_vat = _money(_("line total without VAT"))
    vat = _money(_("VAT"))
    vat_rate = models.DecimalField(_("VAT rate"), max_digits=5, decimal_places=2, null=True, blank=True)
    unit_price_with_vat = _money(_("unit price with VAT"))
    unit_price_without_vat = _money(_("unit price without VAT"))
    purchase_price_without_vat = _money(_("purchase price without VAT"))

    objects: ClassVar[models.Manager["OrderItem"]] = tenant_manager()

    class Meta:
        verbose_name = _("order line")
        verbose_name_plural = _("order lines")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["order", "line_number"], name="orders_item_once"),
            models.CheckConstraint(condition=Q(line_number__gte=1), name="orders_item_line"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "code"], condition=~Q(code=""), name="orders_item_code"),
        ]

    def __str__(self) -> str:
        return f"{self.line_number}. {self.name}"

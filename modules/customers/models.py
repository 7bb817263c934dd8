from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from modules.accounts.models import Tenant
from modules.kernel.tenancy import tenant_manager
from modules.orders.models import Order, SalesChannel


class Customer(models.Model):  # type: ignore[django-manager-missing] # its class is made at run time
    """Somebody who buys, across all of a tenant's shops.

    The e-mail is not unique: two accounts of a shop may share one, and then it identifies neither.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    email = models.TextField(_("e-mail"), blank=True)
    email_normalized = models.TextField(_("e-mail for matching"), blank=True)
    full_name = models.TextField(_("name"), blank=True)
    phone = models.TextField(_("phone"), blank=True)
    created_at = models.DateTimeField(_("added"), auto_now_add=True)

    objects: ClassVar[models.Manager["Customer"]] = tenant_manager()

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        indexes: ClassVar = [models.Index(fields=["tenant", "email_normalized"], name="customers_customer_email")]

    def __str__(self) -> str:
        return self.full_name or self.email or f"#{self.pk}"


class CustomerAccount(models.Model):
    """A customer's registration in one shop, by the shop's own GUID."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="accounts", verbose_name=_("customer"))
    channel = models.ForeignKey(
        SalesChannel, models.CASCADE, related_name="+", db_index=False, verbose_name=_("sales channel")
    )
    guid = models.TextField(_("GUID in the shop"))

    objects: ClassVar[models.Manager["CustomerAccount"]] = tenant_manager()

    class Meta:
        verbose_name = _("customer account")
        verbose_name_plural = _("customer accounts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "guid"], name="customers_account_once"),
            models.CheckConstraint(condition=~Q(guid=""), name="customers_account_guid"),
        ]

    def __str__(self) -> str:
        return self.guid


class CustomerOrder(models.Model):
    """Whose an order is. The link lives here: an order is a fact that arrives before anyone knows whose."""

    class LinkedBy(models.TextChoices):
        GUID = "guid", _("Account in the shop")
        EMAIL = "email", _("E-mail")
        CREATED = "created", _("Customer made from this order")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    order = models.OneToOneField(Order, models.CASCADE, related_name="customer_link", verbose_name=_("order"))
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="order_links", verbose_name=_("customer"))
    linked_by = models.CharField(_("linked by"), max_length=10, choices=LinkedBy)

    objects: ClassVar[models.Manager["CustomerOrder"]] = tenant_manager()

    class Meta:
        verbose_name = _("customer's order")
        verbose_name_plural = _("customers' orders")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(linked_by__in=["guid", "email", "created"]), name="customers_link_by"),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} → {self.customer_id}"


class CustomerMetrics(models.Model):
    """A customer's orders in figures. Deleted orders count nowhere, cancelled ones only in `cancelled_count`.

    Money is in `currency`, the shops' default one; NULL for a customer of shops with different ones,
    because a sum of crowns and euros is a sum of nothing.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    customer = models.OneToOneField(Customer, models.CASCADE, related_name="metrics", verbose_name=_("customer"))
    order_count = models.PositiveIntegerField(_("orders"), default=0)
    cancelled_count = models.PositiveIntegerField(_("cancelled orders"), default=0)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    revenue = models.DecimalField(_("revenue"), max_digits=16, decimal_places=2, null=True, blank=True)
    aov = models.DecimalField(_("average order value"), max_digits=16, decimal_places=2, null=True, blank=True)
    first_order_at = models.DateTimeField(_("first order"), null=True, blank=True)
    last_order_at = models.DateTimeField(_("last order"), null=True, blank=True)
    recalculated_at = models.DateTimeField(_("recalculated"))

    objects: ClassVar[models.Manager["CustomerMetrics"]] = tenant_manager()

    class Meta:
        verbose_name = _("customer metrics")
        verbose_name_plural = _("customer metrics")

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.order_count}"

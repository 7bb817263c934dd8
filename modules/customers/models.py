from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
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
    company = models.TextField(_("company"), blank=True, db_default="")
    city = models.TextField(_("city"), blank=True, db_default="")
    country_code = models.TextField(_("country"), blank=True, db_default="")
    language = models.TextField(_("language"), blank=True, db_default="")
    merged_into = models.ForeignKey(
        "self",
        models.RESTRICT,
        null=True,
        blank=True,
        related_name="merged_customers",
        db_index=False,
        verbose_name=_("merged into"),
    )
    """Always one that is not merged itself; accounts and links stay here, so that a merge can be undone."""
    created_at = models.DateTimeField(_("added"), auto_now_add=True)

    objects: ClassVar[models.Manager["Customer"]] = tenant_manager()

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        constraints: ClassVar = [
            models.CheckConstraint(condition=~Q(merged_into=models.F("id")), name="customers_customer_not_into_self"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "email_normalized"], name="customers_customer_email"),
            models.Index(fields=["merged_into"], condition=Q(merged_into__isnull=False), name="customers_merged"),
        ]

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
    emails = ArrayField(models.TextField(), default=list, db_default=[], verbose_name=_("e-mails for matching"))
    """Those that the shop knows of the account, normalized; what it ordered with is read from the orders."""
    group_name = models.TextField(_("group in the shop"), blank=True, db_default="")
    changed_at = models.DateTimeField(_("changed in the shop"), null=True, blank=True)
    deleted_at = models.DateTimeField(_("deleted in the shop"), null=True, blank=True)
    """Kept all the same while orders are told by its GUID."""

    objects: ClassVar[models.Manager["CustomerAccount"]] = tenant_manager()

    class Meta:
        verbose_name = _("customer account")
        verbose_name_plural = _("customer accounts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "guid"], name="customers_account_once"),
            models.CheckConstraint(condition=~Q(guid=""), name="customers_account_guid"),
        ]
        indexes: ClassVar = [GinIndex(fields=["emails"], name="customers_account_emails")]

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


class CustomerMerge(models.Model):
    """That two customers are one person: who found so, when, and whether it was taken back."""

    class Reason(models.TextChoices):
        CLAIMED = "claimed", _("An account ordered with the guest's e-mail")
        OPERATOR = "operator", _("By hand")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    kept = models.ForeignKey(Customer, models.CASCADE, related_name="merges", verbose_name=_("kept"))
    merged = models.ForeignKey(
        Customer, models.CASCADE, related_name="merges_away", db_index=False, verbose_name=_("merged")
    )
    reason = models.CharField(_("reason"), max_length=10, choices=Reason)
    merged_by = models.TextField(_("merged by"), blank=True, help_text=_("Empty for a job."))
    merged_at = models.DateTimeField(_("merged at"))
    undone_by = models.TextField(_("undone by"), blank=True)
    undone_at = models.DateTimeField(_("undone at"), null=True, blank=True)

    objects: ClassVar[models.Manager["CustomerMerge"]] = tenant_manager()

    class Meta:
        verbose_name = _("merge of customers")
        verbose_name_plural = _("merges of customers")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["merged"], condition=Q(undone_at=None), name="customers_merge_once"),
            models.CheckConstraint(condition=~Q(kept=models.F("merged")), name="customers_merge_two"),
            models.CheckConstraint(condition=Q(reason__in=["claimed", "operator"]), name="customers_merge_reason"),
        ]
        indexes: ClassVar = [models.Index(fields=["merged"], name="customers_merge_merged")]

    def __str__(self) -> str:
        return f"{self.merged_id} → {self.kept_id}"


class CustomerMetrics(models.Model):
    """A customer's orders in figures. Deleted orders count nowhere, cancelled ones only in `cancelled_count`.

    Money is in `currency`, the shops' default one; NULL for a customer of shops with different ones,
    because a sum of crowns and euros is a sum of nothing. Orders below zero are refunds: they count in
    `order_count`, `revenue`, `aov` and `clv`, but are no purchase that a customer came back for.
    """

    class SegmentName(models.TextChoices):
        CHAMPIONS = "champions", _("Champions")
        LOYAL = "loyal", _("Loyal")
        PROMISING = "promising", _("Promising")
        NEW = "new", _("New")
        COOLING = "cooling", _("Cooling down")
        AT_RISK = "at_risk", _("At risk")
        CANT_LOSE = "cant_lose", _("Not to be lost")
        SLEEPING = "sleeping", _("Sleeping")
        LOST = "lost", _("Lost")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    customer = models.OneToOneField(Customer, models.CASCADE, related_name="metrics", verbose_name=_("customer"))
    order_count = models.PositiveIntegerField(_("orders"), default=0)
    paid_count = models.PositiveIntegerField(_("paid orders"), default=0, db_default=0)
    cancelled_count = models.PositiveIntegerField(_("cancelled orders"), default=0)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    revenue = models.DecimalField(_("revenue"), max_digits=16, decimal_places=2, null=True, blank=True)
    aov = models.DecimalField(_("average order value"), max_digits=16, decimal_places=2, null=True, blank=True)
    first_order_at = models.DateTimeField(_("first order"), null=True, blank=True)
    last_order_at = models.DateTimeField(_("last order"), null=True, blank=True)

    clv = models.DecimalField(
        _("value so far"), max_digits=16, decimal_places=2, null=True, blank=True, help_text=_("Without VAT.")
    )
    frequency = models.PositiveIntegerField(
        _("repeat purchases"), default=0, db_default=0, help_text=_("Days with a purchase after the first such day.")
    )
    repeat_value = models.DecimalField(
        _("value of a repeat purchase"), max_digits=16, decimal_places=2, null=True, blank=True
    )
    recency_score = models.PositiveSmallIntegerField(_("recency"), null=True, blank=True)
    frequency_score = models.PositiveSmallIntegerField(_("frequency"), null=True, blank=True)
    money_score = models.PositiveSmallIntegerField(_("money"), null=True, blank=True)
    segment = models.CharField(_("segment"), max_length=10, blank=True, choices=SegmentName, db_default="")
    stale_at = models.DateTimeField(_("next look"), null=True, blank=True)
    """When the customer will have been away so long that the recency score falls; NULL for never again."""

    predicted_orders = models.DecimalField(
        _("orders expected in a year"), max_digits=8, decimal_places=2, null=True, blank=True
    )
    predicted_clv = models.DecimalField(
        _("value expected in a year"), max_digits=16, decimal_places=2, null=True, blank=True
    )
    alive_chance = models.DecimalField(_("chance to return"), max_digits=5, decimal_places=4, null=True, blank=True)
    is_predicted = models.BooleanField(_("predicted"), default=False, db_default=False)
    recalculated_at = models.DateTimeField(_("recalculated"))

    objects: ClassVar[models.Manager["CustomerMetrics"]] = tenant_manager()

    class Meta:
        verbose_name = _("customer metrics")
        verbose_name_plural = _("customer metrics")
        indexes: ClassVar = [
            models.Index(fields=["tenant", "segment"], name="customers_metrics_segment"),
            models.Index(fields=["tenant", "stale_at"], name="customers_metrics_stale"),
            models.Index(fields=["tenant", "id"], condition=Q(is_predicted=False), name="customers_metrics_to_predict"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}: {self.order_count}"


class Yardstick(models.Model):
    """What a tenant's customers are measured by, taken from all of them at once: one row per currency."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    recency_days = ArrayField(models.IntegerField(), size=4, verbose_name=_("days since the last order, quintiles"))
    money = ArrayField(
        models.DecimalField(max_digits=16, decimal_places=2), size=4, null=True, verbose_name=_("revenue, quintiles")
    )
    parameters = models.JSONField(_("models"), default=dict)
    """{"purchases": {r, alpha, a, b}, "values": {p, q, gamma}}; without the ones that too few customers allow."""
    measured_at = models.DateTimeField(_("measured"))

    objects: ClassVar[models.Manager["Yardstick"]] = tenant_manager()

    class Meta:
        verbose_name = _("yardstick")
        verbose_name_plural = _("yardsticks")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "currency"], name="customers_yardstick_once"),
        ]

    def __str__(self) -> str:
        return self.currency or "–"

import uuid
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from modules.accounts.models import Tenant
from modules.catalog.models import Storefront
from modules.kernel.tenancy import tenant_manager
from modules.orders.models import SalesChannel


class Addon(models.Model):
    """An add-on at Shoptet that a tenant offers: a shop that installs it becomes one of the tenant's shops."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    name = models.CharField(_("name"), max_length=200)
    client_id = models.CharField(_("client id"), max_length=200)
    client_secret_encrypted = models.TextField(_("client secret, encrypted"), blank=True)
    oauth_server = models.URLField(_("OAuth server"))
    base_url = models.URLField(_("API address"), default="https://api.myshoptet.com")
    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("added"), auto_now_add=True)

    objects: ClassVar[models.Manager["Addon"]] = tenant_manager()

    class Meta:
        verbose_name = _("add-on")
        verbose_name_plural = _("add-ons")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "name"], name="shoptet_addon_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Shop(models.Model):  # type: ignore[django-manager-missing] # its class is made at run time
    """An e-shop on Shoptet, with its private token, or with an add-on's permanent one (`oauth_url`)."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    channel = models.OneToOneField(
        SalesChannel, models.PROTECT, related_name="shoptet_shop", verbose_name=_("sales channel")
    )
    storefront = models.OneToOneField(
        Storefront,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="shoptet_shop",
        verbose_name=_("storefront"),
    )
    name = models.CharField(_("name"), max_length=200)
    base_url = models.URLField(_("API address"), default="https://api.myshoptet.com")
    token_encrypted = models.TextField(_("API token, encrypted"), blank=True)
    oauth_url = models.URLField(_("address of add-on tokens"), blank=True, default="", db_default="")
    addon = models.ForeignKey(Addon, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("add-on"))
    addon_ended_at = models.DateTimeField(_("add-on ended"), null=True, blank=True)
    """When the add-on was suspended or taken away, which switched the shop off; NULL while it is there."""
    eshop_id = models.BigIntegerField(_("number at Shoptet"), null=True, blank=True)
    timezone = models.CharField(_("time zone"), max_length=64, blank=True)
    described_at = models.DateTimeField(_("settings read"), null=True, blank=True)
    is_master = models.BooleanField(_("master shop"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    last_error = models.TextField(_("last error"), blank=True)
    errors = models.JSONField(_("errors by what was read"), default=dict, db_default={}, blank=True)
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True)
    created_at = models.DateTimeField(_("added"), auto_now_add=True)
    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, db_default=RandomUUID(), unique=True)
    webhook_key_encrypted = models.TextField(_("webhook key, encrypted"), blank=True, default="", db_default="")
    former_webhook_key_encrypted = models.TextField(
        _("former webhook key, encrypted"), blank=True, default="", db_default=""
    )
    former_webhook_key_until = models.DateTimeField(_("former webhook key valid until"), null=True, blank=True)

    objects: ClassVar[models.Manager["Shop"]] = tenant_manager()

    class Meta:
        verbose_name = _("shop")
        verbose_name_plural = _("shops")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "name"], name="shoptet_shop_once"),
        ]

    def __str__(self) -> str:
        return self.name


class AddonToken(models.Model):
    """The access token of an add-on in a shop that all processes share, and when the last ones were fetched."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    shop = models.OneToOneField(Shop, models.CASCADE, related_name="addon_token", verbose_name=_("shop"))
    token_encrypted = models.TextField(_("access token, encrypted"), blank=True)
    ends_at = models.DateTimeField(_("ends"), null=True, blank=True)
    fetched = ArrayField(models.DateTimeField(), verbose_name=_("times of fetching"), default=list, blank=True)

    objects: ClassVar[models.Manager["AddonToken"]] = tenant_manager()

    class Meta:
        verbose_name = _("access token of an add-on")
        verbose_name_plural = _("access tokens of add-ons")

    def __str__(self) -> str:
        return str(self.shop)


class SyncCursor(models.Model):
    """How far a shop's changes of one kind are read, and who may move it.

    `fence` rises with every holder; what is written under an older one is refused.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    shop = models.ForeignKey(Shop, models.CASCADE, related_name="cursors", db_index=False, verbose_name=_("shop"))
    name = models.CharField(_("name"), max_length=50)
    position_at = models.DateTimeField(_("read up to"), null=True, blank=True)
    position_id = models.BigIntegerField(_("last number read"), null=True, blank=True)
    fence = models.BigIntegerField(_("fence"), default=0)
    holder = models.CharField(_("held by"), max_length=100, blank=True)
    held_until = models.DateTimeField(_("held until"), null=True, blank=True)

    objects: ClassVar[models.Manager["SyncCursor"]] = tenant_manager()

    class Meta:
        verbose_name = _("cursor")
        verbose_name_plural = _("cursors")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["shop", "name"], name="shoptet_cursor_once"),
        ]

    def __str__(self) -> str:
        return f"{self.shop} · {self.name}"


class SnapshotExecution(models.Model):
    """A line of the pipeline log: one reading of a shop, from asking to stored."""

    class Kind(models.TextChoices):
        ORDERS_INCREMENTAL = "orders-incremental", _("New and changed orders")
        ORDERS_SNAPSHOT = "orders-snapshot", _("All orders")
        PRODUCTS_INCREMENTAL = "products-incremental", _("New and changed products")
        PRODUCTS_SNAPSHOT = "products-snapshot", _("All products")
        ORDERS_RECONCILIATION = "orders-reconciliation", _("Orders compared with the shop's")
        PRODUCTS_RECONCILIATION = "products-reconciliation", _("Products compared with the shop's")
        ORDERS_STATUSES = "orders-statuses", _("Statuses of orders")
        CUSTOMERS_INCREMENTAL = "customers-incremental", _("New and changed customers")
        CUSTOMERS_SNAPSHOT = "customers-snapshot", _("All customers")
        STOCKS = "stocks", _("Stock")

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule", _("Schedule")
        MANUAL = "manual", _("By hand")
        WEBHOOK = "webhook", _("Webhook")

    class Status(models.TextChoices):
        QUEUED = "queued", _("Queued")
        REQUESTED = "requested", _("Requested")
        DOWNLOADING = "downloading", _("Downloading")
        PROCESSING = "processing", _("Processing")
        WAITING = "waiting", _("Waiting for the shop")
        COMPLETED = "completed", _("Completed")
        ERROR = "error", _("Error")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    shop = models.ForeignKey(Shop, models.CASCADE, related_name="executions", db_index=False, verbose_name=_("shop"))
    kind = models.CharField(_("kind"), max_length=30, choices=Kind)
    trigger = models.CharField(_("started by"), max_length=10, choices=Trigger)
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.QUEUED)
    job_id = models.UUIDField(_("job"), null=True, blank=True)
    window_from = models.DateTimeField(_("changes from"), null=True, blank=True)
    window_to = models.DateTimeField(_("changes to"), null=True, blank=True)
    listed = models.PositiveIntegerField(_("listed"), default=0)
    fetched = models.PositiveIntegerField(_("fetched"), default=0)
    created = models.PositiveIntegerField(_("created"), default=0)
    updated = models.PositiveIntegerField(_("updated"), default=0)
    unchanged = models.PositiveIntegerField(_("unchanged"), default=0)
    deleted = models.PositiveIntegerField(_("deleted"), default=0)
    parked = models.PositiveIntegerField(_("set aside"), default=0)
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    warning = models.TextField(_("warning"), blank=True)
    error = models.TextField(_("error"), blank=True)
    position = models.TextField(_("compared up to"), blank=True, default="", db_default="")  # of products alone: a GUID

    # Of snapshots alone: the shop's own job, how often it was looked at and asked for, the file, how far it is read.
    remote_job_id = models.TextField(_("job in the shop"), blank=True, default="", db_default="")
    polls = models.PositiveSmallIntegerField(_("looks at the shop's job"), default=0, db_default=0)
    next_poll_at = models.DateTimeField(_("next look"), null=True, blank=True)
    requests = models.PositiveSmallIntegerField(_("times asked for"), default=0, db_default=0)
    file_name = models.TextField(_("file"), blank=True, default="", db_default="")
    file_bytes = models.BigIntegerField(_("bytes"), null=True, blank=True)
    sha256 = models.CharField(_("SHA-256"), max_length=64, blank=True, default="", db_default="")
    lines_total = models.PositiveIntegerField(_("lines"), null=True, blank=True)
    lines_done = models.PositiveIntegerField(_("lines done"), default=0, db_default=0)
    failed_in = models.CharField(_("failed while"), max_length=12, blank=True, default="", db_default="")

    objects: ClassVar[models.Manager["SnapshotExecution"]] = tenant_manager()

    class Meta:
        verbose_name = _("pipeline log entry")
        verbose_name_plural = _("pipeline log")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(
                    status__in=["queued", "requested", "downloading", "processing", "waiting", "completed", "error"]
                ),
                name="shoptet_execution_status",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["completed", "error"], finished_at__isnull=False)
                | (~Q(status__in=["completed", "error"]) & Q(finished_at__isnull=True)),
                name="shoptet_execution_finished",
            ),
            # A reading that was interrupted is gone on with; there is no second one beside it.
            models.UniqueConstraint(
                fields=["shop", "kind"], condition=Q(finished_at=None), name="shoptet_execution_open_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["shop", "-started_at"], name="shoptet_execution_recent"),
            models.Index(
                fields=["status", "next_poll_at"], condition=Q(finished_at=None), name="shoptet_execution_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.shop} · {self.get_kind_display()} · {self.get_status_display()}"


class ParkedRecord(models.Model):
    """A record that could not be read, kept as received; tried again by each later run until it can."""

    class Kind(models.TextChoices):
        ORDER = "order", _("Order")
        PRODUCT = "product", _("Product")
        CUSTOMER = "customer", _("Customer")
        STOCK = "stock", _("Stock")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    shop = models.ForeignKey(
        Shop, models.CASCADE, related_name="parked_records", db_index=False, verbose_name=_("shop")
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    code = models.TextField(_("code"), blank=True)
    raw = models.TextField(_("as received"))
    reason = models.TextField(_("why it could not be read"))
    attempts = models.PositiveIntegerField(_("attempts"), default=1)
    parked_at = models.DateTimeField(_("set aside"))
    attempted_at = models.DateTimeField(_("last tried"))
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)

    objects: ClassVar[models.Manager["ParkedRecord"]] = tenant_manager()

    class Meta:
        verbose_name = _("record set aside")
        verbose_name_plural = _("records set aside")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["shop", "kind", "code"], condition=Q(resolved_at=None), name="shoptet_parked_once"
            ),
            models.CheckConstraint(condition=Q(attempts__gte=1), name="shoptet_parked_attempts"),
        ]

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"


class WebhookEvent(models.Model):
    """An event that a shop told of, as received; told again, it is the same row.

    One that was given up is handled, too, and `reason` says what the shop refused of it.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    shop = models.ForeignKey(Shop, models.CASCADE, related_name="webhooks", db_index=False, verbose_name=_("shop"))
    event = models.TextField(_("event"))
    instance = models.TextField(_("about"))
    event_created = models.TextField(_("time told"))
    digest = models.CharField(_("digest"), max_length=64)
    body = models.TextField(_("as received"))
    deliveries = models.PositiveIntegerField(_("deliveries"), default=1)
    received_at = models.DateTimeField(_("received"))
    handled_at = models.DateTimeField(_("handled"), null=True, blank=True)
    failures = models.PositiveSmallIntegerField(_("failed attempts"), default=0, db_default=0)
    next_try_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    reason = models.TextField(_("what the shop refused"), blank=True, default="", db_default="")

    objects: ClassVar[models.Manager["WebhookEvent"]] = tenant_manager()

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        constraints: ClassVar = [
            # Of event, instance and time together: an instance may be a list that no index can hold.
            models.UniqueConstraint(fields=["shop", "digest"], name="shoptet_webhook_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["shop", "id"], condition=Q(handled_at=None), name="shoptet_webhook_waiting"),
            models.Index(fields=["shop", "id"], condition=~Q(reason=""), name="shoptet_webhook_refused"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.instance}"

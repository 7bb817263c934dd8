from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from modules.accounts.models import Tenant
from modules.kernel.tenancy import tenant_manager


def _tenant() -> "models.ForeignKey[Any, Any]":
    """Whose row it is; every lookup comes through another index, so it needs none of its own."""
    return models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))


def _price(label: Any) -> "models.DecimalField[Any, Any]":
    """An amount to the cent; NULL where nobody said."""
    return models.DecimalField(label, max_digits=14, decimal_places=2, null=True, blank=True)


class Storefront(models.Model):  # type: ignore[django-manager-missing] # its class is made at run time
    """Where products are sold; a shop of a row above has one each. A target names the `master` it is filled from."""

    class Kind(models.TextChoices):
        SHOPTET = "shoptet", _("Shoptet")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    name = models.CharField(_("name"), max_length=200)
    currency = models.CharField(_("default currency"), max_length=3, blank=True)
    master = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="targets", verbose_name=_("filled from")
    )

    objects: ClassVar[models.Manager["Storefront"]] = tenant_manager()

    class Meta:
        verbose_name = _("storefront")
        verbose_name_plural = _("storefronts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "kind", "name"], name="catalog_storefront_once"),
            models.CheckConstraint(condition=Q(kind__in=["shoptet"]), name="catalog_storefront_kind"),
            models.CheckConstraint(condition=~Q(master=F("id")), name="catalog_storefront_not_own_master"),
        ]

    def __str__(self) -> str:
        return self.name


class Category(models.Model):  # type: ignore[django-manager-missing] # its class is made at run time
    """A category of a storefront. The tree is by GUID: a source may tell of a child before its parent."""

    tenant = _tenant()
    storefront = models.ForeignKey(
        Storefront, models.CASCADE, related_name="categories", db_index=False, verbose_name=_("storefront")
    )
    guid = models.TextField(_("GUID in the shop"))
    parent_guid = models.TextField(_("GUID of the parent"), blank=True)
    name = models.TextField(_("name"), blank=True)
    position = models.IntegerField(_("position"), default=0)
    is_visible = models.BooleanField(_("visible"), default=True)

    objects: ClassVar[models.Manager["Category"]] = tenant_manager()

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["storefront", "guid"], name="catalog_category_once"),
            models.CheckConstraint(condition=~Q(guid=""), name="catalog_category_guid"),
        ]

    def __str__(self) -> str:
        return self.name


class Product(models.Model):  # type: ignore[django-manager-missing] # its class is made at run time
    """The newest known state of a product; one that its source deleted stays as a tombstone (`deleted_at`)."""

    tenant = _tenant()
    storefront = models.ForeignKey(
        Storefront, models.CASCADE, related_name="products", db_index=False, verbose_name=_("storefront")
    )
    guid = models.TextField(_("GUID in the shop"))
    product_type = models.TextField(_("type"), blank=True)
    name = models.TextField(_("name"), blank=True)
    brand_name = models.TextField(_("brand"), blank=True)
    supplier_name = models.TextField(_("supplier"), blank=True)
    visibility = models.TextField(_("visibility"), blank=True)
    created_at = models.DateTimeField(_("created"), null=True, blank=True)
    changed_at = models.DateTimeField(_("changed in the shop"), null=True, blank=True)
    fetched_at = models.DateTimeField(_("fetched"))
    deleted_at = models.DateTimeField(_("deleted in the shop"), null=True, blank=True)
    short_description = models.TextField(_("short description"), blank=True)
    description = models.TextField(_("description"), blank=True)
    url = models.TextField(_("address"), blank=True)
    default_category_guid = models.TextField(_("GUID of the main category"), blank=True)
    category_guids = models.JSONField(_("GUIDs of the categories"), default=list, blank=True)
    raw = models.JSONField(_("as received"), default=dict)

    objects: ClassVar[models.Manager["Product"]] = tenant_manager()

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["storefront", "guid"], name="catalog_product_once"),
            models.CheckConstraint(condition=~Q(guid=""), name="catalog_product_guid"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-changed_at"], name="catalog_product_recent"),
            models.Index(fields=["tenant", "id"], name="catalog_product_listed"),
        ]

    def __str__(self) -> str:
        return self.name or self.guid


class Variant(models.Model):
    """What is sold under one code. A product without variants has one."""

    tenant = _tenant()
    product = models.ForeignKey(
        Product, models.CASCADE, related_name="variants", db_index=False, verbose_name=_("product")
    )
    code = models.TextField(_("code"))
    position = models.PositiveIntegerField(_("position"))
    ean = models.TextField(_("EAN"), blank=True)
    name = models.TextField(_("name"), blank=True)
    unit = models.TextField(_("unit"), blank=True)
    price = _price(_("price"))
    common_price = _price(_("common price"))
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    includes_vat = models.BooleanField(_("price includes VAT"), default=True)
    vat_rate = models.DecimalField(_("VAT rate"), max_digits=5, decimal_places=2, null=True, blank=True)
    is_visible = models.BooleanField(_("visible"), default=True)
    weight = models.DecimalField(_("weight"), max_digits=12, decimal_places=3, null=True, blank=True)
    manufacturer_code = models.TextField(_("manufacturer's code"), blank=True)

    objects: ClassVar[models.Manager["Variant"]] = tenant_manager()

    class Meta:
        verbose_name = _("variant")
        verbose_name_plural = _("variants")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["product", "code"], name="catalog_variant_once"),
            models.CheckConstraint(condition=~Q(code=""), name="catalog_variant_code"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "code"], name="catalog_variant_by_code"),
            models.Index(fields=["tenant", "ean"], condition=~Q(ean=""), name="catalog_variant_by_ean"),
        ]

    def __str__(self) -> str:
        return self.code


class ProductOverlay(models.Model):
    """How a master's product is shown by a target; what is empty is as in the master."""

    tenant = _tenant()
    product = models.ForeignKey(
        Product, models.CASCADE, related_name="overlays", db_index=False, verbose_name=_("product")
    )
    storefront = models.ForeignKey(Storefront, models.CASCADE, related_name="+", verbose_name=_("storefront"))
    name = models.TextField(_("name"), blank=True)
    price = _price(_("price"))
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    is_visible = models.BooleanField(_("visible"), null=True, blank=True)
    category_guids = models.JSONField(_("GUIDs of the categories"), null=True, blank=True)

    objects: ClassVar[models.Manager["ProductOverlay"]] = tenant_manager()

    class Meta:
        verbose_name = _("overlay")
        verbose_name_plural = _("overlays")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["product", "storefront"], name="catalog_overlay_once"),
        ]

    def __str__(self) -> str:
        return self.name


class CategoryMapping(models.Model):
    """Which category of a target stands for a master's `source`; no `target` means that nobody has said yet."""

    tenant = _tenant()
    source = models.ForeignKey(
        Category, models.CASCADE, related_name="mappings", db_index=False, verbose_name=_("category of the master")
    )
    storefront = models.ForeignKey(Storefront, models.CASCADE, related_name="+", verbose_name=_("storefront"))
    target = models.ForeignKey(
        Category, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("category of the target")
    )

    objects: ClassVar[models.Manager["CategoryMapping"]] = tenant_manager()

    class Meta:
        verbose_name = _("category mapping")
        verbose_name_plural = _("category mappings")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "storefront"], name="catalog_mapping_once"),
        ]

    def __str__(self) -> str:
        return str(self.pk)

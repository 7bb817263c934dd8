from django.db import transaction
from django.utils.translation import gettext as _

from modules.catalog import services as catalog_services
from modules.shoptet.models import Shop


class NotAMaster(Exception):
    """Products are read from master shops alone."""


def open_storefront(shop: Shop) -> int:
    """Return the id of the shop's storefront, made if absent, in the shop's currency. Safe to repeat."""
    if shop.storefront is None:
        shop.storefront = catalog_services.open_storefront(
            tenant_id=shop.tenant_id, kind="shoptet", name=shop.name, currency=shop.channel.currency
        )
        shop.save(update_fields=["storefront"])
    if shop.channel.currency and shop.storefront.currency != shop.channel.currency:
        catalog_services.describe_storefront(storefront_id=shop.storefront.pk, currency=shop.channel.currency)
        shop.storefront.refresh_from_db(fields=["currency"])
    storefront_id: int = shop.storefront.pk
    return storefront_id


def fill_from(*, shop: Shop, master: Shop) -> None:
    """Make `shop` a target of `master`, with an overlay for each product that is there already.

    One transaction; safe to repeat. Raises NotAMaster, also for another tenant's shop.
    """
    if not master.is_master or master.pk == shop.pk or master.tenant_id != shop.tenant_id:
        raise NotAMaster(_("%s is not a master shop of the same tenant.") % master)
    with transaction.atomic():
        catalog_services.fill_from(target_id=open_storefront(shop), master_id=open_storefront(master))

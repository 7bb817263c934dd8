from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from modules.catalog import services as catalog_services
from modules.shoptet import selectors
from modules.shoptet.models import SnapshotExecution
from modules.shoptet.services._product_details import fetch_categories
from modules.shoptet.services._product_run import ProductRun
from modules.shoptet.services._requests import request_target_prefills
from modules.shoptet.services._runs import Report, Runner, finish_run, open_run
from modules.shoptet.services._shops import connect
from modules.shoptet.services._storefronts import NotAMaster, open_storefront

CURSOR = "products.change_time"
KIND = SnapshotExecution.Kind.PRODUCTS_INCREMENTAL


def import_master_products(
    *,
    shop_id: int,
    holder: str,
    report: Report,
    trigger: str = SnapshotExecution.Trigger.SCHEDULE,
    job_id: UUID | None = None,
    fallback_lookback_hours: int | None = None,
    most_details: int | None = None,
) -> SnapshotExecution | None:
    """Bring a master shop's categories and its new, changed and deleted products in; see `fetch_new_orders`.

    Overlays of the targets are made with the products; what the targets call their categories is asked of them
    by jobs of their own. Raises NotAMaster and what `fetch_new_orders` raises. Source: seed 1, products.import_master.
    """
    shop = selectors.get_shop(shop_id)
    if not shop.is_master:
        raise NotAMaster(_("%s is not a master shop; products are read from masters alone.") % shop)
    if not shop.is_active:
        return None
    with open_run(shop=shop, cursor=CURSOR, kind=KIND, runner=Runner(holder, trigger, job_id)) as run:
        reading = ProductRun(shop, run.hold, run.execution, report, most_details)
        position_at = reading.run(fallback_lookback_hours=fallback_lookback_hours)
        with transaction.atomic():
            finish_run(run, position_at=position_at)
            request_target_prefills(shop=shop)
    return run.execution


def prefill_target(*, shop_id: int) -> None:
    """Read a target's categories, and map each of its master's that has one of the same name. Raises ShoptetError.

    Safe to repeat; what an operator has set is never touched. A shop that is no target or switched off is left alone.
    """
    shop = selectors.get_shop(shop_id)
    if not shop.is_active or shop.storefront is None or shop.storefront.master_id is None:
        return
    storefront_id = open_storefront(shop)
    with connect(shop) as client:
        categories = fetch_categories(client)
    catalog_services.replace_categories(storefront_id=storefront_id, categories=categories)
    catalog_services.prefill_mappings(target_id=storefront_id)

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from modules.jobs import services as job_services
from modules.shoptet import selectors
from modules.shoptet.models import Shop, SnapshotExecution


def request_orders(
    *,
    shop: Shop,
    trigger: str = SnapshotExecution.Trigger.MANUAL,
    fallback_lookback_hours: int | None = None,
) -> UUID:
    """Send the job that reads a shop's orders; return its id, or that of the one that waits already."""
    return job_services.enqueue(
        "shoptet.fetch_new_orders",
        kwargs={"shop_id": shop.pk, "fallback_lookback_hours": fallback_lookback_hours, "trigger": trigger},
        tenant_id=shop.tenant_id,
        tags=[f"shop:{shop.pk}"],
        unique_key=f"shoptet.fetch_new_orders:{shop.pk}",
    )


def request_all_orders(*, trigger: str, fallback_lookback_hours: int | None = None) -> list[UUID]:
    """Send one job per active shop of the tenants in scope; return their ids in order of shop. One transaction."""
    with transaction.atomic():
        return [
            request_orders(shop=shop, trigger=trigger, fallback_lookback_hours=fallback_lookback_hours)
            for shop in selectors.active_shops()
        ]


def request_products(
    *, shop: Shop, trigger: str = SnapshotExecution.Trigger.MANUAL, fallback_lookback_hours: int | None = None
) -> UUID:
    """Send the job that reads a master shop's products; return its id, or that of the one that waits already."""
    return job_services.enqueue(
        "shoptet.import_master_products",
        kwargs={"shop_id": shop.pk, "fallback_lookback_hours": fallback_lookback_hours, "trigger": trigger},
        tenant_id=shop.tenant_id,
        tags=[f"shop:{shop.pk}"],
        unique_key=f"shoptet.import_master_products:{shop.pk}",
    )


def request_all_products(*, trigger: str, fallback_lookback_hours: int | None = None) -> list[UUID]:
    """Send one job per active master shop of the tenants in scope; return their ids in order of shop."""
    with transaction.atomic():
        return [
            request_products(shop=shop, trigger=trigger, fallback_lookback_hours=fallback_lookback_hours)
            for shop in selectors.active_master_shops()
        ]


def request_target_prefills(*, shop: Shop) -> None:
    """Send one job per target of a master shop, so that a target in trouble holds up no other."""
    for target in selectors.active_targets(shop):
        job_services.enqueue(
            "shoptet.prefill_target",
            kwargs={"shop_id": target.pk},
            tenant_id=target.tenant_id,
            tags=[f"shop:{target.pk}"],
            unique_key=f"shoptet.prefill_target:{target.pk}",
        )


def request_reading(
    what: str,
    *,
    shop: Shop,
    trigger: str = SnapshotExecution.Trigger.MANUAL,
    delay: timedelta = timedelta(0),
    **options: Any,
) -> UUID:
    """Send the job `shoptet.<what>` for a shop; return its id, or that of the one that waits already."""
    return job_services.enqueue(
        f"shoptet.{what}",
        kwargs={"shop_id": shop.pk, "trigger": trigger, **options},
        tenant_id=shop.tenant_id,
        delay=delay,
        tags=[f"shop:{shop.pk}"],
        unique_key=f"shoptet.{what}:{shop.pk}",
    )


def request_readings(what: str, *, trigger: str, of_masters: bool = False, **options: Any) -> list[UUID]:
    """Send one job per active (master) shop of the tenants in scope; return their ids in order of shop.

    One transaction.
    """
    shops = selectors.active_master_shops() if of_masters else selectors.active_shops()
    with transaction.atomic():
        return [request_reading(what, shop=shop, trigger=trigger, **options) for shop in shops]

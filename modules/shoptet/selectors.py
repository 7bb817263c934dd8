from django.db.models import QuerySet

from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution


def get_shop(shop_id: int) -> Shop:
    """Return the shop with its channel; raises Shop.DoesNotExist, also for another tenant's."""
    shop: Shop = Shop.objects.select_related("channel").get(id=shop_id)
    return shop


def active_shops() -> QuerySet[Shop]:
    """Return the shops that are read by schedule, in order of id, of the tenants in scope."""
    shops: QuerySet[Shop] = Shop.objects.filter(is_active=True, tenant__is_active=True).order_by("id")
    return shops


def pipeline_log(*, shop_id: int) -> QuerySet[SnapshotExecution]:
    """Return the readings of a shop, newest first."""
    executions: QuerySet[SnapshotExecution] = SnapshotExecution.objects.filter(shop_id=shop_id)
    return executions.order_by("-started_at", "-id")


def open_parked_records(*, shop_id: int, kind: str) -> QuerySet[ParkedRecord]:
    """Return the records of a shop that could not be read yet, the longest untried first."""
    records: QuerySet[ParkedRecord] = ParkedRecord.objects.filter(shop_id=shop_id, kind=kind, resolved_at=None)
    return records.order_by("attempted_at", "id")

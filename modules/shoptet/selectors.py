from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from modules.jobs.models import Job
from modules.shoptet.domain import NAMELESS
from modules.shoptet.models import Addon, ParkedRecord, Shop, SnapshotExecution, WebhookEvent

Status = SnapshotExecution.Status


def get_shop(shop_id: int) -> Shop:
    """Return the shop with its channel and storefront; raises Shop.DoesNotExist, also for another tenant's."""
    shop: Shop = Shop.objects.select_related("channel", "storefront").get(id=shop_id)
    return shop


def active_shops() -> QuerySet[Shop]:
    """Return the shops that are read by schedule, in order of id, of the tenants in scope."""
    shops: QuerySet[Shop] = Shop.objects.filter(is_active=True, tenant__is_active=True).order_by("id")
    return shops


def active_master_shops() -> QuerySet[Shop]:
    """Return the shops whose products are read by schedule, in order of id, of the tenants in scope."""
    return active_shops().filter(is_master=True)


def active_targets(master: Shop) -> QuerySet[Shop]:
    """Return the shops that are filled from `master`, in order of id."""
    return active_shops().filter(tenant_id=master.tenant_id, storefront__master__shoptet_shop=master)


def pipeline_log(*, shop_id: int) -> QuerySet[SnapshotExecution]:
    """Return the readings of a shop, newest first."""
    executions: QuerySet[SnapshotExecution] = SnapshotExecution.objects.filter(shop_id=shop_id)
    return executions.order_by("-started_at", "-id")


def open_parked_records(*, shop_id: int, kind: str) -> QuerySet[ParkedRecord]:
    """Return the records of a shop that could not be read yet, the longest untried first."""
    records: QuerySet[ParkedRecord] = ParkedRecord.objects.filter(shop_id=shop_id, kind=kind, resolved_at=None)
    return records.order_by("attempted_at", "id")


def retryable_codes(*, shop_id: int, kind: str, left_out: Collection[str]) -> QuerySet[ParkedRecord, str]:
    """Return the codes of records that could not be read and can be asked for, the longest untried first."""
    named = open_parked_records(shop_id=shop_id, kind=kind).exclude(code="").exclude(code__startswith=NAMELESS)
    return named.exclude(code__in=left_out).values_list("code", flat=True)


def codes_set_aside_since(*, shop_id: int, kind: str, since: datetime) -> set[str]:
    """Return the codes of records that were tried since then and could not be read."""
    records = open_parked_records(shop_id=shop_id, kind=kind).filter(attempted_at__gte=since)
    return set(records.exclude(code="").values_list("code", flat=True))


def has_whole_history(*, shop_id: int, what: str = "orders") -> bool:
    """Return whether all of a shop's orders (or products) were read once, not only those since some time."""
    kinds = [f"{what}-incremental", f"{what}-snapshot"]
    whole = SnapshotExecution.objects.filter(shop_id=shop_id, kind__in=kinds, window_from=None)
    return whole.filter(status=Status.COMPLETED).exists()


def find_addon(public_id: UUID) -> Addon | None:
    """Return the add-on that the vendor knows by this id, or None; also for one that is switched off."""
    addon: Addon | None = Addon.objects.filter(public_id=public_id, is_active=True, tenant__is_active=True).first()
    return addon


def find_shop_of_addon(*, public_id: UUID, eshop_id: int) -> Shop | None:
    """Return the shop of this number that installed the add-on, or None."""
    shops = Shop.objects.select_related("channel").filter(addon__public_id=public_id, eshop_id=eshop_id)
    shop: Shop | None = shops.filter(addon__is_active=True).first()
    return shop


def find_shop(public_id: UUID) -> Shop | None:
    """Return the shop that the world knows by this id, or None; also for another tenant's."""
    shop: Shop | None = Shop.objects.select_related("channel").filter(public_id=public_id).first()
    return shop


def shops() -> QuerySet[Shop]:
    """Return the shops of the tenants in scope, in order of id."""
    found: QuerySet[Shop] = Shop.objects.order_by("id")
    return found


def get_execution(execution_id: int) -> SnapshotExecution:
    """Return a pipeline log entry with its shop; raises SnapshotExecution.DoesNotExist, also for another tenant's."""
    entry: SnapshotExecution = SnapshotExecution.objects.select_related("shop__channel", "shop__storefront").get(
        id=execution_id
    )
    return entry


def open_snapshots() -> QuerySet[SnapshotExecution]:
    """Return the entries of snapshots that have not ended, oldest first."""
    entries: QuerySet[SnapshotExecution] = SnapshotExecution.objects.filter(
        kind__endswith="-snapshot", finished_at=None
    )
    return entries.select_related("shop").order_by("id")


def snapshots_to_check(*, now: datetime) -> QuerySet[SnapshotExecution]:
    """Return the snapshots that the shop makes and whose next look is due."""
    return open_snapshots().filter(status=Status.REQUESTED, next_poll_at__lte=now)


def stranded_snapshots() -> QuerySet[SnapshotExecution]:
    """Return the snapshots that wait for a job of ours that has ended: nobody will go on with them."""
    alive = Job.objects.filter(id=OuterRef("job_id"), finished_at=None)
    return open_snapshots().exclude(status=Status.REQUESTED).filter(~Exists(alive))


def files_to_delete(*, before: datetime) -> QuerySet[SnapshotExecution]:
    """Return the snapshots that ended before and whose file is still kept."""
    entries: QuerySet[SnapshotExecution] = SnapshotExecution.objects.filter(
        kind__endswith="-snapshot", finished_at__lt=before
    )
    return entries.exclude(file_name="").order_by("id")


def snapshots_of_jobs(*, shop_id: int, remote_job_ids: Collection[str]) -> QuerySet[SnapshotExecution]:
    """Return the snapshots that these jobs of the shop make, but for completed ones; most jobs make none of ours."""
    entries: QuerySet[SnapshotExecution] = SnapshotExecution.objects.filter(
        shop_id=shop_id, remote_job_id__in=remote_job_ids, status__in=[Status.REQUESTED, Status.ERROR]
    )
    return entries.order_by("id")


def waiting_webhooks(*, shop_id: int, now: datetime) -> QuerySet[WebhookEvent]:
    """Return the events of a shop that nobody handled yet, oldest first; not those that are tried again later."""
    events: QuerySet[WebhookEvent] = WebhookEvent.objects.filter(shop_id=shop_id, handled_at=None)
    return events.filter(Q(next_try_at=None) | Q(next_try_at__lte=now)).order_by("id")


def last_readings(*, shop_ids: Collection[int], since: datetime, is_complete: bool) -> list[SnapshotExecution]:
    """Return the last reading of each shop and kind that began since then; of those that ended well, or of all."""
    rows = SnapshotExecution.objects.filter(shop_id__in=shop_ids, started_at__gte=since)
    rows = rows.filter(status=Status.COMPLETED) if is_complete else rows
    return list(rows.order_by("shop_id", "kind", "-started_at").distinct("shop_id", "kind"))

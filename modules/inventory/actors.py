from modules.inventory import selectors, services
from modules.inventory.services import CHUNK
from modules.jobs.engine import actor, context
from modules.kernel import clock


@actor(queue_name="default", max_retries=5, time_limit=5 * clock.MINUTE, atomic=True)
def recalculate_variant_metrics(*, tenant_id: int, channel_id: int, codes: list[str]) -> None:
    """Recalculate one chunk of variants."""
    written = services.recalculate_variant_metrics(
        tenant_id=tenant_id, channel_id=channel_id, codes=codes, now=clock.now()
    )
    context.log(f"{written} of {len(codes)} changed")


@actor(queue_name="default", max_retries=5, time_limit=5 * clock.MINUTE, atomic=True)
def drop_variants(*, tenant_id: int, channel_id: int, storefront_id: int, codes: list[str]) -> None:
    """Drop the stock of variants whose product was deleted."""
    dropped = services.drop_variants(
        tenant_id=tenant_id, channel_id=channel_id, storefront_id=storefront_id, codes=codes, now=clock.now()
    )
    context.log(f"{dropped} levels dropped")


@actor(queue_name="default", max_retries=3, time_limit=clock.MINUTE)
def recalculate_metrics(*, chunk: int = CHUNK) -> None:
    """Send every tenant's recalculation."""
    for tenant_id in selectors.active_tenant_ids():
        kwargs = {"tenant_id": tenant_id, "chunk": chunk}
        recalculate_tenant.send_with_options(kwargs=kwargs, tenant_id=tenant_id)


@actor(queue_name="default", max_retries=5, time_limit=5 * clock.MINUTE, atomic=True)
def recalculate_tenant(*, tenant_id: int, chunk: int = CHUNK) -> None:
    """Send all of a tenant's variants, in chunks that are one batch."""
    context.log(f"batch {services.send_recalculation(tenant_id=tenant_id, chunk=chunk)}")


@actor(queue_name="default", max_retries=5, time_limit=clock.MINUTE, atomic=True)
def finish_recalculation(*, tenant_id: int) -> None:
    """Tell that a tenant's figures are new."""
    services.finish_recalculation(tenant_id=tenant_id, now=clock.now())

from modules.customers import selectors, services
from modules.jobs.engine import actor, context
from modules.kernel import clock

CHUNK = 250  # rows per transaction; seed 1, recommendation 5


@actor(queue_name="default", max_retries=5, time_limit=5 * clock.MINUTE, atomic=True)
def attach_orders(*, tenant_id: int, order_ids: list[int]) -> None:
    """Give orders that came in or changed to their customers, figures included."""
    result = services.attach_orders(tenant_id=tenant_id, order_ids=order_ids, now=clock.now())
    context.log(str(result))


@actor(queue_name="customers", max_retries=3, time_limit=clock.MINUTE)
def backfill_from_orders(*, chunk: int = CHUNK) -> None:
    """Send every tenant's search for orders without a customer."""
    for tenant_id in selectors.active_tenant_ids():
        kwargs = {"tenant_id": tenant_id, "chunk": chunk}
        backfill_tenant.send_with_options(kwargs=kwargs, tenant_id=tenant_id)


@actor(
    queue_name="customers",
    max_retries=5,
    time_limit=5 * clock.MINUTE,
    atomic=True,
    api_name="customers.backfill_from_orders",
    api_arguments=(),
)
def backfill_tenant(*, tenant_id: int, after_id: int = 0, chunk: int = CHUNK) -> None:
    """Attach one chunk of orders that have no customer and send the next, until there is none left."""
    last_id = services.attach_next(tenant_id=tenant_id, after_id=after_id, limit=chunk, now=clock.now())
    if last_id:
        backfill_tenant.send(tenant_id=tenant_id, after_id=last_id, chunk=chunk)


@actor(queue_name="customers", max_retries=3, time_limit=clock.MINUTE)
def recalculate_metrics(*, chunk: int = CHUNK) -> None:
    """Send every tenant's recalculation."""
    for tenant_id in selectors.active_tenant_ids():
        kwargs = {"tenant_id": tenant_id, "chunk": chunk}
        recalculate_tenant.send_with_options(kwargs=kwargs, tenant_id=tenant_id)


@actor(
    queue_name="customers",
    max_retries=5,
    time_limit=5 * clock.MINUTE,
    atomic=True,
    api_name="customers.recalculate_metrics",
    api_arguments=(),
)
def recalculate_tenant(*, tenant_id: int, after_id: int = 0, chunk: int = CHUNK) -> None:
    """Recalculate one chunk of customers and send the next, until there is none left."""
    last_id = services.recalculate_next(tenant_id=tenant_id, after_id=after_id, limit=chunk, now=clock.now())
    if last_id:
        recalculate_tenant.send(tenant_id=tenant_id, after_id=last_id, chunk=chunk)

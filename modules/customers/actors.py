from modules.customers import selectors, services
from modules.customers.services import CHUNK
from modules.jobs.engine import actor, context
from modules.kernel import clock

PREDICTED_AT_ONCE = 1_000  # customers per transaction


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
def backfill_tenant(*, tenant_id: int, chunk: int = CHUNK) -> None:
    """Send a tenant's orders that have no customer, in chunks that are one batch."""
    context.log(str(services.send_backfill(tenant_id=tenant_id, chunk=chunk)))


@actor(queue_name="customers", max_retries=3, time_limit=clock.MINUTE)
def sync_order_customers(*, chunk: int = CHUNK) -> None:
    """Send every tenant's search for links that their orders contradict."""
    for tenant_id in selectors.active_tenant_ids():
        kwargs = {"tenant_id": tenant_id, "chunk": chunk}
        sync_tenant.send_with_options(kwargs=kwargs, tenant_id=tenant_id)


@actor(queue_name="customers", max_retries=5, time_limit=5 * clock.MINUTE, atomic=True)
def sync_tenant(*, tenant_id: int, chunk: int = CHUNK) -> None:
    """Send a tenant's orders whose links are to be repaired, in chunks that are one batch."""
    context.log(str(services.send_sync(tenant_id=tenant_id, chunk=chunk)))


@actor(queue_name="customers", max_retries=3, time_limit=clock.MINUTE)
def recalculate_metrics(*, chunk: int = CHUNK, everyone: bool = False) -> None:
    """Send every tenant's recalculation."""
    for tenant_id in selectors.active_tenant_ids():
        kwargs = {"tenant_id": tenant_id, "chunk": chunk, "everyone": everyone}
        recalculate_tenant.send_with_options(kwargs=kwargs, tenant_id=tenant_id)


@actor(
    queue_name="customers",
    max_retries=5,
    time_limit=5 * clock.MINUTE,
    atomic=True,
    api_name="customers.recalculate_metrics",
    api_arguments=(),
)
def recalculate_tenant(*, tenant_id: int, chunk: int = CHUNK, everyone: bool = False) -> None:
    """Send a tenant's customers, all or those that are due, in chunks that are one batch."""
    now = clock.now()
    sent = services.send_recalculation(tenant_id=tenant_id, now=now, everyone=everyone, chunk=chunk)
    if sent is None:
        predict_values.send(tenant_id=tenant_id)  # attachments since yesterday have recalculated, not predicted
    context.log(str(sent))


@actor(queue_name="customers", max_retries=5, time_limit=5 * clock.MINUTE, atomic=True)
def recalculate_chunk(*, tenant_id: int, customer_ids: list[int]) -> None:
    """Recalculate one chunk of customers."""
    changed = services.recalculate_metrics(tenant_id=tenant_id, customer_ids=customer_ids, now=clock.now())
    context.log(f"{changed} of {len(customer_ids)} changed")


@actor(queue_name="customers", max_retries=5, time_limit=5 * clock.MINUTE, atomic=True)
def finish_recalculation(*, tenant_id: int, everyone: bool, batch_id: str) -> None:
    """Tell that a tenant's figures are new, and send what takes longer: the models and their predictions."""
    customers = selectors.count_batch_customers(batch_id)
    services.finish_recalculation(tenant_id=tenant_id, customers=customers, everyone=everyone, now=clock.now())
    predict_values.send(tenant_id=tenant_id, everyone=everyone)


@actor(queue_name="customers", max_retries=3, time_limit=30 * clock.MINUTE)
def predict_values(*, tenant_id: int, everyone: bool = False) -> None:
    """Predict what customers will spend; for everyone the models are fitted first. Goes on where it was stopped."""
    if everyone and context.saved_checkpoint() is None:
        services.fit_models(tenant_id=tenant_id, now=clock.now())
        services.forget_predictions(tenant_id=tenant_id)
    done = context.saved_checkpoint() or 0
    while count := services.predict_next(tenant_id=tenant_id, limit=PREDICTED_AT_ONCE, now=clock.now()):
        done += count
        context.progress(done)
        context.checkpoint(done)

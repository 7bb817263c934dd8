"""Two customers that are one person: said, remembered, and taken back."""

from datetime import datetime

from django.db import connection, transaction

from modules.customers import clients
from modules.customers.models import Customer, CustomerMerge, CustomerMetrics
from modules.customers.services._metrics import write_metrics
from modules.customers.services._turns import wait_for_turn


class UnableToMerge(Exception):
    """The two are one already, or one of them is not there."""


class AlreadyUndone(Exception):
    """The merge was taken back before."""


# Who is merged into the one that comes back, over any number of merges that still hold.
_FOLLOWERS = """
WITH RECURSIVE follower (id) AS (
    SELECT %(merged)s::bigint
    UNION
    SELECT link.merged_id FROM customers_customermerge link JOIN follower ON link.kept_id = follower.id
    WHERE link.undone_at IS NULL
)
UPDATE customers_customer SET merged_into_id = NULLIF(%(merged)s, customers_customer.id)
FROM follower WHERE customers_customer.id = follower.id
"""


def merge_customers(*, tenant_id: int, kept_id: int, merged_id: int, by: str, now: datetime) -> CustomerMerge:
    """Make `merged_id` part of `kept_id`, and recalculate it; `by` is who said so. Can be undone.

    One transaction. Links and accounts stay where they are and count for the kept one. Raises UnableToMerge.
    """
    with transaction.atomic():
        wait_for_turn(tenant_id)
        found = Customer.objects.filter(tenant_id=tenant_id, id__in=[kept_id, merged_id]).in_bulk()
        if kept_id == merged_id or len(found) < 2 or any(customer.merged_into_id for customer in found.values()):
            raise UnableToMerge("Choose two customers of which neither is part of another.")
        merge = join(tenant_id, kept_id, merged_id, reason=CustomerMerge.Reason.OPERATOR, by=by, now=now)
        write_metrics(tenant_id, [kept_id], now=now)
        transaction.on_commit(clients.forget_counts)
    return merge


def join(tenant_id: int, kept_id: int, merged_id: int, *, reason: str, by: str, now: datetime) -> CustomerMerge:
    """Write a merge down, inside the caller's transaction, which recalculates the kept one."""
    Customer.objects.filter(merged_into=merged_id).update(merged_into=kept_id)
    Customer.objects.filter(id=merged_id).update(merged_into=kept_id)
    CustomerMetrics.objects.filter(customer_id=merged_id).delete()
    return CustomerMerge.objects.create(
        tenant_id=tenant_id, kept_id=kept_id, merged_id=merged_id, reason=reason, merged_by=by, merged_at=now
    )


def undo_merge(*, tenant_id: int, merge_id: int, by: str, now: datetime) -> None:
    """Part the two again and recalculate both; jobs will not merge them a second time.

    One transaction. Raises AlreadyUndone, CustomerMerge.DoesNotExist (also for another tenant's).
    """
    with transaction.atomic():
        wait_for_turn(tenant_id)
        merge = CustomerMerge.objects.select_for_update().get(tenant_id=tenant_id, id=merge_id)
        if merge.undone_at:
            raise AlreadyUndone("This merge was taken back before.")
        merged = Customer.objects.get(id=merge.merged_id)
        with connection.cursor() as cursor:
            cursor.execute(_FOLLOWERS, {"merged": merged.pk})
        merge.undone_at, merge.undone_by = now, by
        merge.save(update_fields=["undone_at", "undone_by"])
        write_metrics(tenant_id, [merged.pk, *([merged.merged_into_id] if merged.merged_into_id else [])], now=now)
        transaction.on_commit(clients.forget_counts)

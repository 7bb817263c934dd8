"""Questions about who may see what."""

from django.contrib.auth.models import AnonymousUser

from modules.accounts.models import Membership, Tenant, User


def visible_tenant_ids(user: User | AnonymousUser) -> list[int]:
    """Return the tenants that `user` is a member of, in ascending order; empty for a stranger."""
    if not user.is_authenticated:
        return []
    found = Membership.objects.filter(user=user, tenant__is_active=True)
    return list(found.order_by("tenant_id").values_list("tenant_id", flat=True))


def get_tenant(*, name: str) -> Tenant:
    """Return the tenant called `name`; raises Tenant.DoesNotExist."""
    return Tenant.objects.get(name=name)

"""Changes to who there is."""

from modules.accounts.models import Tenant


def open_tenant(*, name: str) -> Tenant:
    """Return the tenant called `name`, made if there is none. Safe to repeat."""
    return Tenant.objects.get_or_create(name=name)[0]

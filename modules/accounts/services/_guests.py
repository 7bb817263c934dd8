"""People whom somebody of a tenant shares something with."""

from modules.accounts.models import Membership


def admit_guest(*, tenant_id: int, user_id: int) -> None:
    """Let a person use what the tenant shares with them; who belongs to it stays what they are. Safe to repeat."""
    guest = Membership(tenant_id=tenant_id, user_id=user_id, role=Membership.Role.GUEST)
    Membership.objects.bulk_create([guest], ignore_conflicts=True)


def dismiss_guest(*, tenant_id: int, user_id: int) -> bool:
    """Let a guest have nothing more of the tenant; False for who is none: members stay. Safe to repeat."""
    guests = Membership.objects.filter(tenant_id=tenant_id, user_id=user_id, role=Membership.Role.GUEST)
    return bool(guests.delete()[0])

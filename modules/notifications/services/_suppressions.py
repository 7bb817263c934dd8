"""Addresses that are mailed no more, and the way back."""

from datetime import datetime

from modules.notifications.models import EmailMessage, Suppression


def suppress(*, mail: EmailMessage, address: str, reason: str, detail: str, now: datetime) -> None:
    """Mail this address no more, for the tenant of `mail`; the first reason stays. Safe to repeat."""
    new = Suppression(
        tenant_id=mail.tenant_id, address=address.lower(), reason=reason, detail=detail, mail=mail, created_at=now
    )
    Suppression.objects.bulk_create([new], ignore_conflicts=True)


def lift_suppression(*, suppression_id: int, by_id: int | None, now: datetime) -> bool:
    """Let the address be mailed again; return False when it was lifted before. The row stays as history."""
    held = Suppression.objects.filter(pk=suppression_id, lifted_at=None)
    return bool(held.update(lifted_at=now, lifted_by_id=by_id))


def restore_suppression(*, suppression_id: int) -> bool:
    """Take the lifting back; return False when it was not lifted, or the address is suppressed anew meanwhile."""
    row = Suppression.objects.get(pk=suppression_id)
    is_held = Suppression.objects.filter(tenant_id=row.tenant_id, address=row.address, lifted_at=None).exists()
    if is_held:
        return False
    lifted = Suppression.objects.filter(pk=suppression_id, lifted_at__isnull=False)
    return bool(lifted.update(lifted_at=None, lifted_by=None))

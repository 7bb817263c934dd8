"""Who did what to what of the diary, written down in the same transaction."""

from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from modules.accounts import services as account_services


class Thing(Protocol):
    """A row of the diary."""

    tenant_id: int
    public_id: UUID


def log(thing: Thing, what: str, *, by_id: int | None, at: datetime, **details: Any) -> None:
    """Write down that somebody, None for a program or a job, did `what` ("changed") to a thing; numbers and names only.

    The verb is made of the kind of the thing: `record.changed`.
    """
    kind = type(thing).__name__.lower()
    account_services.log_activity(
        verb=f"{kind}.{what}",
        at=at,
        tenant_id=thing.tenant_id,
        user_id=by_id,
        target_type=kind,
        target_id=str(thing.public_id),
        details=details,
    )

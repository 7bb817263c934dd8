"""What people did, written down."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from modules.accounts.models import ActivityEntry
from modules.kernel.secrets import mask

MAX_DETAILS_BYTES = 4_096


class DetailsTooBig(ValueError):
    """The details of an entry are a few facts; what is bigger belongs to the thing itself."""


def log_activity(
    *,
    verb: str,
    at: datetime,
    tenant_id: int | None,
    user_id: int | None,
    target_type: str = "",
    target_id: str | int = "",
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write down that somebody did something, in the caller's transaction; raises DetailsTooBig.

    verb: what was done, like `record.created`, at most 50 characters. tenant_id: None for what concerns the person
    alone, who may belong to several. user_id: None for what a program did. details: plain JSON of at most 4 KiB;
    what its keys call a secret is masked.
    """
    kept = mask(dict(details or {}))
    if len(json.dumps(kept).encode()) > MAX_DETAILS_BYTES:
        raise DetailsTooBig(f"The details of {verb} are over {MAX_DETAILS_BYTES} bytes.")
    ActivityEntry(
        tenant_id=tenant_id,
        user_id=user_id,
        verb=verb,
        target_type=target_type,
        target_id=str(target_id),
        details=kept,
        at=at,
    ).save(force_insert=True)

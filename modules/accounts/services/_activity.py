"""What people did, written down."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from modules.accounts.models import ActivityEntry
from modules.kernel.secrets import mask

MAX_DETAILS_BYTES = 4_096


class DetailsTooBig(ValueError):
    """The details of an entry are a few facts; what is bigger belongs to the thing itself."""


@dataclass(frozen=True)
class Deed:
    """What somebody did; see `log_activity`."""

    verb: str
    tenant_id: int | None
    user_id: int | None
    target_type: str = ""
    target_id: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


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
    deed = Deed(verb, tenant_id, user_id, target_type, str(target_id), details or {})
    _entry(deed, at).save(force_insert=True)


def log_activities(deeds: Iterable[Deed], *, at: datetime) -> None:
    """Write down many deeds of one moment with one INSERT; see `log_activity`."""
    ActivityEntry.objects.bulk_create([_entry(deed, at) for deed in deeds], batch_size=1_000)


def _entry(deed: Deed, at: datetime) -> ActivityEntry:
    kept = mask(dict(deed.details))
    if len(json.dumps(kept).encode()) > MAX_DETAILS_BYTES:
        raise DetailsTooBig(f"The details of {deed.verb} are over {MAX_DETAILS_BYTES} bytes.")
    return ActivityEntry(**{**vars(deed), "details": kept}, at=at)

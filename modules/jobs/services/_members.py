"""Which batches still take members: asked, and held open, by whoever adds one."""

from collections.abc import Iterable
from uuid import UUID

from django.db import connection


class BatchClosed(Exception):
    """The batch has ended, was cancelled, or was never there: it takes no more jobs."""


def hold_open(batch_ids: Iterable[UUID]) -> dict[UUID, int | None]:
    """Return the tenants of those batches that still take members, by id; they stay open until the transaction ends.

    Any number may hold a batch open at once. Who ends or cancels it waits, and then sees what they added.
    """
    ids = sorted(set(batch_ids))
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT id, tenant_id FROM jobs_batch
            WHERE id = ANY(%s) AND finished_at IS NULL AND cancelled_at IS NULL ORDER BY id FOR SHARE""",
            [ids],
        )
        return dict(cursor.fetchall())


def require_open(batch_ids: Iterable[UUID]) -> dict[UUID, int | None]:
    """Do as `hold_open`; raises BatchClosed when one of them takes no more members."""
    ids = set(batch_ids)
    found = hold_open(ids)
    if closed := ids - found.keys():
        names = ", ".join(str(batch_id) for batch_id in sorted(closed))
        raise BatchClosed(f"The batch {names} has ended, was cancelled, or does not exist: it takes no more jobs.")
    return found

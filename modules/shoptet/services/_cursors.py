from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Greatest, Now

from modules.shoptet.models import Shop, SyncCursor

HELD_FOR = timedelta(minutes=3)  # a page takes seconds; renewed with each


class CursorLost(Exception):
    """Another run holds the cursor now; what this one still wanted to write is not written."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The right to move a cursor, until somebody with a higher fence takes it."""

    cursor_id: int
    fence: int
    position_at: datetime | None


def take_cursor(*, shop: Shop, name: str, holder: str) -> Hold | None:
    """Return a hold on the shop's cursor `name`, or None while somebody else has it.

    The same `holder` may take it again at once: a job that comes back after its worker was killed goes on,
    and what is left of its former self is fenced off. Times are the database's, so that clocks cannot disagree.
    """
    SyncCursor.objects.bulk_create([SyncCursor(tenant_id=shop.tenant_id, shop=shop, name=name)], ignore_conflicts=True)
    free = Q(holder=holder) | Q(held_until=None) | Q(held_until__lte=Now())
    with transaction.atomic():
        taken = SyncCursor.objects.filter(free, shop=shop, name=name).update(
            fence=F("fence") + 1, holder=holder, held_until=Now() + Value(HELD_FOR)
        )
        if not taken:
            return None
        cursor = SyncCursor.objects.get(shop=shop, name=name)
    return Hold(cursor.pk, cursor.fence, cursor.position_at)


def keep_cursor(hold: Hold) -> None:
    """Renew the hold; raises CursorLost. Inside a transaction nobody else can take the cursor before its end."""
    _write(hold, held_until=Now() + Value(HELD_FOR))


def move_cursor(hold: Hold, *, to: datetime) -> None:
    """Move the cursor forward to `to`, never back; raises CursorLost. Safe to repeat."""
    _write(hold, position_at=Greatest(Coalesce(F("position_at"), Value(to)), Value(to)))


def release_cursor(hold: Hold) -> None:
    """Let the next run have the cursor at once. Safe to repeat, also when the hold is lost."""
    SyncCursor.objects.filter(id=hold.cursor_id, fence=hold.fence).update(held_until=None)


def last_id(*, shop: Shop, name: str) -> int | None:
    """Return the last id read under the cursor `name`; None when nothing was."""
    cursor = SyncCursor.objects.filter(shop=shop, name=name).first()
    return cursor.position_id if cursor else None


def names(*, shop: Shop, beginning: str) -> list[str]:
    """Return the names of the shop's cursors that begin so."""
    return list(SyncCursor.objects.filter(shop=shop, name__startswith=beginning).values_list("name", flat=True))


def note_last_id(*, shop: Shop, name: str, last_id: int) -> None:
    """Write the last id read, which may be a lower one: a shop may begin anew. Keep a hold in the same transaction."""
    SyncCursor.objects.update_or_create(
        shop=shop,
        name=name,
        defaults={"position_id": last_id},
        create_defaults={"position_id": last_id, "tenant_id": shop.tenant_id},
    )


def _write(hold: Hold, **values: object) -> None:
    if not SyncCursor.objects.filter(id=hold.cursor_id, fence=hold.fence).update(**values):
        raise CursorLost("Another run reads this shop now.")

"""Rows that are old go, a batch in one statement with the receipt that counts it: a kill leaves both or neither."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self
from uuid import UUID

from django.db import connection, models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

Report = Callable[[int], None]
"""Told after each batch how many the run has deleted so far; may raise to stop there."""


class Receipt(models.Model):
    """What one run of a cleanup deleted by one rule. `run` is the job, or a number of the command's own.

    A table of receipts has its own `rule`, with `(run, rule)` unique.
    """

    rule: "models.CharField[str, str]"
    run = models.UUIDField(_("run"))
    before = models.DateTimeField(_("older than"))
    count = models.PositiveBigIntegerField(_("deleted"), default=0)
    oldest_at = models.DateTimeField(_("oldest"), null=True, blank=True)
    newest_at = models.DateTimeField(_("newest"), null=True, blank=True)
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects: ClassVar[models.Manager[Self]]

    class Meta:
        abstract = True

    @classmethod
    def open(cls, *, run: UUID, rule: str, before: datetime, now: datetime) -> Self:
        """Return the receipt of a run, new or the one that it began with: its border stays."""
        defaults = {"before": before, "started_at": now}
        return cls.objects.get_or_create(run=run, rule=rule, defaults=defaults)[0]


@dataclass(frozen=True)
class Old:
    """Where the rows of a rule are, which moment makes them old, what else they are to be: names and SQL of ours."""

    table: str
    moment: str
    only: str = "TRUE"


def sweep(receipt: Receipt, old: Old, *, limit: int, report: Report, pause_seconds: float = 0) -> int:
    """Delete what the receipt's rule calls old, `limit` rows in a statement; return how many went in the whole run.

    Of all tenants. Called again with the same receipt it goes on; two at once delete each row once. Where no pause is
    wanted, `report` is told of some batches at once: see `_ROUND`.
    """
    go_on = _delete_batch if pause_seconds or connection.in_atomic_block else _delete_round
    gone, done = _delete_batch(receipt, old, limit=limit)
    while gone:  # a short batch may be one of which another run took some
        report(done)
        time.sleep(pause_seconds)  # others get their turn at the disk
        gone, done = go_on(receipt, old, limit=limit)
    type(receipt).objects.filter(pk=receipt.pk, finished_at=None).update(finished_at=Now())
    return done


# By place and not by key: the rows need no second look-up. From where the batch before ended, or each would walk again
# over what is gone: what comes in meanwhile with an older moment goes in the next run.
# No batch waits for the disk: one that a crash of the server loses was never counted either, and goes again.
_DELETE = """
    WITH gone AS (
        DELETE FROM {table} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {table} WHERE {moment} < %(before)s AND {moment} >= coalesce(
                (SELECT newest_at FROM {receipts} WHERE id = %(receipt_id)s), '-infinity') AND {only}
            ORDER BY {moment} LIMIT %(limit)s
        )) RETURNING {moment} AS moment),
    told AS (SELECT count(*) AS count, min(moment) AS oldest, max(moment) AS newest,
        set_config('synchronous_commit', 'off', true) FROM gone)
    UPDATE {receipts} AS receipt
    SET count = receipt.count + told.count,
        oldest_at = least(oldest_at, oldest), newest_at = greatest(newest_at, newest)
    FROM told WHERE receipt.id = %(receipt_id)s RETURNING told.count, receipt.count"""


def _delete_batch(receipt: Receipt, old: Old, *, limit: int) -> tuple[int, int]:
    """Delete and count in one statement; return how many went, now and in the whole run."""
    statement = _DELETE.format(receipts=receipt._meta.db_table, **vars(old))  # noqa: SLF001 -- Django's own name
    with connection.cursor() as cursor:
        cursor.execute(statement, {"before": receipt.before, "limit": limit, "receipt_id": receipt.pk})
        gone, done = cursor.fetchone()
        return gone, done


# Batches of a quarter of a second in one call, each a transaction: without the way to the server and back, and planned
# once. A batch is all between two moments with at most `limit` rows in between, which the index alone tells; where
# more rows than that are of one moment, or another run was here, the exact statement has its turn.
_ROUND = """
    DO $round$
    DECLARE
        since timestamptz; border timestamptz; first_at timestamptz; last_at timestamptz; done bigint;
        deleted bigint; ends_at timestamptz := clock_timestamp() + interval '250 milliseconds';
    BEGIN
        LOOP
            PERFORM set_config('synchronous_commit', 'off', true);
            SELECT coalesce(newest_at, '-infinity') INTO since FROM {receipts} WHERE id = {receipt_id};
            SELECT coalesce((SELECT {moment} FROM {table} WHERE {moment} >= since AND {moment} < {before}
                ORDER BY {moment} OFFSET {limit} LIMIT 1), {before}) INTO border;
            SELECT min({moment}), max({moment}) INTO first_at, last_at
                FROM {table} WHERE {moment} >= since AND {moment} < border AND {only};
            DELETE FROM {table} WHERE {moment} >= since AND {moment} < border AND {only};
            GET DIAGNOSTICS deleted = ROW_COUNT;
            UPDATE {receipts} AS receipt SET count = receipt.count + deleted,
                oldest_at = least(oldest_at, first_at), newest_at = greatest(newest_at, last_at)
                WHERE deleted > 0 AND id = {receipt_id};
            IF deleted = 0 THEN
                {exact} INTO deleted, done;
            END IF;
            COMMIT;
            EXIT WHEN deleted = 0 OR clock_timestamp() > ends_at;
        END LOOP;
    END $round$"""


def _delete_round(receipt: Receipt, old: Old, *, limit: int) -> tuple[int, int]:
    """Delete and count some batches, each in a transaction; return how many rows went, now and in the whole run."""
    receipt.refresh_from_db(fields=["count"])
    before, receipts = receipt.count, receipt._meta.db_table  # noqa: SLF001 -- Django's own name
    values = {"before": _literal(receipt.before), "limit": limit, "receipt_id": receipt.pk}
    exact = _DELETE.format(receipts=receipts, **vars(old)) % values
    with connection.cursor() as cursor:
        cursor.execute(_ROUND.format(receipts=receipts, exact=exact, **values, **vars(old)))
    receipt.refresh_from_db(fields=["count"])
    return receipt.count - before, receipt.count


def _literal(moment: datetime) -> str:
    return f"timestamptz '{moment.isoformat()}'"  # a DO takes no parameters

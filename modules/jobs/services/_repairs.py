"""What `jobs_doctor --fix` does beyond the dispatcher's own passes; each is safe to repeat while everything runs."""

import logging
from datetime import datetime

from django.db import connection

from modules.jobs import selectors
from modules.jobs.models import Batch, ScheduleFiring
from modules.jobs.services._batches import settle_batches

log = logging.getLogger("backroom.jobs")


def mend_indexes() -> int:
    """Drop indexes that are invalid and make those that the models have and the database has not; return how many.

    Nobody waits for it: both are done while rows are read and written. Unique ones are left to a person.
    """
    invalid = selectors.sick_indexes().invalid
    for name in invalid:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {connection.ops.quote_name(name)}")
    missing = selectors.sick_indexes().missing
    for name in missing:
        model, index = selectors.model_indexes()[name]
        with connection.schema_editor(atomic=False) as editor:
            editor.add_index(model, index, concurrently=True)  # type: ignore[call-arg] # PostgreSQL's editor takes it
    log.info("dropped %d indexes, made %d", len(invalid), len(missing))
    return len({*invalid, *missing})


def mend_batches() -> int:
    """Open closed batches that have work left and close those whose members have ended; return how many changed."""
    wrong = selectors.closed_batches_with_work()
    opened = Batch.objects.filter(id__in=wrong).update(finished_at=None)
    return opened + settle_batches()


def mend_schedules(*, now: datetime) -> int:
    """Let schedules look at what they skipped by a wrong clock, and note what was never sent; return how many changed.

    A due time that has fired fires no second time: its row is there.
    """
    behind = selectors.schedules_ahead(now=now).update(evaluated_until=now)
    missed = {"outcome": ScheduleFiring.Outcome.MISSED, "reason": "No job was sent."}
    return behind + selectors.firings_without_job().update(**missed)

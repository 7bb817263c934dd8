"""What should not be in the tables, and what the database should have: the doctor asks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Index, Model, Q, QuerySet, UniqueConstraint
from django.db.models.options import Options

from modules.jobs.domain import ALIVE
from modules.jobs.models import Job, JobSchedule, ScheduleFiring
from modules.jobs.selectors._workers import living_workers

APP = "jobs"
AHEAD = timedelta(minutes=5)  # more than clocks differ


@dataclass(frozen=True)
class Indexes:
    """Names of indexes that are not as the models say, in order."""

    invalid: tuple[str, ...]
    """They cost each write and serve no read: their making was broken off."""
    missing: tuple[str, ...]
    missing_unique: tuple[str, ...]
    """What they should keep apart may be there twice by now."""


def _tables() -> "list[Options[Model]]":
    models = apps.get_app_config(APP).get_models()
    return [table for model in models if not (table := model._meta).proxy]  # noqa: SLF001 -- Django documents it


def model_indexes() -> dict[str, tuple[type[Model], Index]]:
    """Return what the models say of indexes that are not there to keep rows apart, by name."""
    return {index.name: (table.model, index) for table in _tables() for index in table.indexes}


def sick_indexes() -> Indexes:
    """Return which indexes of the platform's tables are invalid, and which are missing."""
    tables = _tables()
    unique = {rule.name for table in tables for rule in table.constraints if isinstance(rule, UniqueConstraint)}
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT index.relname, indisvalid FROM pg_index
            JOIN pg_class index ON index.oid = indexrelid JOIN pg_class owner ON owner.oid = indrelid
            WHERE owner.relname = ANY(%s) AND pg_table_is_visible(owner.oid) ORDER BY 1""",
            [[table.db_table for table in tables]],
        )
        there = dict(cursor.fetchall())
    return Indexes(
        invalid=tuple(name for name, is_valid in there.items() if not is_valid),
        missing=tuple(sorted(model_indexes().keys() - there.keys())),
        missing_unique=tuple(sorted(unique - there.keys())),
    )


def workers_before_migration(*, now: datetime) -> tuple[int, str]:
    """Return how many living workers started before the newest migration was applied, and its name."""
    newest = MigrationRecorder(connection).migration_qs.order_by("-applied", "-id").first()
    if newest is None:
        return 0, ""
    old = sum(worker.started_at < newest.applied for worker in living_workers(now=now))
    return old, f"{newest.app}.{newest.name}"


def closed_batches_with_work() -> list[UUID]:
    """Return batches that are closed although a member has not ended, or `on_finish` was never sent."""
    return _batch_ids(
        """SELECT batch.id FROM jobs_batch batch WHERE finished_at IS NOT NULL AND (
            callbacks ? 'finish' AND NOT sent ? 'finish' OR EXISTS (
                SELECT 1 FROM jobs_job WHERE batch_id = batch.id AND finished_at IS NULL)) ORDER BY id"""
    )


def batches_never_told() -> list[UUID]:
    """Return batches whose members have ended some seconds ago and that nobody has closed."""
    return _batch_ids(
        """SELECT batch.id FROM jobs_batch batch WHERE finished_at IS NULL
            AND created_at < clock_timestamp() - make_interval(secs => %(seconds)s) AND NOT EXISTS (
                SELECT 1 FROM jobs_job WHERE batch_id = batch.id AND (finished_at IS NULL
                    OR finished_at > clock_timestamp() - make_interval(secs => %(seconds)s))) ORDER BY id"""
    )


def _batch_ids(sql: str) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"seconds": settings.JOBS["BELL_SECONDS"] * 3})
        return [row[0] for row in cursor.fetchall()]


def firings_without_job() -> "QuerySet[ScheduleFiring]":
    """Return the due times that are down as fired although no job was sent."""
    return ScheduleFiring.objects.filter(outcome=ScheduleFiring.Outcome.FIRED, job_id=None)


def schedules_ahead(*, now: datetime) -> "QuerySet[JobSchedule]":
    """Return the schedules that believe to have looked at times that are still to come, and so would be silent."""
    return JobSchedule.objects.filter(evaluated_until__gt=now + AHEAD)


def waiting_runs_forgotten(*, now: datetime) -> list[str]:
    """Return the keys of schedules whose waiting run's turn came minutes ago and that no tick has sent."""
    waiting = JobSchedule.objects.filter(waiting_due_at__lt=now - AHEAD).order_by("key")
    jobs = Job.objects.filter(id__in=waiting.values("last_job_id"))
    busy = set(jobs.filter(Q(state__in=ALIVE) | Q(finished_at__gt=now - AHEAD)).values_list("id", flat=True))
    return [one.key for one in waiting if one.runs and one.last_job_id not in busy]

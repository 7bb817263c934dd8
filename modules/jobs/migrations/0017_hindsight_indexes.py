"""Indexes of what alert rules look back at, made while jobs run."""

from datetime import timedelta

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import F, Q
from django.db.models.lookups import GreaterThan


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0016_bulk_pace")]
    operations = [
        AddIndexConcurrently(
            model_name="attempt",
            index=models.Index(
                fields=["ended_at"],
                condition=Q(GreaterThan(F("ended_at") - F("started_at"), timedelta(seconds=10))),
                name="jobs_attempt_ran_long",
            ),
        ),
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                fields=["started_at"],
                include=("queue", "run_at"),
                condition=Q(GreaterThan(F("started_at") - F("run_at"), timedelta(seconds=10))),
                name="jobs_job_waited_long",
            ),
        ),
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                fields=["finished_at"],
                include=("actor", "created_at"),
                condition=Q(("attempt__gt", 1), ("finished_at__isnull", False)),
                name="jobs_job_tried_again",
            ),
        ),
        AddIndexConcurrently(
            model_name="runminute",
            index=models.Index(
                fields=["actor", "minute_at"], condition=Q(("outcome", "succeeded")), name="jobs_runminute_good"
            ),
        ),
    ]

"""Indexes for the console's lists, made while jobs run."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("jobs", "0001_squashed_0012_alert_kinds")]
    operations = [
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                fields=["actor", "id"],
                opclasses=["varchar_pattern_ops", "uuid_ops"],
                condition=models.Q(("finished_at__isnull", False)),
                name="jobs_job_ended_by_actor",
            ),
        ),
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                fields=["queue", "id"],
                opclasses=["varchar_pattern_ops", "uuid_ops"],
                condition=models.Q(("finished_at__isnull", False)),
                name="jobs_job_ended_by_queue",
            ),
        ),
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                fields=["id"], condition=models.Q(("state", "cancelled")), name="jobs_job_cancelled"
            ),
        ),
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                fields=["fingerprint", "tenant_id"],
                condition=models.Q(("state__in", ("failed", "quarantined"))),
                name="jobs_job_dead_by_cause",
            ),
        ),
    ]

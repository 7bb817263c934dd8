"""When a deleted document's file went from the storage.

Of documents that were deleted before nobody knows: the first run of `drafts.delete_files` makes sure of them, too.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False  # the index is made while documents are written

    dependencies = [("drafts", "0001_initial"), ("accounts", "0009_guests")]

    operations = [
        migrations.AddField(
            "document",
            "content_deleted_at",
            models.DateTimeField(blank=True, null=True, verbose_name="deleted from the storage"),
        ),
        AddIndexConcurrently(
            "document",
            models.Index(
                fields=["id"],
                condition=Q(deleted_at__isnull=False, content_deleted_at=None),
                name="drafts_document_doomed",
            ),
        ),
    ]

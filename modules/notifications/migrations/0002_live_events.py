import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_guests"),
        ("notifications", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="LiveEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("type", models.CharField(max_length=50, verbose_name="type")),
                ("payload", models.JSONField(default=dict, verbose_name="payload")),
                (
                    "transaction",
                    models.BigIntegerField(
                        db_default=models.Func(
                            template="pg_current_xact_id()::text::bigint",
                            function="",
                            output_field=models.BigIntegerField(),
                        ),
                        verbose_name="transaction",
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="created")),
                (
                    "tenant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="accounts.tenant",
                        verbose_name="tenant",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "live event",
                "verbose_name_plural": "live events",
                "indexes": [
                    models.Index(fields=["user", "tenant", "transaction", "id"], name="notifications_live_of"),
                    models.Index(fields=["created_at"], name="notifications_live_old"),
                ],
            },
        ),
    ]

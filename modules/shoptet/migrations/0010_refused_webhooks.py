from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("shoptet", "0009_errors_by_kind")]

    operations = [
        migrations.AddField(
            model_name="webhookevent",
            name="failures",
            field=models.PositiveSmallIntegerField(db_default=0, default=0, verbose_name="failed attempts"),
        ),
        migrations.AddField(
            model_name="webhookevent",
            name="next_try_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="next attempt"),
        ),
        migrations.AddField(
            model_name="webhookevent",
            name="reason",
            field=models.TextField(blank=True, db_default="", default="", verbose_name="what the shop refused"),
        ),
        migrations.AddIndex(
            model_name="webhookevent",
            index=models.Index(condition=~Q(reason=""), fields=["shop", "id"], name="shoptet_webhook_refused"),
        ),
    ]

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("customers", "0001_squashed_0004_account_changed")]

    operations = [
        migrations.AddField(
            model_name="customeraccount",
            name="deleted_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="deleted in the shop"),
        ),
    ]

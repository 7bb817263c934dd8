from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0007_batches'),
    ]

    operations = [
        migrations.AddField(
            model_name='bookmark',
            name='restart_asked_at',
            field=models.DateTimeField(null=True),
        ),
    ]

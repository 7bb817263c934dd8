import django.db.models
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # orders come in meanwhile

    dependencies = [
        ('orders', '0001_initial'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='orderitem',
            index=models.Index(condition=models.Q(('code', ''), _negated=True), fields=['tenant', 'code'], name='orders_item_code'),
        ),
    ]

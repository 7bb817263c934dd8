import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # nobody waits while these tables are read

    dependencies = [
        ('customers', '0002_identity_and_values'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='customeraccount',
            index=django.contrib.postgres.indexes.GinIndex(fields=['emails'], name='customers_account_emails'),
        ),
        AddIndexConcurrently(
            model_name='customermetrics',
            index=models.Index(fields=['tenant', 'segment'], name='customers_metrics_segment'),
        ),
        AddIndexConcurrently(
            model_name='customermetrics',
            index=models.Index(fields=['tenant', 'stale_at'], name='customers_metrics_stale'),
        ),
        AddIndexConcurrently(
            model_name='customermetrics',
            index=models.Index(condition=models.Q(('is_predicted', False)), fields=['tenant', 'id'], name='customers_metrics_to_predict'),
        ),
        AddConstraintNotValid(
            model_name='customer',
            constraint=models.CheckConstraint(condition=models.Q(('merged_into', models.F('id')), _negated=True), name='customers_customer_not_into_self'),
        ),
        ValidateConstraint('customer', 'customers_customer_not_into_self'),
    ]

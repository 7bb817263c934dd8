"""A guest is a member who has nothing but what is shared with them.

Nobody becomes one before the new code runs: the old one would take a role that it does not know for an operator's.
"""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_drafts_scopes")]

    operations = [
        migrations.RemoveConstraint("membership", "accounts_membership_role"),
        migrations.AddConstraint(
            "membership",
            models.CheckConstraint(
                condition=Q(role__in=["viewer", "operator", "admin", "guest"]), name="accounts_membership_role"
            ),
        ),
        migrations.AlterField(
            "membership",
            "role",
            models.CharField(
                choices=[("viewer", "Viewer"), ("operator", "Operator"), ("admin", "Admin"), ("guest", "Guest")],
                default="viewer",
                max_length=10,
                verbose_name="role",
            ),
        ),
    ]

from django.dispatch import Signal

metrics_recalculated = Signal()
"""A tenant's variants were recalculated. tenant_id: int. Sent after the commit of the recalculation's last step."""

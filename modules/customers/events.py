from django.dispatch import Signal

metrics_recalculated = Signal()
"""A tenant's figures were recalculated. tenant_id: int, customers: int (how many were looked at).

Sent after the commit of the recalculation's last step, once for each, so that open pages may ask again. A chunk
that failed on the way is told of by the jobs, not here.
"""

"""Incidents."""

from django.db.models import QuerySet

from modules.jobs.models import Alert


def open_alerts() -> "QuerySet[Alert]":
    """Return the incidents that are not over, with their rules, oldest first."""
    return Alert.objects.filter(closed_at__isnull=True).select_related("rule").order_by("opened_at", "id")

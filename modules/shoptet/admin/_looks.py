"""How a reading of a shop looks."""

from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from modules.kernel.console import badge, muted
from modules.shoptet.models import SnapshotExecution

Status = SnapshotExecution.Status

_LOOKS = {
    Status.QUEUED: ("hourglass_empty", "violet"),
    Status.REQUESTED: ("outgoing_mail", "blue"),
    Status.DOWNLOADING: ("download", "blue"),
    Status.PROCESSING: ("sync", "blue"),
    Status.WAITING: ("pause_circle", "amber"),
    Status.COMPLETED: ("check_circle", "green"),
    Status.ERROR: ("error", "red"),
}


def status_badge(execution: SnapshotExecution) -> SafeString:
    """Return the state of a reading as icon, word and color."""
    icon, tone = _LOOKS[Status(execution.status)]
    return badge(execution.get_status_display(), icon=icon, tone=tone)


def execution_link(execution: SnapshotExecution, text: Any) -> SafeString:
    """Return a link to an entry of the pipeline log."""
    url = reverse("admin:shoptet_snapshotexecution_change", args=[execution.pk])
    return format_html('<a class="bk-link" href="{}">{}</a>', url, text)


def job_link(job_id: UUID | None, text: Any) -> SafeString:
    """Return a link to the job that does or did the work."""
    if job_id is None:
        return muted("–")
    return format_html('<a class="bk-link" href="{}">{}</a>', reverse("admin:jobs_job_change", args=[job_id]), text)

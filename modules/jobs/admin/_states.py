"""How the states of jobs look, and where a job's page is."""

from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from modules.jobs.domain import Outcome, State
from modules.jobs.models import Attempt, Job
from modules.kernel.console import badge

LOOKS: dict[str, tuple[str, str]] = {  # icon, tone
    State.SCHEDULED: ("schedule", "gray"),
    State.QUEUED: ("hourglass_empty", "violet"),
    State.RUNNING: ("sync", "blue"),
    State.RETRYING: ("replay", "amber"),
    State.SUCCEEDED: ("check_circle", "green"),
    State.FAILED: ("error", "red"),
    State.CANCELLED: ("block", "gray"),
    State.QUARANTINED: ("dangerous", "darkred"),
}
_OUTCOME_LOOKS: dict[str, tuple[str, str]] = {
    Outcome.SUCCEEDED: ("check_circle", "green"),
    Outcome.FAILED: ("error", "red"),
    Outcome.TIMED_OUT: ("timer_off", "red"),
    Outcome.SNOOZED: ("snooze", "gray"),
    Outcome.RELEASED: ("undo", "gray"),
    Outcome.CANCELLED: ("block", "gray"),
    Outcome.CRASHED: ("dangerous", "darkred"),
}


def state_badge(job: Job) -> SafeString:
    """Return the job's state as icon, word and color."""
    icon, tone = LOOKS[job.state]
    return badge(job.get_state_display(), icon=icon, tone=tone)


def outcome_badge(attempt: Attempt) -> SafeString:
    """Return how a run ended as icon, word and color."""
    icon, tone = _OUTCOME_LOOKS[attempt.outcome]
    return badge(attempt.get_outcome_display(), icon=icon, tone=tone)


def job_link(job_id: UUID, text: Any) -> SafeString:
    """Return a link to a job's page."""
    return format_html('<a class="bk-link" href="{}">{}</a>', job_url(job_id), text)


def job_url(job_id: UUID) -> str:
    """Return the address of a job's page."""
    return reverse("admin:jobs_job_change", args=[job_id])


def short(job_id: UUID) -> str:
    """Return the part of an id that tells jobs apart at a glance: the random end, as the front is the time."""
    return f"…{str(job_id)[-8:]}"

"""How people and what became of their summaries and exports look."""

from typing import Any

from django.utils.safestring import SafeString

from modules.kernel.console import badge, muted, two_lines
from modules.reports.models import Export, WeeklySummary

_EXPORTS = {
    Export.State.PENDING: ("hourglass_empty", "violet"),
    Export.State.READY: ("check_circle", "green"),
    Export.State.FAILED: ("error", "red"),
    Export.State.REVOKED: ("block", "gray"),
    Export.State.EXPIRED: ("timer_off", "gray"),
}
_SUMMARIES = {
    WeeklySummary.Outcome.TAKEN: ("hourglass_empty", "violet"),
    WeeklySummary.Outcome.MAILED: ("mail", "green"),
    WeeklySummary.Outcome.EMPTY: ("do_not_disturb_on", "gray"),
    WeeklySummary.Outcome.UNREACHABLE: ("error", "amber"),
}


def export_badge(export: Export) -> SafeString:
    """Return what became of an export as icon, word and color."""
    icon, tone = _EXPORTS[Export.State(export.state)]
    return badge(export.get_state_display(), icon=icon, tone=tone, title=export.get_reason_display())


def summary_badge(summary: WeeklySummary) -> SafeString:
    """Return what became of a person's week as icon, word and color."""
    icon, tone = _SUMMARIES[WeeklySummary.Outcome(summary.outcome)]
    return badge(summary.get_outcome_display(), icon=icon, tone=tone)


def person(user: Any) -> SafeString:
    """Return somebody's name with their address, or a dash for who has left."""
    return two_lines(user.get_username(), user.email) if user else muted("–")

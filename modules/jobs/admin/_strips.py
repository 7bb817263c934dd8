"""The last runs of schedules as small strips: the color says how one ended, the height how long it took."""

from collections.abc import Sequence
from math import log10
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from modules.jobs import selectors
from modules.jobs.admin._states import LOOKS
from modules.jobs.domain import DEAD_LETTERS, State
from modules.jobs.models import Job, ScheduleFiring
from modules.jobs.selectors import PastRun
from modules.kernel.console import Mark, duration, strip, visible_tenant_ids

RUNS = 24
_TONES = {
    ScheduleFiring.Outcome.OVERLAPPED: "amber",
    ScheduleFiring.Outcome.MISSED: "amber",
    ScheduleFiring.Outcome.HOLIDAY: "gray",
    ScheduleFiring.Outcome.UNSUPPORTED: "red",
}


def run_strips(schedule_ids: Sequence[int]) -> dict[int, Any]:
    """Return each schedule's strip, "" for one that was never due; one query for all of them."""
    found = selectors.last_runs(schedule_ids, limit=RUNS, tenant_ids=visible_tenant_ids())
    return {schedule_id: _strip(runs) if runs else "" for schedule_id, runs in found.items()}


def _strip(runs: list[PastRun]) -> Any:
    longest = max(_size(run) for run in runs) or 1
    bad = sum(_is_bad(run) for run in runs)
    label = ngettext("%(count)d run", "%(count)d runs", len(runs)) % {"count": len(runs)}
    label = _("%(runs)s, gone wrong or missed: %(bad)d") % {"runs": label, "bad": bad}
    return strip([_mark(run, longest) for run in runs], label=label)


def _mark(run: PastRun, longest: float) -> Mark:
    tone = LOOKS[run.state][1] if run.state else _TONES.get(ScheduleFiring.Outcome(run.outcome), "gray")
    word = Job.State(run.state).label if run.state else ScheduleFiring.Outcome(run.outcome).label
    at = date_format(timezone.localtime(run.due_at), pgettext("date format", "D j N H:i"))
    took = f", {duration(run.took)}" if run.took is not None else ""
    return Mark(tone, 1 if _is_bad(run) else _size(run) / longest, f"{at}: {word}{took}")


def _size(run: PastRun) -> float:
    """Return how tall a run is: by tens, or one that took an hour would hide all others."""
    return log10(1 + run.took.total_seconds() * 10) if run.took else 0


def _is_bad(run: PastRun) -> bool:
    if run.state:
        return run.state in {*DEAD_LETTERS, State.CANCELLED}
    return run.outcome in {ScheduleFiring.Outcome.MISSED, ScheduleFiring.Outcome.UNSUPPORTED}

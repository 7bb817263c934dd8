"""The platform's part of the home page: a handful of bounded questions, however many jobs there are."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from modules.jobs.admin._states import LOOKS
from modules.jobs.domain import DEAD_LETTERS, State
from modules.jobs.models import Job, JobSchedule, Worker
from modules.jobs.selectors import QueueFigures, RunsOfMinute, open_alerts, queue_figures, runs_by_minute
from modules.kernel import clock
from modules.kernel.console import (
    Bar,
    Card,
    Column,
    bars,
    column_chart,
    duration,
    first_line,
    of_visible_tenants,
    visible_tenant_ids,
)

RECENT = timedelta(hours=24)
CAUSES = 5
RECENT_CAP = 50_000  # of the newest jobs; the chart is a share, not an account


def home(request: HttpRequest) -> dict[str, Any]:
    """Return the cards and charts that this reader may see."""
    now = clock.now()
    if not request.user.has_perm("jobs.view_job"):
        return {"cards": _schedule_cards(request), "charts": []}
    queues = queue_figures(tenant_ids=visible_tenant_ids())
    causes = {
        "title": _("Failed in 24 hours, by cause"),
        "rows": _by_cause(now),
        "empty": _("Nothing failed."),
        "wide": True,
    }
    return {
        "cards": [
            *_job_cards(queues, now),
            *_alert_cards(request),
            *_schedule_cards(request),
            *_worker_cards(request, now),
        ],
        "charts": [
            *_pace(now),
            {"title": _("Jobs of the last 24 hours"), "rows": _by_state(now), "empty": _("No job was sent.")},
            {"title": _("Queues"), "rows": _by_queue(queues, now), "empty": _("Nothing waits and nothing runs.")},
            causes,
        ],
    }


def _jobs() -> "QuerySet[Job]":
    return of_visible_tenants(Job.objects.order_by())


def _list(**filters: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return f"{reverse('admin:jobs_job_changelist')}{f'?{query}' if query else ''}"


def _job_cards(queues: list[QueueFigures], now: datetime) -> list[Card]:
    counts = sum((Counter(row.states) for row in queues), Counter[str]())
    oldest = min((row.oldest_queued_at for row in queues if row.oldest_queued_at), default=None)
    failed = _jobs().filter(state__in=DEAD_LETTERS, finished_at__gt=now - RECENT)
    failures, causes = failed.aggregate(jobs=Count("id"), causes=Count("fingerprint", distinct=True)).values()
    waiting = _("the oldest for %s") % duration(now - oldest) if oldest else _("nothing waits")
    note = ngettext("%d cause", "%d causes", causes) % causes if failures else _("none")
    failed_url = reverse("admin:jobs_failedjob_changelist")
    return [
        Card(_("Running"), counts[State.RUNNING], "sync", "blue", _list(state=State.RUNNING)),
        Card(_("Waiting"), counts[State.QUEUED], "hourglass_empty", "violet", _list(state=State.QUEUED), waiting),
        Card(_("Failed in 24 h"), failures, "error", "red" if failures else "green", failed_url, note),
    ]


def _alert_cards(request: HttpRequest) -> list[Card]:
    if not request.user.has_perm("jobs.view_alert") or visible_tenant_ids() is not None:
        return []
    url, count = f"{reverse('admin:jobs_alert_changelist')}?state=open", open_alerts().count()
    icon, tone = ("notifications_active", "red") if count else ("notifications", "green")
    return [Card(_("Alerts"), count, icon, tone, url, "" if count else _("nothing is wrong"))]


def _schedule_cards(request: HttpRequest) -> list[Card]:
    if not request.user.has_perm("jobs.view_jobschedule"):
        return []
    broken = JobSchedule.objects.exclude(problem="").count()
    url, tone = reverse("admin:jobs_jobschedule_changelist"), "red" if broken else "green"
    note = _("out of %d") % JobSchedule.objects.count()
    return [Card(_("Schedule problems"), broken, "event_busy" if broken else "event", tone, url, note)]


def _worker_cards(request: HttpRequest, now: datetime) -> list[Card]:
    if not request.user.has_perm("jobs.view_worker"):
        return []
    up = Worker.objects.filter(stopped_at=None, lease_until__gt=now).count()
    note = "" if up else _("nothing runs until one starts")
    return [
        Card(_("Workers"), up, "memory", "green" if up else "red", reverse("admin:jobs_worker_changelist"), note),
    ]


def _by_state(now: datetime) -> list[Bar]:
    first = UUID(int=int((now - RECENT).timestamp() * 1000) << 80)  # ids begin with their time
    recent = _jobs().filter(id__gte=first)
    edge = recent.order_by("-id").values_list("id", flat=True)[RECENT_CAP : RECENT_CAP + 1].first()
    newest = recent if edge is None else recent.filter(id__gt=edge)
    counts = Counter(dict(newest.values_list("state").annotate(count=Count("id"))))
    rows = [
        Bar(word, counts[state], *LOOKS[state], _list(state=state))
        for state, word in Job.State.choices
        if counts[state]
    ]
    return bars(rows)


def _pace(now: datetime) -> list[dict[str, Any]]:
    """Return the chart of the last hour's runs; they are counted for all tenants together."""
    if visible_tenant_ids() is not None:
        return []
    minutes = runs_by_minute(now=now)
    total, failed = sum(row.runs for row in minutes), sum(row.failed for row in minutes)
    label = _("in the last hour: %(runs)d, failed: %(failed)d") % {"runs": total, "failed": failed}
    columns = [_column(row) for row in minutes]
    top = str(max(row.runs for row in minutes) or "")
    drawing = column_chart(columns, label=label, top=top) if total else ""
    return [
        {"title": _("Runs by minute"), "note": label, "drawing": drawing, "empty": _("No run ended."), "wide": True}
    ]


def _column(row: RunsOfMinute) -> Column:
    at = timezone.localtime(row.minute_at)
    text = _("%(time)s: runs %(runs)d, failed %(failed)d") % {
        "time": f"{at:%H:%M}",
        "runs": row.runs,
        "failed": row.failed,
    }
    return Column(f"{at:%H:%M}", row.runs, text, bad=row.failed)


def _by_cause(now: datetime) -> list[Bar]:
    failed = _jobs().filter(state__in=DEAD_LETTERS, finished_at__gt=now - RECENT)
    groups = failed.values("fingerprint", "error_type").annotate(count=Count("id"), message=Max("error_message"))
    place = reverse("admin:jobs_failedjob_changelist")
    rows = [
        Bar(
            group["error_type"],
            group["count"],
            "error",
            "red",
            f"{place}?fingerprint={group['fingerprint']}",
            first_line(group["message"], length=60),
        )
        for group in groups.order_by("-count", "fingerprint")[:CAUSES]
    ]
    return bars(rows)


def _by_queue(queues: list[QueueFigures], now: datetime) -> list[Bar]:
    rows = [
        Bar(
            row.queue,
            sum(row.states.values()),
            "layers",
            "violet",
            _list(queue=row.queue),
            _("oldest waits %s") % duration(now - row.oldest_queued_at) if row.oldest_queued_at else "",
        )
        for row in queues
    ]
    return bars(rows)

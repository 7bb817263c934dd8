"""What a rule would have told of in the last seven days, with limits that nobody has saved yet."""

from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from modules.jobs import selectors
from modules.jobs.domain import LIMITS, AlertKind, InvalidRule, rule_params
from modules.jobs.models import LONG, AlertRule
from modules.jobs.selectors import LOOKED_AT, BlindSpot, PastIncident
from modules.kernel import clock
from modules.kernel.console import Column, ConsoleAdmin, column_chart, duration, long_moment

DAYS = 7
LISTED = 20
SHOWN_SUBJECT = 80  # characters


def unit_of(rule: AlertRule) -> str | None:
    """Return the name of the rule's one number, None where it has none."""
    return next(iter(LIMITS.get(AlertKind(rule.kind), {})), None)


def typed_params(rule: AlertRule, *, limit: int | None, only: str) -> dict[str, Any]:
    """Return the limits that a form's fields mean; empty where the code's count."""
    unit, names = unit_of(rule), [name.strip() for name in only.split(",") if name.strip()]
    return {**({unit: limit} if unit and limit is not None else {}), **({"only": names} if names else {})}


def preview_page(admin: ConsoleAdmin, request: HttpRequest, object_id: str) -> HttpResponseBase:
    """Answer with the page that looks back; the rule's own page takes its middle part, as somebody types."""
    rule = admin.get_object(request, object_id)
    if not admin.has_view_permission(request, rule):
        raise PermissionDenied
    if rule is None:
        raise Http404
    context = {
        **admin.admin_site.each_context(request),
        "title": rule.get_kind_display(),
        "opts": admin.opts,
        "preview": _preview(rule, request, now=clock.now()),
        "back": reverse("admin:jobs_alertrule_change", args=[rule.pk]),
    }
    return TemplateResponse(request, "jobs/alert_preview.html", context)


def _preview(rule: AlertRule, request: HttpRequest, *, now: datetime) -> dict[str, Any]:
    """Return what the page says: a sentence, a chart and the newest incidents, or what is wrong."""
    limit = request.GET.get("limit", "").strip()
    if limit and not (limit.isdecimal() and len(limit) <= 9):
        return {"problem": _("The limit is a whole number.")}
    changed = typed_params(rule, limit=int(limit) if limit else None, only=request.GET.get("only", ""))
    try:
        params = rule_params(rule.kind, {**rule.default_params, **changed})
        since = now - timedelta(days=DAYS)
        found = selectors.past_incidents(AlertKind(rule.kind), params, since=since, now=now)
    except InvalidRule as error:
        return {"problem": str(error)}
    except OperationalError:
        return {"problem": _("The ledger is too busy to look back now. Try again in a minute.")}
    if found is None:
        return {"problem": _("This rule is told of by a command; nothing is kept to look back at.")}
    return _shown(found, now=now) | {"note": _note(selectors.blind_spot(AlertKind(rule.kind), params))}


def _note(blind_spot: BlindSpot | None) -> str:
    values = {"seconds": int(LONG.total_seconds()), "count": number_format(LOOKED_AT, force_grouping=True)}
    if blind_spot == BlindSpot.LEFT_OUT:
        return _("Jobs that waited under %(seconds)d s are left out.") % values
    if blind_spot == BlindSpot.SAMPLED:
        return _("What took under %(seconds)d s was looked for among the newest %(count)s jobs alone.") % values
    return ""


def _shown(found: list[PastIncident], *, now: datetime) -> dict[str, Any]:
    texts = (
        "With these limits it would have told %(count)s time.",
        "With these limits it would have told %(count)s times.",
    )
    said = ngettext(*texts, len(found)) % {"count": number_format(len(found), force_grouping=True)}
    return {
        "said": said if found else _("With these limits it would have told of nothing."),
        "chart": _chart(found, label=said, now=now) if found else "",
        "rows": [_row(one, now=now) for one in found[:LISTED]],
        "more": max(0, len(found) - LISTED),
    }


def _chart(found: list[PastIncident], *, label: str, now: datetime) -> Any:
    hours = selectors.per_hour(found, now=now, hours=24 * DAYS)
    columns = [_column(start, count) for start, count in hours]
    return column_chart(columns, label=label, tone="red", labels=DAYS, top=str(max(count for _start, count in hours)))


def _column(start: datetime, count: int) -> Column:
    local = timezone.localtime(start)
    text = _("%(time)s: going on %(count)d") % {
        "time": date_format(local, pgettext("date format", "D j N H:i")),
        "count": count,
    }
    return Column(date_format(local, "D"), count, text)


def _row(one: PastIncident, *, now: datetime) -> tuple[str, Any, str]:
    subject = one.subject if len(one.subject) <= SHOWN_SUBJECT else f"{one.subject[: SHOWN_SUBJECT - 1]}…"
    lasted = duration((one.closed_at or now) - one.opened_at)
    return subject, long_moment(one.opened_at), lasted if one.closed_at else _("%s until now") % lasted

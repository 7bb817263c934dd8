"""What alerts and the runs ahead say to people."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override, pgettext

from modules.jobs.domain import AlertKind, Due
from modules.jobs.models import Alert, AlertRule

OPENED, CLOSED = "opened", "closed"

_TEXTS = {
    AlertKind.FAILURES_IN_ROW: gettext_noop("%(subject)s failed %(value)d times in a row"),
    AlertKind.QUEUE_LENGTH: gettext_noop("The queue %(subject)s has %(value)d ready jobs"),
    AlertKind.QUEUE_MONITOR: gettext_noop("The queue %(subject)s has %(value)d ready jobs"),
    AlertKind.QUEUE_WAIT: gettext_noop("The queue %(subject)s has made a job wait for %(value)d s"),
    AlertKind.JOB_RUNS_LONG: gettext_noop("%(subject)s has been running for %(value)d s"),
    AlertKind.SCHEDULE_MISSED: gettext_noop("The schedule %(subject)s missed its time or cannot run"),
    AlertKind.NO_WORKER: gettext_noop("No worker serves the queue %(subject)s, where %(value)d jobs wait"),
    AlertKind.REPLAY_STOPPED: gettext_noop("The replay %(subject)s has stopped: %(value)d jobs failed again"),
    AlertKind.JOB_WAITS_LONG: gettext_noop("A job of %(subject)s was sent %(value)d s ago, has run and waits again"),
    AlertKind.QUARANTINED: gettext_noop("%(subject)s has %(value)d jobs in quarantine: their workers died"),
}


def alert_lines(alert: Alert, *, event: str = OPENED) -> tuple[str, str]:
    """Return a message's subject and its text, in the product's language, whoever caused it."""
    with override(settings.LANGUAGE_CODE):
        return _lines(alert, event=event)


def say_alert(alert: Alert) -> str:
    """Return what is wrong, in the reader's language."""
    return say_finding(alert.rule, alert.subject, alert.last_value)


def say_finding(rule: AlertRule, subject: str, value: float) -> str:
    """Return what a rule has found, in the reader's language."""
    return _(_TEXTS[AlertKind(rule.kind)]) % {"subject": subject, "value": value}


def _lines(alert: Alert, *, event: str) -> tuple[str, str]:
    what = say_alert(alert)
    title = _("Over: %(what)s") % {"what": what} if event == CLOSED else what
    since = _("Since %(when)s.") % {"when": f"{alert.opened_at:%Y-%m-%d %H:%M} UTC"}
    until = _("Over at %(when)s.") % {"when": f"{alert.closed_at:%Y-%m-%d %H:%M} UTC"} if alert.closed_at else ""
    rule = _("Rule: %(key)s") % {"key": alert.rule.key}
    lines = [title, since, *([until] if event == CLOSED and until else []), rule]
    return title, "\n".join(lines)


def due_note(one: Due, *, timezone: str) -> str:
    """Return why something runs then and not at its time, or not at all; "" for an ordinary run."""
    if one.day_off:
        return _day_off_note(one, timezone=timezone)
    shown, time = one.at.astimezone(ZoneInfo(timezone)), f"{one.local:%H:%M}"
    if one.is_skipped:
        return _("left out: the clocks skip %s") % time
    if shown.replace(tzinfo=None) != one.local:
        return _("instead of %s, which the clocks skip") % time
    return _which_of_two(shown, time)


def _which_of_two(shown: datetime, time: str) -> str:
    if shown.utcoffset() == shown.replace(fold=not shown.fold).utcoffset():
        return ""
    return (_("the second %s of two") if shown.fold else _("the first %s of two")) % time


def _day_off_note(one: Due, *, timezone: str) -> str:
    day = _(one.day_off)  # a weekday's name, which Django knows; that of a holiday has its language already
    if one.moved_to is None:
        return _("left out: %s") % day
    when = date_format(one.moved_to.astimezone(ZoneInfo(timezone)), pgettext("date format", "D j N H:i"))
    return _("%(day)s, moved to %(when)s") % {"day": day, "when": when}

"""What alerts say to people."""

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override

from modules.jobs.domain import AlertKind
from modules.jobs.models import Alert

OPENED, CLOSED = "opened", "closed"

_TEXTS = {
    AlertKind.FAILURES_IN_ROW: gettext_noop("%(subject)s failed %(value)d times in a row"),
    AlertKind.QUEUE_LENGTH: gettext_noop("The queue %(subject)s has %(value)d ready jobs"),
    AlertKind.QUEUE_MONITOR: gettext_noop("The queue %(subject)s has %(value)d ready jobs"),
    AlertKind.QUEUE_WAIT: gettext_noop("The queue %(subject)s has made a job wait for %(value)d s"),
    AlertKind.JOB_RUNS_LONG: gettext_noop("%(subject)s has been running for %(value)d s"),
    AlertKind.SCHEDULE_MISSED: gettext_noop("The schedule %(subject)s missed its time or cannot run"),
    AlertKind.NO_WORKER: gettext_noop("No worker serves the queue %(subject)s, where %(value)d jobs wait"),
    AlertKind.QUARANTINED: gettext_noop("%(subject)s has %(value)d jobs in quarantine: their workers died"),
}


def alert_lines(alert: Alert, *, event: str = OPENED) -> tuple[str, str]:
    """Return a message's subject and its text, in the product's language, whoever caused it."""
    with override(settings.LANGUAGE_CODE):
        return _lines(alert, event=event)


def _lines(alert: Alert, *, event: str) -> tuple[str, str]:
    what = _(_TEXTS[AlertKind(alert.rule.kind)]) % {"subject": alert.subject, "value": alert.last_value}
    title = _("Over: %(what)s") % {"what": what} if event == CLOSED else what
    since = _("Since %(when)s.") % {"when": f"{alert.opened_at:%Y-%m-%d %H:%M} UTC"}
    until = _("Over at %(when)s.") % {"when": f"{alert.closed_at:%Y-%m-%d %H:%M} UTC"} if alert.closed_at else ""
    rule = _("Rule: %(key)s") % {"key": alert.rule.key}
    lines = [title, since, *([until] if event == CLOSED and until else []), rule]
    return title, "\n".join(lines)

"""Incidents: opened once, told once to each channel, closed with a word when they are over."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any

from django.conf import settings
from django.core.mail import mail_admins
from django.db import transaction

from modules.jobs import clients, selectors
from modules.jobs.domain import PLATFORM_RULES, AlertKind, Channel, InvalidRule, rule_params
from modules.jobs.events import alert_closed, alert_opened
from modules.jobs.models import Alert, AlertRule, Streak
from modules.jobs.registry import all_specs
from modules.jobs.selectors import QueueState
from modules.jobs.services._enqueue import enqueue
from modules.jobs.services._texts import CLOSED, OPENED, alert_lines
from modules.kernel import clock
from modules.kernel.secrets import decrypt, encrypt

log = logging.getLogger("backroom.alerts")

SUBJECTS_AT_MOST = 100  # incidents of one rule at a time: a thousand would say no more than a hundred
SUBJECT_LENGTH = 300
NOTIFY_QUEUE = "high"

Params = Mapping[str, Any]
Findings = Mapping[str, float]
"""What is wrong now: the value by subject."""


def sync_alert_rules() -> int:
    """Bring the code's rules into the database and return how many there are; operators' changes stay."""
    for rule in PLATFORM_RULES:
        defaults = {
            "kind": rule.kind,
            "default_params": dict(rule.params),
            "default_channels": [str(channel) for channel in rule.channels],
        }
        AlertRule.objects.update_or_create(key=rule.key, defaults=defaults)
    return len(PLATFORM_RULES)


def set_webhook(*, key: str, url: str) -> None:
    """Keep the address that this rule's webhook channel calls, encrypted; "" goes back to ALERT_WEBHOOK_URL."""
    AlertRule.objects.filter(pk=AlertRule.objects.get(key=key).pk).update(webhook_secret=encrypt(url) if url else "")


def change_rule(
    key: str, *, params: dict[str, Any] | None, channels: list[str] | None, is_enabled: bool | None
) -> None:
    """Keep an operator's changes, None where the code's default counts; the next evaluation follows them.

    Raises InvalidRule, AlertRule.DoesNotExist.
    """
    with transaction.atomic():
        rule = AlertRule.objects.select_for_update().get(key=key)
        rule_params(rule.kind, {**rule.default_params, **(params or {})})
        rule.params, rule.channels, rule.is_enabled = params, channels, is_enabled
        rule.save(update_fields=["params", "channels", "is_enabled"])


def rule_findings(rule: AlertRule, *, now: datetime) -> Findings:
    """Return what a rule finds now, by its saved limits, whether it is on or off; changes nothing."""
    if rule.kind == AlertKind.QUEUE_MONITOR:
        return {}
    try:
        return _find(rule, rule_params(rule.kind, rule.effective_params), _Look(now))
    except InvalidRule:
        return {}


def evaluate_alerts(*, now: datetime) -> int:
    """Open what is wrong, close what is over, and return how many incidents changed.

    Safe to repeat and to run in many processes: a rule is held by one of them, and an open incident is unique.
    A rule whose parameters make no sense is marked and passed over.
    """
    keys = list(AlertRule.objects.order_by("key").values_list("key", flat=True))
    look = _Look(now)
    return sum(_evaluate(key, look) for key in keys)


class _Look:
    """What several rules ask of the ledger, read once."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    @cached_property
    def ready(self) -> Mapping[str, QueueState]:
        """Return the ready jobs by queue."""
        return selectors.ready_jobs()

    @cached_property
    def served(self) -> set[str]:
        """Return the queues that a living worker listens to."""
        return selectors.served_queues(now=self.now)


def monitor_queues(queues: Sequence[str], *, most: int, now: datetime) -> dict[str, int]:
    """Return how many ready jobs each of the queues has, and open or close the incident of each by `most`."""
    ready = selectors.ready_jobs()
    lengths = {queue: ready[queue].count if queue in ready else 0 for queue in queues}
    defaults = {"kind": AlertKind.QUEUE_MONITOR, "default_channels": [str(Channel.WEBHOOK)]}
    with transaction.atomic():
        AlertRule.objects.get_or_create(key="jobs.queue_monitor", defaults=defaults)
        rule = AlertRule.objects.select_for_update().get(key="jobs.queue_monitor")
        over = {queue: float(length) for queue, length in lengths.items() if length > most}
        _reconcile(rule, over if rule.watches else {}, among=queues, now=now)
    return lengths


def _evaluate(key: str, look: _Look) -> int:
    with transaction.atomic():
        rule = AlertRule.objects.select_for_update(skip_locked=True).filter(key=key).first()
        if rule is None or rule.kind == AlertKind.QUEUE_MONITOR:
            return 0
        try:
            params = rule_params(rule.kind, rule.effective_params)
        except InvalidRule as error:
            _mark(rule, str(error))
            return 0
        _mark(rule, "")
        return _reconcile(rule, _find(rule, params, look) if rule.watches else {}, now=look.now)


def _mark(rule: AlertRule, problem: str) -> None:
    if rule.problem != problem:
        rule.problem = problem[:500]
        rule.save(update_fields=["problem"])


def _find(rule: AlertRule, params: Params, look: _Look) -> Findings:
    found = _FINDERS[AlertKind(rule.kind)](params, look)
    if only := params["only"]:
        found = {subject: value for subject, value in found.items() if subject.split(" ")[0] in only}
    # Those that are already open come first, so that the limit never closes an incident that goes on.
    known = set(Alert.objects.filter(rule=rule, closed_at__isnull=True).values_list("subject", flat=True))
    ranked = sorted(found.items(), key=lambda item: (item[0] not in known, -item[1], item[0]))
    return dict(ranked[:SUBJECTS_AT_MOST])


def _reconcile(rule: AlertRule, findings: Findings, *, now: datetime, among: Sequence[str] | None = None) -> int:
    """Make the open incidents of the rule those of `findings` (of the subjects `among`, or all); return the changes."""
    open_now = Alert.objects.filter(rule=rule, closed_at__isnull=True)
    open_alerts = {alert.subject: alert for alert in open_now if among is None or alert.subject in among}
    for subject in open_alerts.keys() & findings.keys():
        _update_value(open_alerts[subject], findings[subject])
    opened = sorted(findings.keys() - open_alerts.keys())
    for subject in opened:
        _open(rule, subject, value=findings[subject], now=now)
    closed = sorted(open_alerts.keys() - findings.keys())
    for subject in closed:
        _close(rule, open_alerts[subject], now=now)
    return len(opened) + len(closed)


def _update_value(alert: Alert, value: float) -> None:
    if alert.last_value != value:
        alert.last_value = value
        alert.save(update_fields=["last_value"])


def _open(rule: AlertRule, subject: str, *, value: float, now: datetime) -> None:
    alert = Alert.objects.create(rule=rule, subject=subject[:SUBJECT_LENGTH], opened_at=now, last_value=value)
    _tell(rule, alert, event=OPENED)
    log.warning("alert=%d rule=%s opened: %s", alert.id, rule.key, alert_lines(alert)[0])
    _announce(alert_opened, alert, rule)


def _close(rule: AlertRule, alert: Alert, *, now: datetime) -> None:
    alert.closed_at = now
    alert.save(update_fields=["closed_at"])
    if rule.watches:
        _tell(rule, alert, event=CLOSED)
    log.info("alert=%d rule=%s closed: %s", alert.id, rule.key, alert_lines(alert)[0])
    _announce(alert_closed, alert, rule)


def _announce(signal: Any, alert: Alert, rule: AlertRule) -> None:
    payload = {"alert_id": alert.id, "rule": rule.key, "subject": alert.subject}
    transaction.on_commit(partial(signal.send_robust, sender=Alert, **payload), robust=True)


def _tell(rule: AlertRule, alert: Alert, *, event: str) -> None:
    """Send a job for each channel, which commits with the incident; one that leads nowhere is noted as such."""
    for channel in rule.effective_channels:
        if _leads_somewhere(rule, channel):
            arguments = {"alert_id": alert.id, "event": event, "channel": channel}
            enqueue("jobs.notify", kwargs=arguments, queue=_served_queue(), tags=[f"alert:{alert.id}"])
        else:
            _note(alert, event=event, channel=channel, what="not configured")
            log.warning("alert=%d is told to nobody by %s: it is not configured", alert.id, channel)


def _leads_somewhere(rule: AlertRule, channel: str) -> bool:
    match channel:
        case Channel.EMAIL:
            return bool(settings.ADMINS)
        case Channel.WEBHOOK:
            return bool(rule.webhook_secret or settings.JOBS["WEBHOOK_SECRET"])
    return False


def _served_queue() -> str:
    """Return the queue for messages: another one when nobody serves it, which may be what the message says."""
    served = selectors.served_queues(now=clock.now())
    return NOTIFY_QUEUE if NOTIFY_QUEUE in served or not served else min(served)


def notify(*, alert_id: int, event: str, channel: str, now: datetime) -> bool:
    """Tell one channel that an incident began ("opened") or is over ("closed"); return False when it was told before.

    Raises WebhookUnavailable, OSError and SMTP errors, after which another try tells it; WebhookRefused.
    """
    alert = Alert.objects.select_related("rule").get(id=alert_id)
    if f"{event}:{channel}" in alert.notified:
        return False
    subject, text = alert_lines(alert, event=event)
    if channel == Channel.EMAIL:
        mail_admins(subject, text)
    else:
        clients.post_webhook(
            _webhook_url(alert.rule), text=text, may_be_private=settings.JOBS["WEBHOOK_MAY_BE_PRIVATE"]
        )
    _note(alert, event=event, channel=channel, what=now.isoformat())
    return True


def _webhook_url(rule: AlertRule) -> str:
    return decrypt(rule.webhook_secret) if rule.webhook_secret else str(settings.JOBS["WEBHOOK_SECRET"])


def _note(alert: Alert, *, event: str, channel: str, what: str) -> None:
    """Remember who was told; on the row as it is now, because two channels' jobs may run at once."""
    with transaction.atomic():
        row = Alert.objects.select_for_update().get(id=alert.id)
        row.notified = {**row.notified, f"{event}:{channel}": what}
        row.save(update_fields=["notified"])


def _failures_in_row(params: Params, _look: _Look) -> Findings:
    # An actor that the code no longer has will not run again, and so could never end its streak.
    actors = [spec.name for spec in all_specs()]
    found = Streak.objects.filter(failures__gte=max(params["times"], 1), actor__in=actors)
    return {row.actor: float(row.failures) for row in found}


def _queue_length(params: Params, look: _Look) -> Findings:
    return {queue: float(row.count) for queue, row in look.ready.items() if row.count > params["over"]}


def _queue_wait(params: Params, look: _Look) -> Findings:
    waits = {queue: (look.now - row.oldest_at).total_seconds() for queue, row in look.ready.items()}
    return {queue: seconds for queue, seconds in waits.items() if seconds > params["seconds"]}


def _job_runs_long(params: Params, look: _Look) -> Findings:
    before = look.now - timedelta(seconds=params["seconds"])
    found = selectors.long_runs(started_before=before, limit=SUBJECTS_AT_MOST)
    return {f"{job.actor} {job.id}": (look.now - job.started_at).total_seconds() for job in found if job.started_at}


def _schedule_missed(params: Params, look: _Look) -> Findings:
    lags = selectors.schedule_lags(now=look.now)
    late = {key: lag for key, lag in lags.items() if lag > params["seconds"]}
    return {**dict.fromkeys(selectors.stuck_schedules(), 0.0), **late}


def _no_worker(params: Params, look: _Look) -> Findings:
    unserved = {queue: row for queue, row in look.ready.items() if queue not in look.served}
    patience = timedelta(seconds=params["seconds"])
    return {queue: float(row.count) for queue, row in unserved.items() if look.now - row.oldest_at > patience}


def _quarantined(params: Params, _look: _Look) -> Findings:
    return {actor: float(count) for actor, count in selectors.quarantined_jobs().items() if count > params["over"]}


def _replay_stopped(params: Params, _look: _Look) -> Findings:
    found = selectors.failed_replays(limit=SUBJECTS_AT_MOST)
    return {str(one)[:SUBJECT_LENGTH]: float(one.failed) for one in found if one.failed > params["over"]}


def _job_waits_long(params: Params, look: _Look) -> Findings:
    before = look.now - timedelta(seconds=params["seconds"])
    oldest = selectors.oldest_resting(created_before=before)
    return {actor: (look.now - created_at).total_seconds() for actor, created_at in oldest.items()}


_FINDERS: Mapping[AlertKind, Callable[[Params, _Look], Findings]] = {
    AlertKind.FAILURES_IN_ROW: _failures_in_row,
    AlertKind.QUEUE_LENGTH: _queue_length,
    AlertKind.QUEUE_WAIT: _queue_wait,
    AlertKind.JOB_RUNS_LONG: _job_runs_long,
    AlertKind.SCHEDULE_MISSED: _schedule_missed,
    AlertKind.NO_WORKER: _no_worker,
    AlertKind.QUARANTINED: _quarantined,
    AlertKind.REPLAY_STOPPED: _replay_stopped,
    AlertKind.JOB_WAITS_LONG: _job_waits_long,
}

"""What the platform measures of itself, and what it tells people about."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from modules.jobs import domain
from modules.jobs.models._ledger import Attempt


class Runs(models.Model):
    """How many runs ended, how long they took together, and how many took at most each of DURATION_BUCKETS."""

    actor = models.CharField(_("actor"), max_length=200)
    queue = models.CharField(_("queue"), max_length=100)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Attempt.Outcome)
    count = models.BigIntegerField(_("runs"))
    seconds = models.FloatField(_("seconds"))
    buckets = ArrayField(models.BigIntegerField(), verbose_name=_("of at most so many seconds"))

    class Meta:
        abstract = True


class RunTotal(Runs):
    """Every run that was ever counted: Prometheus' counters, which outlive jobs, workers and minutes."""

    class Meta:
        verbose_name = _("total")
        verbose_name_plural = _("totals")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["actor", "queue", "outcome"], name="jobs_runtotal_once")
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.outcome}"


class RunMinute(Runs):
    """The runs that ended within one minute, for charts."""

    minute_at = models.DateTimeField(_("minute"))

    class Meta:
        verbose_name = _("minute")
        verbose_name_plural = _("minutes")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["minute_at", "actor", "queue", "outcome"], name="jobs_runminute_once")
        ]
        indexes: ClassVar = [
            models.Index(  # with what minute did a row of failures end?
                fields=["actor", "minute_at"],
                condition=Q(outcome=Attempt.Outcome.SUCCEEDED),
                name="jobs_runminute_good",
            )
        ]

    def __str__(self) -> str:
        return f"{self.minute_at:%Y-%m-%d %H:%M} {self.actor} {self.outcome}"


class Streak(models.Model):
    """How often in a row an actor's runs went wrong; 0 after one that succeeded."""

    actor = models.CharField(max_length=200, primary_key=True)
    failures = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.actor} {self.failures}"


class Bookmark(models.Model):
    """The one row that says how far the runs are counted, and when things that one process does were last done."""

    counted_id = models.BigIntegerField(default=0)
    next_id = models.BigIntegerField(default=0)
    writers = ArrayField(models.CharField(max_length=40), default=list)
    counted_at = models.DateTimeField(null=True)
    evaluated_at = models.DateTimeField(null=True)
    ticked_at = models.DateTimeField(null=True)
    restart_asked_at = models.DateTimeField(null=True)
    """Every worker that started before, by PostgreSQL's clock, is to be replaced."""

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(id=1), name="jobs_bookmark_is_one")]

    def __str__(self) -> str:
        return str(self.counted_id)


class AlertRule(models.Model):
    """When to tell whom: the code's defaults beside the operators' changes, which no deploy overwrites."""

    class Kind(models.TextChoices):
        FAILURES_IN_ROW = domain.AlertKind.FAILURES_IN_ROW, _("Runs fail in a row")
        QUEUE_LENGTH = domain.AlertKind.QUEUE_LENGTH, _("A queue is long")
        QUEUE_WAIT = domain.AlertKind.QUEUE_WAIT, _("A queue waits")
        JOB_RUNS_LONG = domain.AlertKind.JOB_RUNS_LONG, _("A job runs long")
        SCHEDULE_MISSED = domain.AlertKind.SCHEDULE_MISSED, _("A schedule is late or cannot run")
        NO_WORKER = domain.AlertKind.NO_WORKER, _("A queue has no worker")
        QUARANTINED = domain.AlertKind.QUARANTINED, _("Jobs are in quarantine")
        REPLAY_STOPPED = domain.AlertKind.REPLAY_STOPPED, _("A replay stopped: jobs failed again")
        JOB_WAITS_LONG = domain.AlertKind.JOB_WAITS_LONG, _("A job never comes to its end")
        QUEUE_MONITOR = domain.AlertKind.QUEUE_MONITOR, _("queue_monitor found a long queue")

    key = models.CharField(_("rule"), max_length=100, unique=True)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    default_params = models.JSONField(_("default limits"), default=dict)
    default_channels = ArrayField(models.CharField(max_length=10), verbose_name=_("default channels"), default=list)
    default_is_enabled = models.BooleanField(_("enabled by default"), default=True)
    params = models.JSONField(_("limits"), null=True, blank=True)
    channels = ArrayField(models.CharField(max_length=10), verbose_name=_("channels"), null=True, blank=True)
    is_enabled = models.BooleanField(_("enabled"), null=True, blank=True)
    webhook_secret = models.TextField(_("webhook address, encrypted"), default="", blank=True)
    problem = models.CharField(_("problem"), max_length=500, default="", blank=True)

    class Meta:
        verbose_name = _("alert rule")
        verbose_name_plural = _("alert rules")

    def __str__(self) -> str:
        return self.key

    @property
    def effective_params(self) -> dict[str, object]:
        """Return the limits that count: each the operator's, else the code's."""
        return {**self.default_params, **(self.params or {})}

    @property
    def effective_channels(self) -> list[str]:
        """Return who is told."""
        return list(self.default_channels if self.channels is None else self.channels)

    @property
    def watches(self) -> bool:
        """Return whether the rule is evaluated."""
        return self.default_is_enabled if self.is_enabled is None else self.is_enabled


class Alert(models.Model):
    """An incident: open while its rule finds its subject; the open one is unique, so it is told once."""

    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="alerts", verbose_name=_("rule"))
    subject = models.CharField(_("subject"), max_length=300)
    opened_at = models.DateTimeField(_("opened"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    last_value = models.FloatField(_("last value"))
    notified = models.JSONField(_("told"), default=dict)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["rule", "subject"], condition=Q(closed_at__isnull=True), name="jobs_alert_open_once"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["opened_at"], name="jobs_alert_opened")]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.subject}"

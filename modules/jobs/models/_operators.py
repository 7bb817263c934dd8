"""What operators did to jobs that had failed, and why: replays in steps, changed arguments."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Replay(models.Model):
    """Dead letters that run again in steps: a few, some more, all; it stops when one of them dies again."""

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        STOPPED = "stopped", _("Stopped")
        FINISHED = "finished", _("Finished")

    what = models.CharField(_("what"), max_length=300, help_text=_("Which dead letters were chosen."))
    steps = ArrayField(
        models.PositiveIntegerField(),
        verbose_name=_("steps"),
        help_text=_("How many run in each step; after the last one, all the others."),
    )
    step = models.PositiveSmallIntegerField(_("step"), default=0, help_text=_("The one that runs, from 0."))
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.RUNNING)
    total = models.IntegerField(_("jobs"), default=0)
    tenant_ids = ArrayField(
        models.BigIntegerField(), verbose_name=_("tenants"), null=True, help_text=_("Whose jobs; empty for anybody's.")
    )
    reason = models.CharField(_("reason"), max_length=300, default="", blank=True)
    started_by = models.CharField(_("started by"), max_length=200, default="", blank=True)
    started_at = models.DateTimeField(_("started"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    stopped_because = models.CharField(_("stopped because"), max_length=500, default="", blank=True)

    class Meta:
        verbose_name = _("replay")
        verbose_name_plural = _("replays")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=["running", "stopped", "finished"]), name="jobs_replay_state_known"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=Q(state="running"), name="jobs_replay_running"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.what}"


class ReplayedJob(models.Model):
    """A dead letter of a replay: chosen at its start, released in a step, settled when it has ended again."""

    class Outcome(models.TextChoices):
        SUCCEEDED = "succeeded", _("Succeeded")
        SAME_CAUSE = "same_cause", _("Failed for the same cause")
        OTHER_CAUSE = "other_cause", _("Failed for another cause")
        GONE = "gone", _("Not replayed: somebody else took it")
        CANCELLED = "cancelled", _("Cancelled")

    replay = models.ForeignKey(Replay, models.CASCADE, related_name="jobs", verbose_name=_("replay"))
    job_id = models.UUIDField(_("job"))
    fingerprint = models.CharField(_("cause"), max_length=16, default="", help_text=_("What it had failed for."))
    step = models.PositiveSmallIntegerField(_("step"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=11, choices=Outcome, default="", blank=True)

    class Meta:
        verbose_name = _("replayed job")
        verbose_name_plural = _("replayed jobs")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["replay", "job_id"], name="jobs_replayed_once"),
            models.CheckConstraint(
                condition=Q(outcome__in=["", "succeeded", "same_cause", "other_cause", "gone", "cancelled"]),
                name="jobs_replayed_outcome_known",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["replay", "job_id"], condition=Q(step__isnull=True), name="jobs_replayed_chosen"),
            models.Index(
                fields=["replay", "job_id"], condition=Q(step__isnull=False, outcome=""), name="jobs_replayed_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.replay_id} {self.job_id}"


class JobChange(models.Model):
    """Somebody changed the arguments of a dead letter; secrets are hidden in both. Deleted with its job."""

    job_id = models.UUIDField(_("job"), db_index=True)
    before = models.JSONField(_("before"))
    after = models.JSONField(_("after"))
    changed_by = models.CharField(_("changed by"), max_length=200, default="", blank=True)
    changed_at = models.DateTimeField(_("changed"))
    reason = models.CharField(_("reason"), max_length=300, default="", blank=True)

    class Meta:
        verbose_name = _("change of a job")
        verbose_name_plural = _("changes of jobs")

    def __str__(self) -> str:
        return f"{self.job_id} {self.changed_at:%Y-%m-%d %H:%M}"

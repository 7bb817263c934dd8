"""What operators did to jobs that had failed or wait, and why: replays in steps, changed arguments."""

from datetime import datetime
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from modules.jobs.domain import Pace, pace_of, step_of

MEMBERS = ("waiting", "in_flight", "succeeded", "failed", "cancelled", "gone")  # counters; their sum is the total


class Replay(models.Model):
    """Dead letters that run again in steps: a few, some more, all; it stops when one of them dies again.

    The counters change with the members, in one transaction under this row's lock. Permissions are those of Job.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        STOPPED = "stopped", _("Halted")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")

    class Stop(models.TextChoices):
        SAME_CAUSE = "same_cause", _("The cause has returned")
        OTHER_CAUSE = "other_cause", _("A job failed for another cause")
        ASKED = "asked", _("Somebody stopped it")

    what = models.CharField(_("failed jobs"), max_length=300)
    tenant_ids = ArrayField(
        models.BigIntegerField(),
        verbose_name=_("tenants"),
        null=True,
        help_text=_("Whose jobs; empty when some are nobody's."),
    )
    reason = models.CharField(_("reason"), max_length=300, default="", blank=True)
    started_by = models.CharField(_("begun by"), max_length=200, default="", blank=True)
    started_at = models.DateTimeField(_("started"))
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.RUNNING)
    ended_at = models.DateTimeField(_("stopped or ended"), null=True, blank=True)
    stopped_for = models.CharField(_("why it stopped"), max_length=11, choices=Stop, default="", blank=True)
    stopped_note = models.CharField(
        _("note"), max_length=500, default="", blank=True, help_text=_("The error, or who stopped it.")
    )
    stopped_job_id = models.UUIDField(_("job that failed again"), null=True, blank=True)
    ramp_from = models.IntegerField(
        default=0, help_text=_("Jobs released before it was resumed: the steps begin anew.")
    )
    total = models.IntegerField(_("jobs"), default=0)
    waiting = models.IntegerField(_("not released yet"), default=0)
    in_flight = models.IntegerField(_("released, not ended"), default=0)
    succeeded = models.IntegerField(_("succeeded"), default=0)
    failed = models.IntegerField(_("failed again"), default=0)
    cancelled = models.IntegerField(_("cancelled"), default=0)
    gone = models.IntegerField(_("taken by others"), default=0, help_text=_("No dead letters any more at their turn."))

    class Meta:
        default_permissions = ()
        verbose_name = _("replay")
        verbose_name_plural = _("replays")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=["running", "stopped", "done", "cancelled"]), name="jobs_replay_state_known"
            ),
            models.CheckConstraint(
                condition=Q(state="running", ended_at__isnull=True) | (~Q(state="running") & Q(ended_at__isnull=False)),
                name="jobs_replay_ended_when_not_running",
            ),
            models.CheckConstraint(
                condition=Q(total=sum((F(name) for name in MEMBERS[1:]), F(MEMBERS[0])))
                & Q(**{f"{name}__gte": 0 for name in MEMBERS}),
                name="jobs_replay_counts_all",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=Q(state="running") | Q(in_flight__gt=0), name="jobs_replay_active"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.what}"

    @property
    def released(self) -> int:
        """Return how many jobs it has queued again."""
        return self.total - self.waiting - self.gone

    @property
    def step(self) -> int:
        """Return the step that it is in, from 1."""
        return step_of(self.released - self.ramp_from)


class ReplayedJob(models.Model):
    """A dead letter of a replay: chosen at its start, released in a step, settled when it has ended again."""

    class Outcome(models.TextChoices):
        SUCCEEDED = "succeeded", _("Succeeded")
        SAME_CAUSE = "same_cause", _("Failed for the same cause")
        OTHER_CAUSE = "other_cause", _("Failed for another cause")
        CANCELLED = "cancelled", _("Cancelled")
        GONE = "gone", _("Taken by somebody else")

    replay = models.ForeignKey(Replay, models.CASCADE, related_name="jobs", verbose_name=_("replay"))
    job_id = models.UUIDField(_("job"))
    fingerprint = models.CharField(_("cause"), max_length=16, default="", help_text=_("What it had failed for."))
    released_fence = models.IntegerField(
        _("released after start"), null=True, help_text=_("Its starts from then on are the replay's.")
    )
    outcome = models.CharField(_("outcome"), max_length=11, choices=Outcome, default="", blank=True)

    class Meta:
        default_permissions = ()
        verbose_name = _("replayed job")
        verbose_name_plural = _("replayed jobs")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["replay", "job_id"], name="jobs_replayed_once"),
            models.CheckConstraint(
                condition=Q(outcome__in=["", "succeeded", "same_cause", "other_cause", "cancelled", "gone"]),
                name="jobs_replayed_outcome_known",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["replay", "id"], condition=Q(released_fence__isnull=True, outcome=""), name="jobs_replayed_next"
            ),
            models.Index(  # does a running replay have this job already?
                fields=["job_id"], condition=Q(released_fence__isnull=True, outcome=""), name="jobs_replayed_waiting"
            ),
            models.Index(
                fields=["replay", "id"],
                condition=Q(released_fence__isnull=False, outcome=""),
                name="jobs_replayed_in_flight",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.replay_id} {self.job_id}"


class BulkOperation(models.Model):
    """What an operator does to all jobs that match a search, in chunks: the search, how far it is, how it went.

    Jobs sent later are not caught (`upto`). The counters change with the jobs, in one transaction under this row's
    lock. Permissions are those of Job.
    """

    class Verb(models.TextChoices):
        CANCEL = "cancel", _("Cancel")
        REPLAY = "replay", _("Replay")
        DISCARD = "discard", _("Discard")

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Halted")
        DONE = "done", _("Done")
        STOPPED = "stopped", _("Cancelled")

    verb = models.CharField(_("what"), max_length=7, choices=Verb)
    search = models.TextField(_("search"), help_text=_("Words that another search for jobs would take."))
    tenant_ids = ArrayField(
        models.BigIntegerField(),
        verbose_name=_("tenants"),
        null=True,
        help_text=_("Whose jobs alone; empty for those of all and of nobody."),
    )
    upto = models.UUIDField(_("newest job"))
    after = models.UUIDField(_("passed"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=300)
    started_by = models.CharField(_("begun by"), max_length=200)
    started_at = models.DateTimeField(_("started"))
    state = models.CharField(_("state"), max_length=7, choices=State, default=State.RUNNING)
    ended_at = models.DateTimeField(_("stopped or ended"), null=True, blank=True)
    total = models.IntegerField(_("jobs"), help_text=_("That matched when it began."))
    done = models.IntegerField(_("done"), default=0)
    passed_over = models.IntegerField(
        _("passed over"), default=0, help_text=_("Moved on by themselves, or by somebody else, at their turn.")
    )
    paced_at = models.DateTimeField(null=True)
    """When its first chunk since it began, or was resumed, did; its pace counts from there, without the pauses."""
    paced_from = models.IntegerField(default=0, db_default=0)
    """How many it had behind it then."""

    class Meta:
        default_permissions = ()
        verbose_name = _("bulk action")
        verbose_name_plural = _("bulk actions")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(verb__in=["cancel", "replay", "discard"]), name="jobs_bulk_verb_known"),
            models.CheckConstraint(
                condition=Q(state="running", ended_at__isnull=True)
                | Q(state__in=["paused", "done", "stopped"], ended_at__isnull=False),
                name="jobs_bulk_ended_when_not_running",
            ),
            models.CheckConstraint(condition=Q(total__gte=0, done__gte=0, passed_over__gte=0), name="jobs_bulk_counts"),
        ]
        indexes: ClassVar = [models.Index(fields=["ended_at"], name="jobs_bulk_ended")]

    def __str__(self) -> str:
        return f"#{self.pk} {self.get_verb_display()}: {self.search}"

    @property
    def handled(self) -> int:
        """Return how many jobs it has behind it."""
        return self.done + self.passed_over

    def pace(self, *, now: datetime) -> Pace | None:
        """Return how fast it goes, or went until it ended or was paused; None before its first chunk."""
        if self.paced_at is None:
            return None
        left = self.total - self.handled if self.state == self.State.RUNNING else 0
        return pace_of(self.handled - self.paced_from, within=(self.ended_at or now) - self.paced_at, left=left)


class JobChange(models.Model):
    """Somebody changed the arguments of a job that did not run; secrets are hidden in both. Deleted with its job."""

    job_id = models.UUIDField(_("job"), db_index=True)
    before = models.JSONField(_("before"))
    after = models.JSONField(_("after"))
    changed_by = models.CharField(_("changed by"), max_length=200, default="", blank=True)
    changed_at = models.DateTimeField(_("changed"))
    reason = models.CharField(_("reason"), max_length=300)

    class Meta:
        default_permissions = ()
        verbose_name = _("change of a job")
        verbose_name_plural = _("changes of jobs")

    def __str__(self) -> str:
        return f"{self.job_id} {self.changed_at:%Y-%m-%d %H:%M}"


class Dismissal(models.Model):
    """Something that a reader of the console does not want to see again. Permissions: everybody their own."""

    user_id = models.BigIntegerField()
    what = models.CharField(max_length=30)
    at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints: ClassVar = [models.UniqueConstraint(fields=["user_id", "what"], name="jobs_dismissal_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.what}"

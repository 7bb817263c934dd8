"""The ledger: what was asked for, what happened, who runs it, what runs by itself."""

from datetime import timedelta
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan
from django.utils.translation import gettext_lazy as _

from modules.jobs import domain
from modules.kernel.ids import uuid7

LONG = timedelta(seconds=10)  # a wait or a run over this is in an index: few are
MADE = "made:"  # begins the key of a schedule that no module declares; the rest is its public id


class Job(models.Model):
    """One job. Rows are written by `modules.jobs.services` only; a trigger refuses any other change of state."""

    class State(models.TextChoices):
        SCHEDULED = domain.State.SCHEDULED, _("Scheduled")
        QUEUED = domain.State.QUEUED, _("Queued")
        RUNNING = domain.State.RUNNING, _("Running")
        RETRYING = domain.State.RETRYING, _("Retrying")
        SUCCEEDED = domain.State.SUCCEEDED, _("Succeeded")
        FAILED = domain.State.FAILED, _("Failed")
        CANCELLED = domain.State.CANCELLED, _("Cancelled")
        QUARANTINED = domain.State.QUARANTINED, _("Quarantined")

    id = models.UUIDField(_("id"), primary_key=True, default=uuid7, editable=False)
    tenant_id = models.BigIntegerField(_("tenant"), null=True, blank=True)
    actor = models.CharField(_("actor"), max_length=200)
    queue = models.CharField(_("queue"), max_length=100)
    priority = models.SmallIntegerField(_("priority"), default=0, help_text=_("Lower runs first."))
    arguments = models.JSONField(_("arguments"), default=dict)
    state = models.CharField(_("state"), max_length=12, choices=State)
    attempt = models.SmallIntegerField(_("attempt"), default=0)
    max_attempts = models.SmallIntegerField(_("at most"), default=1)
    crashes = models.SmallIntegerField(_("crashes"), default=0, help_text=_("Starts that ended in a dead worker."))
    fence = models.IntegerField(_("starts"), default=0, help_text=_("Only the newest start may write."))
    run_at = models.DateTimeField(_("not before"))
    dispatched_at = models.DateTimeField(_("bell rung"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"))
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    deadline_at = models.DateTimeField(_("deadline"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    cancel_requested_at = models.DateTimeField(_("cancel requested"), null=True, blank=True)
    worker_id = models.UUIDField(_("worker"), null=True, blank=True)
    unique_key = models.CharField(_("unique key"), max_length=300, null=True, blank=True)
    unique_until = models.CharField(_("unique until"), max_length=6, default="finish")
    unique_expires_at = models.DateTimeField(
        _("key is held until"), null=True, blank=True, help_text=_("Also when the job has ended before.")
    )
    batch_id = models.UUIDField(_("batch"), null=True, blank=True)
    chain = models.JSONField(_("what follows"), null=True, blank=True, help_text=_("Jobs that its success sends."))
    cause_id = models.UUIDField(_("sent by"), null=True, blank=True)
    resource = models.CharField(_("resource"), max_length=200, default="", db_default="", blank=True)
    tags = ArrayField(models.CharField(max_length=200), verbose_name=_("tags"), default=list, blank=True)
    progress_done = models.BigIntegerField(_("done"), null=True, blank=True)
    progress_total = models.BigIntegerField(_("of"), null=True, blank=True)
    progress_message = models.CharField(_("doing"), max_length=500, default="", blank=True)
    checkpoint = models.JSONField(_("checkpoint"), null=True, blank=True)
    result = models.JSONField(_("result"), null=True, blank=True)
    error_type = models.CharField(_("error"), max_length=200, default="", blank=True)
    error_message = models.TextField(_("message"), default="", blank=True)
    fingerprint = models.CharField(_("cause"), max_length=16, default="", blank=True)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(state__in=list(domain.State)), name="jobs_job_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=domain.ENDED, finished_at__isnull=False)
                | (~Q(state__in=domain.ENDED) & Q(finished_at__isnull=True)),
                name="jobs_job_finished_when_ended",
            ),
            models.CheckConstraint(
                condition=~Q(state=domain.State.RUNNING)
                | Q(worker_id__isnull=False, started_at__isnull=False, deadline_at__isnull=False),
                name="jobs_job_running_has_worker",
            ),
            models.CheckConstraint(
                condition=Q(attempt__gte=0, fence__gte=0, crashes__gte=0, max_attempts__gte=1),
                name="jobs_job_counts",
            ),
            models.CheckConstraint(condition=Q(unique_until__in=["start", "finish"]), name="jobs_job_unique_until"),
            models.UniqueConstraint(
                fields=["unique_key"], condition=Q(unique_key__isnull=False), name="jobs_job_unique_key"
            ),
        ]
        indexes: ClassVar = [
            # By turn: a queue's priorities, in each the tenants, of each the oldest.
            models.Index(
                F("queue"),
                F("priority"),
                Coalesce("tenant_id", 0),
                F("id"),
                condition=Q(state=domain.State.QUEUED, dispatched_at__isnull=True, crashes=0),
                name="jobs_job_by_turn",
            ),
            models.Index(fields=["id"], condition=Q(state=domain.State.QUEUED, crashes__gt=0), name="jobs_job_crashed"),
            models.Index(
                fields=["dispatched_at"],
                condition=Q(state=domain.State.QUEUED, dispatched_at__isnull=False),
                name="jobs_job_bell_rung",
            ),
            models.Index(fields=["run_at"], condition=Q(state__in=domain.WAITING), name="jobs_job_due"),
            models.Index(fields=["worker_id"], condition=Q(state=domain.State.RUNNING), name="jobs_job_running"),
            models.Index(fields=["finished_at"], condition=Q(state__in=domain.DEAD_LETTERS), name="jobs_job_dead"),
            # What the console's lists ask for, of jobs that have ended: a run costs one entry in each, at its end.
            models.Index(
                fields=["actor", "id"],
                opclasses=["varchar_pattern_ops", "uuid_ops"],  # for beginnings of names, too
                condition=Q(finished_at__isnull=False),
                name="jobs_job_ended_by_actor",
            ),
            models.Index(
                fields=["queue", "id"],
                opclasses=["varchar_pattern_ops", "uuid_ops"],
                condition=Q(finished_at__isnull=False),
                name="jobs_job_ended_by_queue",
            ),
            models.Index(fields=["id"], condition=Q(state=domain.State.CANCELLED), name="jobs_job_cancelled"),
            models.Index(
                fields=["fingerprint", "tenant_id"],
                condition=Q(state__in=domain.DEAD_LETTERS),
                name="jobs_job_dead_by_cause",
            ),
            GinIndex(fields=["tags"], condition=~Q(tags=[]), name="jobs_job_tags"),
            # For the API, which sees one tenant; the platform's own jobs have none and cost nothing here.
            models.Index(fields=["tenant_id", "id"], condition=Q(tenant_id__isnull=False), name="jobs_job_tenant"),
            models.Index(
                fields=["tenant_id", "finished_at"], condition=Q(tenant_id__isnull=False), name="jobs_job_tenant_ended"
            ),
            # What alert rules look back at: waits that were long, and jobs that ended after more than one attempt.
            # A job that did well at once, which is nearly every one, has no entry in either.
            models.Index(
                fields=["started_at"],
                include=["queue", "run_at"],
                condition=Q(GreaterThan(F("started_at") - F("run_at"), LONG)),
                name="jobs_job_waited_long",
            ),
            models.Index(
                fields=["finished_at"],
                include=["actor", "created_at"],
                condition=Q(attempt__gt=1, finished_at__isnull=False),
                name="jobs_job_tried_again",
            ),
            # Members of batches alone: has the last one ended, and how many are in which state.
            models.Index(
                fields=["batch_id", "id"],
                condition=Q(batch_id__isnull=False, finished_at__isnull=True),
                name="jobs_job_batch_alive",
            ),
            models.Index(fields=["batch_id", "state"], condition=Q(batch_id__isnull=False), name="jobs_job_batch"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.id}"


class Attempt(models.Model):
    """One run of a job, written when it ended; `number` is the fence it ran under."""

    class Outcome(models.TextChoices):
        SUCCEEDED = domain.Outcome.SUCCEEDED, _("Succeeded")
        FAILED = domain.Outcome.FAILED, _("Failed")
        TIMED_OUT = domain.Outcome.TIMED_OUT, _("Timed out")
        SNOOZED = domain.Outcome.SNOOZED, _("Snoozed")
        RELEASED = domain.Outcome.RELEASED, _("Given back")
        CANCELLED = domain.Outcome.CANCELLED, _("Cancelled")
        CRASHED = domain.Outcome.CRASHED, _("Worker died")

    job = models.ForeignKey(Job, models.CASCADE, related_name="attempts", verbose_name=_("job"))
    number = models.IntegerField(_("start"))
    worker_id = models.UUIDField(_("worker"))
    started_at = models.DateTimeField(_("started"))
    ended_at = models.DateTimeField(_("ended"))
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome)
    error_type = models.CharField(_("error"), max_length=200, default="", blank=True)
    error_message = models.TextField(_("message"), default="", blank=True)
    traceback = models.TextField(_("traceback"), default="", blank=True)
    log = models.TextField(_("log"), default="", blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "number"], name="jobs_attempt_once"),
            models.CheckConstraint(condition=Q(outcome__in=list(domain.Outcome)), name="jobs_attempt_outcome_known"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["ended_at"],
                condition=Q(GreaterThan(F("ended_at") - F("started_at"), LONG)),
                name="jobs_attempt_ran_long",
            )
        ]

    def __str__(self) -> str:
        return f"{self.job_id} #{self.number}"


class Batch(models.Model):
    """Jobs that belong together, and what is sent when they end. Its members are the jobs that name it.

    Permissions are those of Job.
    """

    id = models.UUIDField(_("id"), primary_key=True, default=uuid7, editable=False)
    tenant_id = models.BigIntegerField(_("tenant"), null=True, blank=True)
    name = models.CharField(_("name"), max_length=200)
    callbacks = models.JSONField(_("callbacks"), default=dict, help_text=_("Stored requests, by what they wait for."))
    sent = models.JSONField(_("callbacks sent"), default=dict, help_text=_("Ids of their jobs: each is sent once."))
    created_at = models.DateTimeField(_("created"))
    cancelled_at = models.DateTimeField(_("cancelled"), null=True, blank=True)
    finished_at = models.DateTimeField(
        _("finished"), null=True, blank=True, help_text=_("When every job of it had ended; a replay begins anew.")
    )
    pruned_succeeded = models.IntegerField(default=0, help_text=_("Its jobs that were deleted, by how they ended."))
    pruned_failed = models.IntegerField(default=0)
    pruned_cancelled = models.IntegerField(default=0)

    class Meta:
        default_permissions = ()
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=Q(finished_at__isnull=True), name="jobs_batch_unfinished")
        ]

    def __str__(self) -> str:
        return self.name

    def state_of(self, tally: domain.Tally) -> domain.BatchState:
        """Return where the batch is, when its members are so far."""
        return domain.batch_state(
            tally, is_finished=self.finished_at is not None, is_cancelled=self.cancelled_at is not None
        )


class Worker(models.Model):
    """A worker process; its lease covers every job that it runs."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid7, editable=False)
    hostname = models.CharField(_("host"), max_length=255)
    pid = models.IntegerField(_("process"))
    queues = ArrayField(models.CharField(max_length=100), verbose_name=_("queues"), default=list)
    threads = models.SmallIntegerField(_("threads"), default=1)
    started_at = models.DateTimeField(_("started"))
    seen_at = models.DateTimeField(_("last sign of life"))
    lease_until = models.DateTimeField(_("lease until"))
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        indexes: ClassVar = [models.Index(fields=["lease_until"], name="jobs_worker_lease")]

    def __str__(self) -> str:
        return f"{self.hostname}:{self.pid}"


class JobSchedule(models.Model):
    """What runs by itself: the code's defaults beside the operators' changes, which no deploy overwrites."""

    class Overlap(models.TextChoices):
        SKIP = "skip", _("Skip while the last one runs")
        QUEUE = "queue", _("Let one wait for its end")
        ALLOW = "allow", _("Start anyway")

    class CatchUp(models.TextChoices):
        NONE = "none", _("Leave out")
        ONE = "one", _("Run once")
        ALL = "all", _("Run each")

    class SkippedHour(models.TextChoices):
        NEXT = "next", _("Run right after it")
        SKIP = "skip", _("Leave out")

    class DoubledHour(models.TextChoices):
        FIRST = "first", _("Run in the first")
        SECOND = "second", _("Run in the second")
        BOTH = "both", _("Run in both")

    class DayOff(models.TextChoices):
        RUN = "run", _("Run as on any day")
        SKIP = "skip", _("Leave out")
        MOVE = "move", _("Run on the next working day")

    key = models.CharField(_("schedule"), max_length=100, unique=True)
    tenant_id = models.BigIntegerField(_("tenant"), null=True, blank=True, db_index=True)
    is_declared = models.BooleanField(
        _("declared"), default=True, editable=False, help_text=_("By a module; a deploy leaves all others alone.")
    )
    actor = models.CharField(_("actor"), max_length=200)
    description = models.CharField(_("description"), max_length=300, default="", blank=True)
    default_cron = models.CharField(_("default cron"), max_length=100)
    default_timezone = models.CharField(_("default time zone"), max_length=60)
    default_options = models.JSONField(_("default options"), default=dict)
    default_is_enabled = models.BooleanField(_("enabled by default"), default=True)
    cron = models.CharField(_("cron"), max_length=100, default="", blank=True)
    timezone = models.CharField(_("time zone"), max_length=60, default="", blank=True)
    options = models.JSONField(_("options"), null=True, blank=True)
    is_enabled = models.BooleanField(_("enabled"), null=True, blank=True)
    overlap = models.CharField(_("overlap"), max_length=5, choices=Overlap, default=Overlap.SKIP)
    catch_up = models.CharField(_("missed runs"), max_length=4, choices=CatchUp, default=CatchUp.ONE)
    skipped_hour = models.CharField(
        _("hour that the clocks skip"),
        max_length=4,
        choices=SkippedHour,
        default=SkippedHour.NEXT,
        db_default=SkippedHour.NEXT,
        help_text=_("For a run at a fixed time; in spring."),
    )
    doubled_hour = models.CharField(
        _("hour that comes twice"),
        max_length=6,
        choices=DoubledHour,
        default=DoubledHour.FIRST,
        db_default=DoubledHour.FIRST,
        help_text=_("For a run at a fixed time; in autumn."),
    )
    on_day_off = models.CharField(
        _("on days off"), max_length=4, choices=DayOff, default=DayOff.RUN, db_default=DayOff.RUN
    )
    country = models.CharField(
        _("holidays of"),
        max_length=2,
        default="",
        db_default="",
        blank=True,
        help_text=_("A country's two letters, like CZ; its public holidays are days off."),
    )
    are_weekends_off = models.BooleanField(_("weekends are days off"), default=False, db_default=False)
    evaluated_until = models.DateTimeField(_("evaluated until"))
    waiting_due_at = models.DateTimeField(
        _("waits since"), null=True, blank=True, help_text=_("The due time that waits for the last run's end.")
    )
    last_job_id = models.UUIDField(_("last job"), null=True, blank=True)
    last_fired_at = models.DateTimeField(_("last run"), null=True, blank=True)
    problem = models.CharField(_("problem"), max_length=500, default="", blank=True)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(overlap__in=["skip", "queue", "allow"]), name="jobs_schedule_overlap"),
            models.CheckConstraint(condition=Q(catch_up__in=["none", "one", "all"]), name="jobs_schedule_catch_up"),
            models.CheckConstraint(
                condition=Q(
                    skipped_hour__in=["next", "skip"],
                    doubled_hour__in=["first", "second", "both"],
                    on_day_off__in=["run", "skip", "move"],
                ),
                name="jobs_schedule_calendar",
            ),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def public_id(self) -> str:
        """Return what the API calls a schedule that a tenant made."""
        return self.key.removeprefix(MADE)

    @property
    def effective_cron(self) -> str:
        """Return the cron that counts: the operator's, else the code's."""
        return self.cron or self.default_cron

    @property
    def effective_timezone(self) -> str:
        """Return the time zone that counts."""
        return self.timezone or self.default_timezone

    @property
    def timetable(self) -> domain.Timetable:
        """Return when it is due, by the values that count."""
        return domain.Timetable(
            cron=self.effective_cron,
            timezone=self.effective_timezone,
            **{name: getattr(self, name) for name in domain.CALENDAR},
        )

    @property
    def effective_options(self) -> dict[str, object]:
        """Return the arguments that the actor is sent."""
        return dict(self.default_options if self.options is None else self.options)

    @property
    def runs(self) -> bool:
        """Return whether the schedule fires."""
        return self.default_is_enabled if self.is_enabled is None else self.is_enabled


class ScheduleFiring(models.Model):
    """One due time of a schedule: the row is unique, so that two schedulers fire it once."""

    class Outcome(models.TextChoices):
        FIRED = "fired", _("Fired")
        OVERLAPPED = "overlapped", _("Skipped: still running")
        MISSED = "missed", _("Missed")
        HOLIDAY = "holiday", _("Day off")
        UNSUPPORTED = "unsupported", _("Unsupported")

    schedule = models.ForeignKey(JobSchedule, models.CASCADE, related_name="firings", verbose_name=_("schedule"))
    due_at = models.DateTimeField(_("due"))
    fired_at = models.DateTimeField(_("evaluated"))
    outcome = models.CharField(_("outcome"), max_length=11, choices=Outcome)
    job_id = models.UUIDField(_("job"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=500, default="", blank=True)

    class Meta:
        verbose_name = _("firing")
        verbose_name_plural = _("firings")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["schedule", "due_at"], name="jobs_firing_once"),
            models.CheckConstraint(
                condition=Q(outcome__in=["fired", "overlapped", "missed", "holiday", "unsupported"]),
                name="jobs_firing_outcome_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.schedule_id} {self.due_at:%Y-%m-%d %H:%M}"


class KeyedAnswer(models.Model):
    """What was answered to a request with an Idempotency-Key, for as long as its sender may ask again."""

    tenant_id = models.BigIntegerField(_("tenant"))
    key = models.CharField(_("key"), max_length=200)
    fingerprint = models.CharField(_("request"), max_length=64, help_text=_("SHA-256 of what was asked for."))
    status = models.SmallIntegerField(_("status"), null=True)
    location = models.CharField(_("location"), max_length=300, default="")
    body = models.TextField(_("answer"), default="", help_text=_("JSON, byte for byte."))
    created_at = models.DateTimeField(_("created"))

    class Meta:
        verbose_name = _("answer to a keyed request")
        verbose_name_plural = _("answers to keyed requests")
        constraints: ClassVar = [models.UniqueConstraint(fields=["tenant_id", "key"], name="jobs_keyed_answer_once")]
        indexes: ClassVar = [models.Index(fields=["created_at"], name="jobs_keyed_answer_age")]

    def __str__(self) -> str:
        return f"{self.tenant_id} {self.key}"


class Gate(models.Model):
    """What may be paused or limited: a queue, an actor, a tenant, or a resource that several jobs share."""

    class Kind(models.TextChoices):
        QUEUE = "queue", _("Queue")
        ACTOR = "actor", _("Actor")
        TENANT = "tenant", _("Tenant")
        RESOURCE = "resource", _("Resource")

    kind = models.CharField(_("what"), max_length=8, choices=Kind)
    value = models.CharField(_("which"), max_length=200, help_text=_("Its name, or * for each one by itself."))

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.value}"


class Pause(Gate):
    """Somebody closed a gate; jobs behind it wait in the ledger."""

    reason = models.CharField(_("reason"), max_length=300, default="", blank=True)
    paused_by = models.CharField(_("paused by"), max_length=200, default="", blank=True)
    paused_at = models.DateTimeField(_("paused"))

    class Meta:
        verbose_name = _("pause")
        verbose_name_plural = _("pauses")
        constraints: ClassVar = [models.UniqueConstraint(fields=["kind", "value"], name="jobs_pause_once")]


class Limit(Gate):
    """How many jobs may run behind a gate at once, and how many may start in a time; waiting burns no attempt."""

    max_running = models.PositiveIntegerField(_("at once"), null=True, blank=True)
    rate_count = models.PositiveIntegerField(_("starts"), null=True, blank=True)
    rate_seconds = models.PositiveIntegerField(_("in seconds"), null=True, blank=True)

    class Meta:
        verbose_name = _("limit")
        verbose_name_plural = _("limits")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "value"], name="jobs_limit_once"),
            models.CheckConstraint(
                condition=Q(rate_count__isnull=True, rate_seconds__isnull=True)
                | Q(rate_count__gte=1, rate_seconds__gte=1),
                name="jobs_limit_rate_whole",
            ),
            models.CheckConstraint(
                condition=Q(max_running__isnull=False) | Q(rate_count__isnull=False), name="jobs_limit_limits"
            ),
        ]


class LimitUse(models.Model):
    """What a rate limit remembers of one thing that it limits: lately started, and rung for and not yet started.

    `starts` has pairs of a time (microseconds since 1970) and how many started until then, `bells` pairs of a
    job's id and its number of starts when it was rung for.
    """

    limit = models.ForeignKey(Limit, models.CASCADE, related_name="uses", verbose_name=_("limit"))
    value = models.CharField(_("which"), max_length=200)
    next_at = models.DateTimeField(_("next start"))
    starts = models.JSONField(default=list, db_default=[])
    bells = models.JSONField(default=list, db_default=[])

    class Meta:
        verbose_name = _("use of a limit")
        verbose_name_plural = _("uses of limits")
        constraints: ClassVar = [models.UniqueConstraint(fields=["limit", "value"], name="jobs_limit_use_once")]

    def __str__(self) -> str:
        return f"{self.limit_id} {self.value}"


class QueueTurn(models.Model):
    """Whose turn it is in a queue where more waits than has room: what a dispatcher's pass leaves to the next."""

    queue = models.CharField(max_length=100, unique=True)
    since_patience = models.SmallIntegerField(default=0, help_text="Turns since one was given for patience.")
    last_tenants = models.JSONField(default=dict, help_text="Who had the last turn, by priority; 0 is nobody.")
    served_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.queue


class FailedJob(Job):
    """The dead letters, as a page of their own. Permissions are those of Job."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("failed job")
        verbose_name_plural = _("failed jobs")

"""What was reported to whom."""

import uuid
from typing import ClassVar

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from modules.accounts.models import Tenant, User
from modules.kernel.tenancy import tenant_manager


class WeeklySummary(models.Model):
    """That a person's week was dealt with for a tenant: at most once, whatever crashes.

    `taken` is never seen: the transaction that takes a person says in its end what became of it.
    """

    class Outcome(models.TextChoices):
        TAKEN = "taken", _("Being made")
        MAILED = "mailed", _("Mailed")
        EMPTY = "empty", _("Nothing to report")
        UNREACHABLE = "unreachable", _("No address that works")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    user = models.ForeignKey(User, models.CASCADE, related_name="+", verbose_name=_("user"))
    week = models.CharField(_("week"), max_length=8, help_text=_("ISO week of the day in the person's time zone."))
    zone = models.CharField(_("time zone"), max_length=64)
    due_at = models.DateTimeField(_("due"))
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome, default=Outcome.TAKEN)
    run = models.UUIDField(_("run"))
    created_at = models.DateTimeField(_("created"))

    objects: ClassVar[models.Manager["WeeklySummary"]] = tenant_manager()

    class Meta:
        verbose_name = _("weekly summary")
        verbose_name_plural = _("weekly summaries")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user", "week"], name="reports_summary_once"),
            models.CheckConstraint(
                condition=Q(outcome__in=["taken", "mailed", "empty", "unreachable"]), name="reports_summary_outcome"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-id"], name="reports_summary_newest"),
            models.Index(fields=["created_at"], name="reports_summary_age"),
            models.Index(fields=["run"], condition=Q(outcome="taken"), name="reports_summary_taken"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.week}"


class SummaryReceipt(models.Model):
    """What one run did for people of all tenants. `run` is the job, or a number of the command's own."""

    run = models.UUIDField(_("run"), unique=True)
    mailed = models.PositiveIntegerField(_("mailed"), default=0)
    empty = models.PositiveIntegerField(_("nothing to report"), default=0)
    unreachable = models.PositiveIntegerField(_("no address that works"), default=0)
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("run of weekly summaries")
        verbose_name_plural = _("runs of weekly summaries")

    def __str__(self) -> str:
        return str(self.run)


class Export(models.Model):
    """All that is a person's in a tenant, as a file that they may fetch for a day. Of each one at most is being made.

    `storage_key` is where the file is or was being written; empty when nothing is there any more.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Being made")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")
        REVOKED = "revoked", _("Withdrawn")
        EXPIRED = "expired", _("Expired")

    class Reason(models.TextChoices):
        TOO_BIG = "too_big", _("Too big")
        BROKEN = "broken", _("Something is broken")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    user = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("user"))
    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, db_default=RandomUUID(), unique=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    reason = models.CharField(_("reason"), max_length=10, choices=Reason, blank=True)
    includes_photos = models.BooleanField(_("with files"), default=True)
    storage_key = models.CharField(_("key in the storage"), max_length=300, blank=True)
    size = models.PositiveBigIntegerField(_("bytes"), null=True, blank=True)
    entries = models.PositiveIntegerField(_("entries"), null=True, blank=True)
    missing = models.PositiveIntegerField(_("files missing"), null=True, blank=True)
    job_id = models.UUIDField(_("job"), null=True, blank=True)
    downloads = models.PositiveIntegerField(_("downloads"), default=0)
    created_at = models.DateTimeField(_("created"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    expires_at = models.DateTimeField(_("link valid until"), null=True, blank=True)

    objects: ClassVar[models.Manager["Export"]] = tenant_manager()

    class Meta:
        verbose_name = _("data export")
        verbose_name_plural = _("data exports")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "user"], condition=Q(state="pending"), name="reports_export_one_at_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "ready", "failed", "revoked", "expired"]), name="reports_export_state"
            ),
            models.CheckConstraint(
                condition=~Q(state="ready")
                | Q(size__isnull=False, expires_at__isnull=False, finished_at__isnull=False) & ~Q(storage_key=""),
                name="reports_export_ready_is_there",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-id"], name="reports_export_newest"),
            models.Index(fields=["id"], condition=~Q(storage_key=""), name="reports_export_stored"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.created_at:%Y-%m-%d}"

import uuid
from typing import Any, ClassVar

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from modules.accounts.models import Tenant, User
from modules.kernel.cleanups import Receipt
from modules.kernel.tenancy import tenant_manager


class EmailMessage(models.Model):  # type: ignore[django-manager-missing] # its class is made at run time
    """A mail: at most one for each key of a tenant, ever. Its text is kept encrypted, a secret one until it is sent.

    `sender` is the start of a job (`<job>:<start>`) that talks to the mail server while the state is `sending`.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        SENDING = "sending", _("Sending")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")
        SUPPRESSED = "suppressed", _("Not sent: not wanted")
        UNCERTAIN = "uncertain", _("Uncertain")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("user"))
    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, db_default=RandomUUID(), unique=True)
    key = models.CharField(_("key"), max_length=300)
    template = models.CharField(_("template"), max_length=50)
    locale = models.CharField(_("language"), max_length=5)
    from_email = models.TextField(_("from"))
    subject = models.TextField(_("subject"))
    text_encrypted = models.TextField(_("text, encrypted"), blank=True)
    html_encrypted = models.TextField(_("HTML, encrypted"), blank=True)
    headers = models.JSONField(_("headers"), default=dict)
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.QUEUED)
    sender = models.CharField(_("start of the job"), max_length=80, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    provider_id = models.CharField(_("number at the provider"), max_length=200, blank=True)
    error = models.TextField(_("error"), blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects: ClassVar[models.Manager["EmailMessage"]] = tenant_manager()

    class Meta:
        verbose_name = _("e-mail")
        verbose_name_plural = _("e-mails")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "key"], name="notifications_mail_once"),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "sending", "sent", "failed", "suppressed", "uncertain"]),
                name="notifications_mail_state",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-id"], name="notifications_mail_newest"),
            models.Index(fields=["provider_id"], condition=~Q(provider_id=""), name="notifications_mail_provider"),
            models.Index(
                fields=["finished_at"],
                condition=Q(state__in=["failed", "uncertain"]),
                name="notifications_mail_trouble",
            ),
        ]

    def __str__(self) -> str:
        return self.subject


class Recipient(models.Model):
    """Somebody a mail goes to, and what became of it there. States only rise: see `RANK`."""

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        SUPPRESSED = "suppressed", _("Suppressed")
        ACCEPTED = "accepted", _("Taken by the server")
        DELIVERED = "delivered", _("Delivered")
        REFUSED = "refused", _("Refused")
        BOUNCED = "bounced", _("Bounced")
        COMPLAINED = "complained", _("Complained")

    RANK: ClassVar[tuple[str, ...]] = tuple(State)
    """In which order states win, whatever order the provider tells of them in."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    mail = models.ForeignKey(
        EmailMessage, models.CASCADE, related_name="recipients", db_index=False, verbose_name=_("e-mail")
    )
    address = models.CharField(_("address"), max_length=254)
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.PENDING)
    detail = models.TextField(_("detail"), blank=True)
    changed_at = models.DateTimeField(_("changed"), null=True, blank=True)

    objects: ClassVar[models.Manager["Recipient"]] = tenant_manager()

    class Meta:
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mail", "address"], name="notifications_recipient_once"),
            models.CheckConstraint(
                condition=Q(
                    state__in=["pending", "suppressed", "accepted", "delivered", "refused", "bounced", "complained"]
                ),
                name="notifications_recipient_state",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["tenant", "address"], name="notifications_recipient_of")]

    def __str__(self) -> str:
        return self.address


class Suppression(models.Model):
    """An address that a tenant mails no more, until somebody lifts it. `address` is in lower case."""

    class Reason(models.TextChoices):
        BOUNCE = "bounce", _("Bounced for good")
        COMPLAINT = "complaint", _("Complained")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))
    address = models.CharField(_("address"), max_length=254)
    reason = models.CharField(_("reason"), max_length=10, choices=Reason)
    detail = models.TextField(_("detail"), blank=True)
    mail = models.ForeignKey(
        EmailMessage, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("e-mail")
    )
    created_at = models.DateTimeField(_("since"))
    lifted_at = models.DateTimeField(_("lifted"), null=True, blank=True)
    lifted_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("lifted by")
    )

    objects: ClassVar[models.Manager["Suppression"]] = tenant_manager()

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppressions")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "address"], condition=Q(lifted_at=None), name="notifications_suppressed_once"
            ),
            models.CheckConstraint(
                condition=Q(reason__in=["bounce", "complaint"]), name="notifications_suppression_reason"
            ),
        ]

    def __str__(self) -> str:
        return self.address


class Notification(models.Model):
    """Something that a person is told of inside the product."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    user = models.ForeignKey(User, models.CASCADE, related_name="+", verbose_name=_("user"))
    type = models.CharField(_("type"), max_length=50)
    payload: models.JSONField[Any, Any] = models.JSONField(_("payload"), default=dict)
    read_at = models.DateTimeField(_("read"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"))

    objects: ClassVar[models.Manager["Notification"]] = tenant_manager()

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        indexes: ClassVar = [
            models.Index(fields=["tenant", "user", "-id"], name="notifications_notice_of"),
            models.Index(fields=["tenant", "-id"], name="notifications_notice_newest"),
            models.Index(fields=["read_at"], condition=Q(read_at__isnull=False), name="notifications_notice_read"),
            models.Index(fields=["created_at"], condition=Q(read_at=None), name="notifications_notice_unread"),
        ]

    def __str__(self) -> str:
        return f"{self.type} · {self.user}"


class LiveEvent(models.Model):
    """What a person is told at once while they are there. `transaction` is the number of the one that wrote it.

    Numbers of rows do not come in the order of commits: who asks only for higher ones misses what commits late. So
    readers take rows of transactions before which none is open any more.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    user = models.ForeignKey(User, models.CASCADE, related_name="+", db_index=False, verbose_name=_("user"))
    type = models.CharField(_("type"), max_length=50)
    payload: models.JSONField[Any, Any] = models.JSONField(_("payload"), default=dict)
    transaction = models.BigIntegerField(
        _("transaction"),
        db_default=models.Func(
            template="pg_current_xact_id()::text::bigint", function="", output_field=models.BigIntegerField()
        ),
    )
    created_at = models.DateTimeField(_("created"))

    objects: ClassVar[models.Manager["LiveEvent"]] = tenant_manager()

    class Meta:
        verbose_name = _("live event")
        verbose_name_plural = _("live events")
        indexes: ClassVar = [
            models.Index(fields=["user", "tenant", "transaction", "id"], name="notifications_live_of"),
            models.Index(fields=["created_at"], name="notifications_live_old"),
        ]

    def __str__(self) -> str:
        return f"{self.type} · {self.user_id}"


class Preference(models.Model):
    """That a person wants, or does not want, one kind of notice in one way from one tenant; no row is "wants"."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_index=False, verbose_name=_("tenant"))
    user = models.ForeignKey(User, models.CASCADE, related_name="+", verbose_name=_("user"))
    type = models.CharField(_("type"), max_length=50)
    channel = models.CharField(_("channel"), max_length=10)
    is_on = models.BooleanField(_("on"))
    changed_at = models.DateTimeField(_("changed"))

    objects: ClassVar[models.Manager["Preference"]] = tenant_manager()

    class Meta:
        verbose_name = _("preference")
        verbose_name_plural = _("preferences")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user", "type", "channel"], name="notifications_preference_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.type} · {self.channel}"


class CleanupReceipt(Receipt):
    """What one run of the cleanup deleted by one rule. `run` is the job, or a number of the command's own."""

    class Rule(models.TextChoices):
        READ = "read", _("Read long ago")
        UNREAD = "unread", _("Never read")

    rule = models.CharField(_("rule"), max_length=10, choices=Rule)

    class Meta:
        verbose_name = _("cleanup")
        verbose_name_plural = _("cleanups")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "rule"], name="notifications_cleanup_once"),
            models.CheckConstraint(condition=Q(rule__in=["read", "unread"]), name="notifications_cleanup_rule"),
        ]

    def __str__(self) -> str:
        return f"{self.get_rule_display()} · {self.count}"


class SnsMessage(models.Model):
    """What the mail provider told, proven and as received; told again, it is the same row. It belongs to no tenant."""

    message_id = models.CharField(_("number"), max_length=100, unique=True)
    type = models.CharField(_("type"), max_length=30)
    topic_arn = models.CharField(_("topic"), max_length=300)
    body = models.TextField(_("as received"))
    deliveries = models.PositiveIntegerField(_("deliveries"), default=1)
    received_at = models.DateTimeField(_("received"))
    handled_at = models.DateTimeField(_("handled"), null=True, blank=True)
    outcome = models.TextField(_("outcome"), blank=True)

    class Meta:
        verbose_name = _("message of the mail provider")
        verbose_name_plural = _("messages of the mail provider")
        indexes: ClassVar = [
            models.Index(
                fields=["handled_at"], condition=Q(handled_at__isnull=False), name="notifications_sns_handled"
            ),
        ]

    def __str__(self) -> str:
        return self.message_id

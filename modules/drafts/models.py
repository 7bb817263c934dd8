"""A diary of properties: who owns what, what was written about it, who shares it, what is still on its way."""

import uuid
from typing import Any, ClassVar

from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from modules.accounts.models import Tenant, User
from modules.kernel.cleanups import Receipt
from modules.kernel.tenancy import tenant_manager


def _tenant() -> "models.ForeignKey[Any, Any]":
    return models.ForeignKey(Tenant, models.CASCADE, related_name="+", verbose_name=_("tenant"))


def _public_id() -> "models.UUIDField[Any, Any]":
    return models.UUIDField(_("public id"), default=uuid.uuid4, db_default=RandomUUID(), unique=True)


def _person(label: Any) -> "models.ForeignKey[Any, Any]":
    """Somebody who may leave; what they did stays."""
    return models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=label)


def _deleted() -> "models.DateTimeField[Any, Any]":
    return models.DateTimeField(_("deleted"), null=True, blank=True)


class Project(models.Model):  # type: ignore[django-manager-missing] # its class is made at run time
    """What somebody keeps together: a family's houses, a co-ownership."""

    tenant = _tenant()
    public_id = _public_id()
    name = models.CharField(_("name"), max_length=200)
    owner = _person(_("owner"))
    created_at = models.DateTimeField(_("created"))
    deleted_at = _deleted()

    objects: ClassVar[models.Manager["Project"]] = tenant_manager()

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")

    def __str__(self) -> str:
        return self.name


class Property(models.Model):  # type: ignore[django-manager-missing]
    """A house, a flat, a piece of land."""

    tenant = _tenant()
    public_id = _public_id()
    project = models.ForeignKey(Project, models.CASCADE, related_name="properties", verbose_name=_("project"))
    name = models.CharField(_("name"), max_length=200)
    address = models.CharField(_("address"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("created"))
    deleted_at = _deleted()

    objects: ClassVar[models.Manager["Property"]] = tenant_manager()

    class Meta:
        verbose_name = _("property")
        verbose_name_plural = _("properties")

    def __str__(self) -> str:
        return self.name


class Unit(models.Model):  # type: ignore[django-manager-missing]
    """A part of a property: a flat of a house, a garage."""

    tenant = _tenant()
    public_id = _public_id()
    property = models.ForeignKey(Property, models.CASCADE, related_name="units", verbose_name=_("property"))
    name = models.CharField(_("name"), max_length=200)
    created_at = models.DateTimeField(_("created"))
    deleted_at = _deleted()

    objects: ClassVar[models.Manager["Unit"]] = tenant_manager()

    class Meta:
        verbose_name = _("unit")
        verbose_name_plural = _("units")

    def __str__(self) -> str:
        return self.name


class Record(models.Model):  # type: ignore[django-manager-missing]
    """Something that happened to a property or a unit of it: a revision, a repair. A draft until it is published.

    `version` rises with each change, so that who changes an older one is told. `warned_at` and `expires_at` are when
    the author was warned and what was promised then. With `deletion_started_at` its documents are being deleted,
    and nobody changes it any more.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PUBLISHED = "published", _("Published")

    tenant = _tenant()
    public_id = _public_id()
    property = models.ForeignKey(Property, models.CASCADE, related_name="records", verbose_name=_("property"))
    unit = models.ForeignKey(
        Unit, models.CASCADE, null=True, blank=True, related_name="records", verbose_name=_("unit")
    )
    author = _person(_("author"))
    title = models.CharField(_("title"), max_length=200)
    body = models.TextField(_("text"), blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.DRAFT)
    version = models.PositiveIntegerField(_("version"), default=1)
    created_at = models.DateTimeField(_("created"))
    edited_at = models.DateTimeField(_("edited"))
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    reminded_at = models.DateTimeField(_("reminded"), null=True, blank=True)
    warned_at = models.DateTimeField(_("warned"), null=True, blank=True)
    expires_at = models.DateTimeField(_("not deleted before"), null=True, blank=True)
    deletion_started_at = models.DateTimeField(_("deletion began"), null=True, blank=True)
    deleted_at = _deleted()

    objects: ClassVar[models.Manager["Record"]] = tenant_manager()

    class Meta:
        verbose_name = _("record")
        verbose_name_plural = _("records")
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(status="draft", published_at=None) | Q(status="published", published_at__isnull=False),
                name="drafts_record_status",
            ),
            models.CheckConstraint(
                condition=Q(warned_at=None, expires_at=None) | Q(expires_at__gt=F("warned_at")),
                name="drafts_record_warned_ahead",
            ),
            models.CheckConstraint(
                condition=Q(deletion_started_at=None) | Q(status="draft", deleted_at=None),
                name="drafts_record_only_drafts_go",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-id"], name="drafts_record_newest"),
            models.Index(
                fields=["created_at"], condition=Q(status="draft", deleted_at=None), name="drafts_record_draft_age"
            ),
            models.Index(
                fields=["edited_at"], condition=Q(status="draft", deleted_at=None), name="drafts_record_draft_idle"
            ),
            models.Index(
                fields=["created_at"],
                condition=Q(status="draft", deleted_at=None, reminded_at=None),
                name="drafts_record_unreminded",
            ),
            models.Index(
                fields=["id"],
                condition=Q(status="draft", deleted_at=None, expires_at__isnull=False),
                name="drafts_record_warned",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Document(models.Model):
    """A file of a record; its content is in the storage under `storage_key`."""

    tenant = _tenant()
    public_id = _public_id()
    record = models.ForeignKey(Record, models.CASCADE, related_name="documents", verbose_name=_("record"))
    name = models.CharField(_("name"), max_length=255)
    content_type = models.CharField(_("content type"), max_length=100, blank=True)
    storage_key = models.CharField(_("key in the storage"), max_length=500, unique=True)
    size = models.PositiveBigIntegerField(_("bytes"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    uploaded_by = _person(_("uploaded by"))
    created_at = models.DateTimeField(_("uploaded"))
    deleted_at = _deleted()
    content_deleted_at = models.DateTimeField(_("deleted from the storage"), null=True, blank=True)

    objects: ClassVar[models.Manager["Document"]] = tenant_manager()

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(sha256__regex="^[0-9a-f]{64}$"), name="drafts_document_sha256"),
            models.CheckConstraint(condition=~Q(storage_key=""), name="drafts_document_key"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["id"],
                condition=Q(deleted_at__isnull=False, content_deleted_at=None),
                name="drafts_document_doomed",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Comment(models.Model):
    """What somebody said about a record."""

    tenant = _tenant()
    public_id = _public_id()
    record = models.ForeignKey(Record, models.CASCADE, related_name="comments", verbose_name=_("record"))
    author = _person(_("author"))
    text = models.TextField(_("text"))
    created_at = models.DateTimeField(_("created"))
    deleted_at = _deleted()

    objects: ClassVar[models.Manager["Comment"]] = tenant_manager()

    class Meta:
        verbose_name = _("comment")
        verbose_name_plural = _("comments")

    def __str__(self) -> str:
        return self.text[:60]


class Contact(models.Model):
    """Somebody to call about a property: a chimney sweep, a neighbor with the keys."""

    tenant = _tenant()
    public_id = _public_id()
    property = models.ForeignKey(Property, models.CASCADE, related_name="contacts", verbose_name=_("property"))
    name = models.CharField(_("name"), max_length=200)
    purpose = models.CharField(_("what for"), max_length=200, blank=True)
    email = models.EmailField(_("e-mail"), blank=True)
    phone = models.CharField(_("phone"), max_length=50, blank=True)
    created_at = models.DateTimeField(_("created"))
    deleted_at = _deleted()

    objects: ClassVar[models.Manager["Contact"]] = tenant_manager()

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")

    def __str__(self) -> str:
        return self.name


class TargetType(models.TextChoices):
    """What can be shared."""

    PROJECT = "project", _("Project")
    PROPERTY = "property", _("Property")
    UNIT = "unit", _("Unit")


class ShareRole(models.TextChoices):
    """What somebody may do with what is shared."""

    READER = "reader", _("Reads")
    EDITOR = "editor", _("Reads and writes")


_TARGETS = Q(target_type__in=["project", "property", "unit"])
_ROLES = Q(role__in=["reader", "editor"])


class Invitation(models.Model):
    """An offer to share something, until it is accepted, withdrawn or too old. Its token is kept nowhere."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Waiting")
        ACCEPTED = "accepted", _("Accepted")
        EXPIRED = "expired", _("Expired")
        REVOKED = "revoked", _("Withdrawn")

    tenant = _tenant()
    public_id = _public_id()
    email = models.EmailField(_("e-mail"))
    target_type = models.CharField(_("what is shared"), max_length=10, choices=TargetType)
    target_id = models.BigIntegerField(_("its number"))
    target_name = models.CharField(_("its name"), max_length=200)
    role = models.CharField(_("role"), max_length=10, choices=ShareRole, default=ShareRole.READER)
    token_digest = models.CharField(_("digest of the token"), max_length=64, unique=True)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.PENDING)
    created_by = _person(_("invited by"))
    created_at = models.DateTimeField(_("created"))
    expires_at = models.DateTimeField(_("expires"))
    accepted_by = _person(_("accepted by"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    objects: ClassVar[models.Manager["Invitation"]] = tenant_manager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "target_type", "target_id", "email"],
                condition=Q(status="pending"),
                name="drafts_invitation_once",
            ),
            models.CheckConstraint(condition=_TARGETS, name="drafts_invitation_target"),
            models.CheckConstraint(condition=_ROLES, name="drafts_invitation_role"),
            models.CheckConstraint(
                condition=Q(status="pending", ended_at=None)
                | Q(status__in=["accepted", "expired", "revoked"], ended_at__isnull=False),
                name="drafts_invitation_status",
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="drafts_invitation_expiry"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-id"], name="drafts_invitation_newest"),
            models.Index(fields=["expires_at"], condition=Q(status="pending"), name="drafts_invitation_pending"),
        ]

    def __str__(self) -> str:
        return f"{self.email} · {self.target_name}"


class ShareMember(models.Model):
    """Somebody with whom something is shared."""

    tenant = _tenant()
    user = models.ForeignKey(User, models.CASCADE, related_name="+", verbose_name=_("user"))
    target_type = models.CharField(_("what is shared"), max_length=10, choices=TargetType)
    target_id = models.BigIntegerField(_("its number"))
    role = models.CharField(_("role"), max_length=10, choices=ShareRole)
    invitation = models.ForeignKey(
        Invitation, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("invitation")
    )
    created_at = models.DateTimeField(_("since"))

    objects: ClassVar[models.Manager["ShareMember"]] = tenant_manager()

    class Meta:
        verbose_name = _("share")
        verbose_name_plural = _("shares")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "target_type", "target_id", "user"], name="drafts_share_member_once"
            ),
            models.CheckConstraint(condition=_TARGETS, name="drafts_share_member_target"),
            models.CheckConstraint(condition=_ROLES, name="drafts_share_member_role"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_target_type_display()} {self.target_id}"


class SyncItem(models.Model):
    """What an offline client asked for and could not be done yet; done, its row is gone.

    `client_id` is a number of the client's own, so that what it asks for twice is done once.
    """

    class Status(models.TextChoices):
        FAILED = "failed", _("Waits for another try")
        CONFLICT = "conflict", _("Conflict")
        PERMANENTLY_FAILED = "permanently_failed", _("Failed for good")

    tenant = _tenant()
    user = models.ForeignKey(User, models.CASCADE, related_name="+", verbose_name=_("user"))
    client_id = models.UUIDField(_("number at the client"))
    operation = models.CharField(_("operation"), max_length=30)
    payload: models.JSONField[Any, Any] = models.JSONField(_("payload"), default=dict)
    status = models.CharField(_("status"), max_length=20, choices=Status, default=Status.FAILED)
    retry_count = models.PositiveSmallIntegerField(_("retries"), default=0)
    next_retry_at = models.DateTimeField(_("next try"), null=True, blank=True)
    last_error = models.TextField(_("last error"), blank=True)
    created_at = models.DateTimeField(_("created"))

    objects: ClassVar[models.Manager["SyncItem"]] = tenant_manager()

    class Meta:
        verbose_name = _("offline change")
        verbose_name_plural = _("offline changes")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "user", "client_id"], name="drafts_sync_once"),
            models.CheckConstraint(
                condition=Q(status="failed", next_retry_at__isnull=False)
                | Q(status__in=["conflict", "permanently_failed"], next_retry_at=None),
                name="drafts_sync_status",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["tenant", "-id"], name="drafts_sync_newest"),
            models.Index(fields=["next_retry_at", "id"], condition=Q(status="failed"), name="drafts_sync_due"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} · {self.client_id}"


class CleanupReceipt(Receipt):
    """What one run deleted by one rule, of all tenants. `run` is the job, or a number of the command's own."""

    class Rule(models.TextChoices):
        CREATED = "created", _("Drafts created long ago")
        EDITED = "edited", _("Drafts not edited for long")

    rule = models.CharField(_("rule"), max_length=10, choices=Rule)
    documents = models.PositiveBigIntegerField(_("documents deleted"), default=0)
    failed = models.PositiveBigIntegerField(_("not deleted: the storage failed"), default=0)

    class Meta:
        verbose_name = _("deletion of drafts")
        verbose_name_plural = _("deletions of drafts")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "rule"], name="drafts_cleanup_once"),
            models.CheckConstraint(condition=Q(rule__in=["created", "edited"]), name="drafts_cleanup_rule"),
        ]

    def __str__(self) -> str:
        return f"{self.get_rule_display()} · {self.count}"

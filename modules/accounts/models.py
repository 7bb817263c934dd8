"""Whose data it is, and who may see it."""

from typing import ClassVar
from zoneinfo import available_timezones

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from modules.kernel.cleanups import Receipt
from modules.kernel.tenancy import tenant_manager


class Tenant(models.Model):
    """A customer of the product: an e-shop owner, an agency, a workshop. All domain data belongs to one."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")

    def __str__(self) -> str:
        return self.name


def check_timezone(name: str) -> None:
    """Raise ValidationError for what is no time zone of the IANA's list."""
    if name not in available_timezones():
        raise ValidationError(_("There is no time zone of this name; one is Europe/Prague."))


class User(AbstractUser):
    """A person who logs in; superusers see every tenant, others those they are members of.

    `locale` and `timezone` are the person's own; empty ones are the installation's.
    """

    class Locale(models.TextChoices):
        ENGLISH = "en", _("English")
        CZECH = "cs", _("Czech")
        POLISH = "pl", _("Polish")

    locale = models.CharField(_("language"), max_length=5, choices=Locale, blank=True, default="", db_default="")
    timezone = models.CharField(
        _("time zone"), max_length=64, blank=True, default="", db_default="", validators=[check_timezone]
    )

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")


class Membership(models.Model):
    """What a person may do for a tenant. A guest has been let in to what is shared with them, and to nothing else."""

    class Role(models.TextChoices):
        VIEWER = "viewer", _("Viewer")
        OPERATOR = "operator", _("Operator")
        ADMIN = "admin", _("Admin")
        GUEST = "guest", _("Guest")

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships", verbose_name=_("user"))
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="memberships", verbose_name=_("tenant"))
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.VIEWER)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "tenant"], name="accounts_membership_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=["viewer", "operator", "admin", "guest"]), name="accounts_membership_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.tenant} · {self.get_role_display()}"


class ApiToken(models.Model):
    """A program's way in: it acts for one tenant, within its scopes. The secret itself is kept nowhere."""

    class Scope(models.TextChoices):
        JOBS_READ = "jobs:read", _("Read jobs")
        JOBS_WRITE = "jobs:write", _("Send, retry and cancel jobs")
        CUSTOMERS_READ = "customers:read", _("Read customers")
        ORDERS_READ = "orders:read", _("Read orders")
        CATALOG_READ = "catalog:read", _("Read products")
        INVENTORY_READ = "inventory:read", _("Read inventory")
        NOTIFICATIONS_READ = "notifications:read", _("Read notifications and preferences")
        NOTIFICATIONS_WRITE = "notifications:write", _("Mark notifications read, change preferences")
        DRAFTS_READ = "drafts:read", _("Read the diary")
        DRAFTS_WRITE = "drafts:write", _("Write the diary, share it")
        SHOPTET_READ = "shoptet:read", _("Read shops and their log")
        SHOPTET_WRITE = "shoptet:write", _("Take snapshots of shops")

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="api_tokens", verbose_name=_("tenant"))
    name = models.CharField(_("name"), max_length=200, help_text=_("Which program uses it."))
    prefix = models.CharField(_("prefix"), max_length=12, unique=True, help_text=_("How the token begins."))
    digest = models.CharField(_("digest"), max_length=64, help_text=_("SHA-256 of the secret's 32 random bytes."))
    scopes = ArrayField(models.CharField(max_length=30, choices=Scope), verbose_name=_("scopes"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("created by")
    )
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, help_text=_("To the minute."))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class Login(models.Model):
    """A person's way in from one device: a family of refresh tokens, of which the newest alone is good."""

    class Ending(models.TextChoices):
        LOGOUT = "logout", _("Logged out")
        REUSED = "reused", _("A used token came again")
        OPERATOR = "operator", _("Ended by an operator")

    user = models.ForeignKey(User, models.CASCADE, related_name="logins", verbose_name=_("user"))
    credential = models.CharField(
        _("fingerprint"), max_length=64, help_text=_("Of the password; another one ends the login.")
    )
    agent = models.CharField(_("program"), max_length=200, blank=True, help_text=_("As it calls itself."))
    opened_at = models.DateTimeField(_("opened"), db_index=True)
    refreshed_at = models.DateTimeField(_("refreshed"))
    expires_at = models.DateTimeField(_("expires"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    ending = models.CharField(_("why it ended"), max_length=10, choices=Ending, blank=True)

    class Meta:
        verbose_name = _("login")
        verbose_name_plural = _("logins")

    def __str__(self) -> str:
        return f"{self.user} · {self.agent}"


class RefreshToken(models.Model):
    """One of a login's tokens; good for one exchange. Used, it is revoked. The secret itself is kept nowhere."""

    login = models.ForeignKey(Login, models.CASCADE, related_name="tokens", verbose_name=_("login"))
    prefix = models.CharField(_("prefix"), max_length=12, unique=True, help_text=_("How the token begins."))
    digest = models.CharField(_("digest"), max_length=64, help_text=_("SHA-256 of the secret's 32 random bytes."))
    created_at = models.DateTimeField(_("created"))
    expires_at = models.DateTimeField(_("expires"), db_index=True)
    revoked_at = models.DateTimeField(_("used or revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("refresh token")
        verbose_name_plural = _("refresh tokens")
        indexes: ClassVar = [
            models.Index(
                fields=["revoked_at"],
                condition=models.Q(revoked_at__isnull=False),
                name="accounts_refresh_revoked",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}…"


class ActivityEntry(models.Model):
    """Something that somebody did. One of no tenant concerns the person alone, like a login."""

    tenant = models.ForeignKey(
        Tenant, models.CASCADE, null=True, blank=True, related_name="+", db_index=False, verbose_name=_("tenant")
    )
    user = models.ForeignKey(
        User, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False, verbose_name=_("user")
    )
    verb = models.CharField(_("action"), max_length=50)
    target_type = models.CharField(_("kind of thing"), max_length=50, blank=True)
    target_id = models.CharField(_("number of the thing"), max_length=64, blank=True)
    details = models.JSONField(_("details"), default=dict)
    at = models.DateTimeField(_("when"))

    objects: ClassVar[models.Manager["ActivityEntry"]] = tenant_manager()

    class Meta:
        verbose_name = _("activity")
        verbose_name_plural = _("activity log")
        indexes: ClassVar = [
            models.Index(fields=["at"], name="accounts_activity_at"),
            models.Index(fields=["tenant", "-id"], name="accounts_activity_newest"),
            models.Index(fields=["user", "-id"], name="accounts_activity_of"),
        ]

    def __str__(self) -> str:
        return self.verb


class CleanupReceipt(Receipt):
    """What one run of a cleanup deleted by one rule. `run` is the job, or a number of the command's own."""

    class Rule(models.TextChoices):
        ACTIVITY = "activity", _("Activity of long ago")
        EXPIRED = "expired", _("Expired refresh tokens")
        REVOKED = "revoked", _("Refresh tokens revoked long ago")
        LOGINS = "logins", _("Logins without a token")

    rule = models.CharField(_("rule"), max_length=20, choices=Rule)

    class Meta:
        verbose_name = _("cleanup")
        verbose_name_plural = _("cleanups")
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "rule"], name="accounts_cleanup_once")]

    def __str__(self) -> str:
        return f"{self.get_rule_display()} · {self.count}"

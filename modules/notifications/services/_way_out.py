"""The address in a mail by which its reader stops such mails with one click, without a login (RFC 8058)."""

from dataclasses import dataclass

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from modules.notifications.domain import InvalidMail, Kind

SALT = "notifications.unsubscribe"


@dataclass(frozen=True)
class WayOut:
    """Whose mails of which kind from which tenant."""

    tenant_id: int
    user_id: int
    kind: Kind

    @property
    def token(self) -> str:
        """Return it signed; it opens nothing but this one preference, and never expires: mails are kept for years."""
        return Signer(salt=SALT).sign(f"{self.tenant_id}.{self.user_id}.{self.kind}")

    @property
    def url(self) -> str:
        """Return the address that a mail names; raises InvalidMail without PUBLIC_URL."""
        if not settings.NOTIFICATIONS["PUBLIC_URL"]:
            raise InvalidMail("unsubscribe", "set PUBLIC_URL: a mail that one may switch off names the way to do it.")
        return str(settings.NOTIFICATIONS["PUBLIC_URL"] + reverse("notifications:unsubscribe", args=[self.token]))


def read_way_out(token: str) -> WayOut | None:
    """Return what a token stands for, or None when it is none of ours."""
    try:
        tenant_id, user_id, kind = Signer(salt=SALT).unsign(token).split(".")
        return WayOut(int(tenant_id), int(user_id), Kind(kind))
    except (BadSignature, ValueError):
        return None

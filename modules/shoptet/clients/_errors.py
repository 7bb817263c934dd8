"""What goes wrong with a shop, in a sentence for its owner."""

from datetime import datetime

from django.utils.translation import gettext as _


class ShoptetError(Exception):
    """The shop did not give what was asked for; the text is for the shop's owner."""


class TemporaryShoptetError(ShoptetError):
    """The same call may succeed later."""


class RateLimited(ShoptetError):
    """The shop asks for a pause until `retry_at` (aware)."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__(_("The shop asks for fewer requests; the work goes on by itself."))
        self.retry_at = retry_at


class PermanentShoptetError(ShoptetError):
    """The same call will fail until somebody changes something."""


class InvalidToken(PermanentShoptetError):
    """The shop does not know the token, or no longer."""


class TokenEnded(InvalidToken):
    """The access token of an add-on has had its half hour, or was withdrawn."""


class TokenUncertain(TemporaryShoptetError):
    """The shop may have given an access token that did not reach us: it counts as one of the five."""


class CodeRefused(PermanentShoptetError):
    """The OAuth server does not take the code of an installation: used, expired, or never given."""


class NoRights(PermanentShoptetError):
    """The token is known, but not allowed to do this."""


class WebhookMissing(PermanentShoptetError):
    """The shop makes no snapshots until somebody registered for `job:finished`."""


class WebhookTaken(PermanentShoptetError):
    """One of the events has an address already, and only one is possible."""


class LooksUsedUp(PermanentShoptetError):
    """The shop's unfinished job was looked at ten times, which is all."""


class LinkExpired(ShoptetError):
    """The link to a snapshot's file leads nowhere any more."""

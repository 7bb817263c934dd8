"""Changes to who there is, to what opens the API, and to the record of what people did."""

from modules.accounts.services._activity import Deed, DetailsTooBig, log_activities, log_activity
from modules.accounts.services._cleanup import clean_activity, clean_tokens
from modules.accounts.services._guests import admit_guest, dismiss_guest
from modules.accounts.services._logins import (
    JustUsed,
    Keys,
    TokenRefused,
    WrongPassword,
    close_login,
    end_login,
    open_login,
    refresh_login,
)
from modules.accounts.services._tokens import create_token, note_use, open_tenant, revoke_token

__all__ = [
    "Deed",
    "DetailsTooBig",
    "JustUsed",
    "Keys",
    "TokenRefused",
    "WrongPassword",
    "admit_guest",
    "clean_activity",
    "clean_tokens",
    "close_login",
    "create_token",
    "dismiss_guest",
    "end_login",
    "log_activities",
    "log_activity",
    "note_use",
    "open_login",
    "open_tenant",
    "refresh_login",
    "revoke_token",
]

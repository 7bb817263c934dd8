"""Changes to who there is, to what opens the API, and to the record of what people did."""

from modules.accounts.services._activity import DetailsTooBig, log_activity
from modules.accounts.services._cleanup import Report, clean_activity
from modules.accounts.services._tokens import create_token, note_use, open_tenant, revoke_token

__all__ = [
    "DetailsTooBig",
    "Report",
    "clean_activity",
    "create_token",
    "log_activity",
    "note_use",
    "open_tenant",
    "revoke_token",
]

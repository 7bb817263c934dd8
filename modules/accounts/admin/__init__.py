"""Who may see what, who is logged in, what people did, and what was deleted of it."""

from modules.accounts.admin._access import AccessAdmin, GroupAdmin, MembershipAdmin, TenantAdmin, UserAdmin
from modules.accounts.admin._activity import ActivityAdmin
from modules.accounts.admin._logins import LoginAdmin

__all__ = [
    "AccessAdmin",
    "ActivityAdmin",
    "GroupAdmin",
    "LoginAdmin",
    "MembershipAdmin",
    "TenantAdmin",
    "UserAdmin",
]

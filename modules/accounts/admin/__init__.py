"""Who may see what, what people did, and what was deleted of it."""

from modules.accounts.admin._access import AccessAdmin, GroupAdmin, MembershipAdmin, TenantAdmin, UserAdmin
from modules.accounts.admin._activity import ActivityAdmin

__all__ = [
    "AccessAdmin",
    "ActivityAdmin",
    "GroupAdmin",
    "MembershipAdmin",
    "TenantAdmin",
    "UserAdmin",
]

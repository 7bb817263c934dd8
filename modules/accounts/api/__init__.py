"""HTTP in: who is calling, and how people log in."""

from modules.accounts.api._auth import router
from modules.accounts.api._callers import BearerToken, MemberToken, PersonToken, in_tenants_scope, with_rate_limit

__all__ = ["BearerToken", "MemberToken", "PersonToken", "in_tenants_scope", "router", "with_rate_limit"]

"""Who is calling: a token opens its tenant, within its scopes, so many times a minute."""

from collections.abc import Callable
from functools import wraps
from math import ceil
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja.security import HttpBearer

from modules.accounts import clients, selectors, services
from modules.accounts.clients import Allowance
from modules.accounts.models import ApiToken
from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.tenancy import tenant_scope

READING = {"GET", "HEAD"}


class BearerToken(HttpBearer):
    """Opens one part of the API: reading takes the scope `<area>:read`, everything else `<area>:write`."""

    def __init__(self, area: str) -> None:
        super().__init__()
        self.area = area

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        """Return the token, or None for a wrong one; raises Problem 429 and 403."""
        now = clock.now()
        found = selectors.find_token(token, now=now)
        if found is None:
            return None
        _limit(request, found)
        self._check_scope(request, found)
        services.note_use(found, now=now)
        return found

    def _check_scope(self, request: HttpRequest, token: ApiToken) -> None:
        scope = f"{self.area}:{'read' if request.method in READING else 'write'}"
        if scope not in token.scopes:
            has = ", ".join(token.scopes) or _("none")
            raise Problem(
                403, _("This takes the scope %(scope)s; the token has: %(has)s.") % {"scope": scope, "has": has}
            )


def with_rate_limit(run: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Tell in each answer how many requests are left."""

    @wraps(run)
    def told(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        response = run(request, **kwargs)
        for name, value in _headers(getattr(request, "allowance", None)).items():
            response[name] = value
        return response

    return told


def in_tenants_scope(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let an operation see the rows of its caller's tenant and no others."""

    @wraps(view)
    def scoped(request: Any, *args: Any, **kwargs: Any) -> Any:
        with tenant_scope(request.auth.tenant_id):
            return view(request, *args, **kwargs)

    return scoped


def _limit(request: HttpRequest, token: ApiToken) -> None:
    allowance = clients.take(
        {
            f"token:{token.pk}": settings.API["TOKEN_PER_MINUTE"],
            f"tenant:{token.tenant_id}": settings.API["TENANT_PER_MINUTE"],
        }
    )
    request.allowance = allowance  # type: ignore[attr-defined] # `with_rate_limit` tells it
    if allowance and allowance.wait_seconds:
        seconds = str(ceil(allowance.wait_seconds))
        detail = _("Too many requests: %(limit)d a minute are allowed.") % {"limit": allowance.limit}
        raise Problem(429, detail, headers={"Retry-After": seconds})


def _headers(allowance: Allowance | None) -> dict[str, str]:
    if allowance is None:
        return {}
    return {
        "RateLimit-Limit": str(allowance.limit),
        "RateLimit-Remaining": str(allowance.remaining),
        "RateLimit-Reset": str(ceil(allowance.full_in_seconds)),
    }

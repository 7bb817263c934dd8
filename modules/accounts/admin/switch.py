"""The console's switch between tenants: whose rows its pages show, until the reader chooses again."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from modules.accounts import selectors
from modules.accounts.selectors import CHOSEN


@require_POST
def choose_tenant(request: HttpRequest) -> HttpResponse:
    """Show one tenant from now on, or all again; lead back to where the reader was."""
    chosen = request.POST.get("tenant", "")
    names = selectors.tenants_to_choose(request.user)
    if not chosen:
        request.session.pop(CHOSEN, None)
    elif chosen.isdecimal() and int(chosen) in names:
        request.session[CHOSEN] = int(chosen)
    else:
        raise PermissionDenied
    return HttpResponseRedirect(_back(request))


def _back(request: HttpRequest) -> str:
    """Return the list or page that the reader came from; a single row may be another tenant's and so not there."""
    came_from = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(came_from, allowed_hosts=None) and came_from.startswith("/admin/")
    is_row = any(part.isdecimal() or len(part) == 36 for part in came_from.split("?")[0].split("/"))
    return came_from if is_ours and not is_row else reverse("admin:index")


def tenant_choice(request: HttpRequest) -> dict[str, Any]:
    """Return what a page's header needs to offer the tenants; asked of the database by pages that show it."""
    return {"tenant_choice": SimpleLazyObject(lambda: _choice(request))}


def _choice(request: HttpRequest) -> dict[str, Any]:
    names = selectors.tenants_to_choose(request.user) if hasattr(request, "user") else {}
    if len(names) < 2:
        return {"names": {}}
    chosen = int(request.session.get(CHOSEN, 0))
    return {"names": names, "chosen": chosen, "name": names.get(chosen, "")}

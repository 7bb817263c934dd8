"""Puts the reader's tenants in scope for the length of a request."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from django.http import HttpRequest, HttpResponse

from modules.accounts import selectors
from modules.kernel.tenancy import all_tenants, tenant_scope


class TenantMiddleware:
    """Superusers see every tenant; everybody else the tenants they are members of, strangers none.

    Of these only the one that the reader chose in the console's header, while they may see it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request inside its reader's scope."""
        with self._scope(request):
            return self.get_response(request)

    @staticmethod
    def _scope(request: HttpRequest) -> AbstractContextManager[None]:
        if not request.user.is_authenticated:
            return tenant_scope([])
        chosen = request.session.get(selectors.CHOSEN)
        if request.user.is_superuser:
            return all_tenants() if chosen is None else tenant_scope([chosen])
        visible = selectors.visible_tenant_ids(request.user)
        return tenant_scope([chosen] if chosen in visible else visible)

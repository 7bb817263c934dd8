"""The console on a wall: the home page's numbers in big type, read from across a room; nothing to press."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from modules.jobs import selectors, services
from modules.jobs.admin._home import home
from modules.jobs.admin.queues import may_look
from modules.kernel import clock
from modules.kernel.console import moment, visible_tenant_ids

ALERTS = 6  # more would push the rest off the wall


@require_GET
def show(request: HttpRequest) -> HttpResponse:
    """Show the numbers, the last hour and what is wrong; the page renews itself as every live one."""
    if not may_look(request):
        raise PermissionDenied
    found = home(request)
    context = {
        **admin.site.each_context(request),
        "title": _("Wall"),
        "cards": found["cards"],
        "charts": [chart for chart in found["charts"] if chart.get("drawing")],
        "alerts": _alerts(request),
        "now": clock.now(),
    }
    return TemplateResponse(request, "console/wall.html", context)


def _alerts(request: HttpRequest) -> list[tuple[str, Any]]:
    if visible_tenant_ids() is not None or not request.user.has_perm("jobs.view_alert"):
        return []
    newest = selectors.open_alerts().select_related("rule").order_by("-id")[:ALERTS]
    return [(services.say_alert(alert), moment(alert.opened_at)) for alert in newest]

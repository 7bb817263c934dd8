"""Where a mail's "unsubscribe" leads: one POST without login or question, as mail programs send it (RFC 8058)."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from modules.kernel import clock
from modules.kernel.tenancy import tenant_scope
from modules.notifications import selectors, services
from modules.notifications.domain import Channel


@csrf_exempt  # a mail program has no cookie; the signed address is the permission, and the body can change nothing else
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Switch one kind of mail off, or on again; a GET only asks, because mail scanners follow every link."""
    way_out = services.read_way_out(token)
    if way_out is None:
        raise Http404
    with tenant_scope(way_out.tenant_id):
        if request.method == "POST":
            _switch(way_out, is_on=request.POST.get("again") == "1")
        is_on = selectors.wants(
            tenant_id=way_out.tenant_id, user_id=way_out.user_id, kind=way_out.kind, channel=Channel.EMAIL
        )
        language = selectors.locale_of(way_out.user_id)
    with translation.override(language):
        response = render(request, "notifications/unsubscribe.html", {"is_on": is_on, "language": language})
    response["Referrer-Policy"] = "no-referrer"
    return response


def _switch(way_out: services.WayOut, *, is_on: bool) -> None:
    wanted = {(way_out.kind, Channel.EMAIL): is_on}
    try:
        services.set_preferences(tenant_id=way_out.tenant_id, user_id=way_out.user_id, wanted=wanted, now=clock.now())
    except services.NotAMember:
        raise Http404 from None  # who has left the tenant gets no mails of it

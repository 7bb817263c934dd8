"""Where a link to an export leads: the file, piece by piece, to who has the link, while it is good."""

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from modules.kernel import clock
from modules.kernel.tenancy import tenant_scope
from modules.reports import services


@never_cache
@require_safe
def download(request: HttpRequest, token: str) -> HttpResponseBase:
    """Send the file; 404 for a link that is wrong, too old or withdrawn, so that nobody learns which."""
    export = services.find_by_link(token, now=clock.now())
    if export is None:
        raise Http404
    if request.method == "HEAD":  # a mail scanner's look is no download
        return _with_headers(HttpResponse(), f"export-{export.created_at:%Y-%m-%d}.zip", export.size or 0)
    with tenant_scope(export.tenant_id):
        try:
            file = services.open_download(export, now=clock.now())
        except services.ObjectGone:
            raise Http404 from None
        except services.StorageFailed:
            return HttpResponse(status=503, headers={"Retry-After": "60"})
    return _with_headers(StreamingHttpResponse(file.pieces), file.name, file.size)


def _with_headers(response: HttpResponseBase, name: str, size: int) -> HttpResponseBase:
    response["Content-Type"] = "application/zip"
    response["Content-Length"] = str(size)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Referrer-Policy"] = "no-referrer"
    response["X-Content-Type-Options"] = "nosniff"
    return response

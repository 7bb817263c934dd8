"""Where shops tell of events. Answered at once: the vendor waits four seconds, and asks three times in all."""

from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.tenancy import all_tenants
from modules.orders.domain import UnreadableOrder
from modules.shoptet import services

SIGNATURE = "Shoptet-Webhook-Signature"


@csrf_exempt
@require_POST
def receive(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Store a signed event; 200 for one that is stored, now or before. A stranger learns nothing but 404."""
    length, limit = request.headers.get("Content-Length") or "0", settings.SHOPTET["MAX_WEBHOOK_BYTES"]
    if not length.isdecimal() or int(length) > limit:
        return Problem(413, _("The body is over %(limit)d bytes.") % {"limit": limit}).as_response()
    signature = request.headers.get(SIGNATURE, "")
    try:
        with all_tenants():  # a shop is no user: its signature says whose data it is
            services.receive_webhook(
                public_id=public_id, body=request.body, signature=signature, received_at=clock.now()
            )
    except services.WebhookRefused:
        return Problem(404, _("There is nothing at this address.")).as_response()
    except UnreadableOrder as error:
        return Problem(400, str(error)).as_response()
    return HttpResponse(status=200)

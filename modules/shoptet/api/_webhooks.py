"""Where shops tell of events. Answered at once: the vendor waits four seconds, and asks three times in all."""

import logging
from collections.abc import Callable
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.kernel.tenancy import all_tenants
from modules.orders.domain import UnreadableOrder
from modules.shoptet import services
from modules.shoptet.clients import CodeRefused, ShoptetError

SIGNATURE = "Shoptet-Webhook-Signature"

logger = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def receive(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Store a signed event; 200 for one that is stored, now or before. A stranger learns nothing but 404."""
    return _receive(request, public_id, services.receive_webhook)


@csrf_exempt
@require_POST
def receive_addon_event(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Store a signed event of an add-on: suspended, approved, terminated, uninstalled; as `receive` does."""
    return _receive(request, public_id, services.receive_addon_event)


@csrf_exempt
@require_GET
def install(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Take in the shop that installs an add-on; any answer but 200 within five seconds fails the installation."""
    try:
        with all_tenants():  # whose shop it will be, the add-on says
            services.install_addon(public_id=public_id, code=request.GET.get("code", ""))
    except services.AddonUnknown:
        return Problem(404, _("There is nothing at this address.")).as_response()
    except CodeRefused as error:
        return Problem(400, str(error)).as_response()
    except ShoptetError as error:
        logger.warning("An installation failed: %s", error)
        return Problem(502, str(error)).as_response()
    return HttpResponse(status=200)


def _receive(request: HttpRequest, public_id: UUID, store: Callable[..., bool]) -> HttpResponse:
    length, limit = request.headers.get("Content-Length") or "0", settings.SHOPTET["MAX_WEBHOOK_BYTES"]
    if not length.isdecimal() or int(length) > limit:
        return Problem(413, _("The body is over %(limit)d bytes.") % {"limit": limit}).as_response()
    signature = request.headers.get(SIGNATURE, "")
    try:
        with all_tenants():  # a shop is no user: its signature says whose data it is
            store(public_id=public_id, body=request.body, signature=signature, received_at=clock.now())
    except services.WebhookRefused:
        return Problem(404, _("There is nothing at this address.")).as_response()
    except UnreadableOrder as error:
        return Problem(400, str(error)).as_response()
    return HttpResponse(status=200)

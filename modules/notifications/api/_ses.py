"""Where Amazon tells of our mails. Answered within the 15 seconds that SNS waits; what it means is a job's work."""

import logging

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from modules.kernel import clock
from modules.kernel.problems import Problem
from modules.notifications import services
from modules.notifications.clients import SnsUnavailable
from modules.notifications.domain.sns import ForgedMessage, UnreadableMessage

log = logging.getLogger("backroom.notifications")


@csrf_exempt
@require_POST
def receive_ses(request: HttpRequest) -> HttpResponse:
    """Store what Amazon signed; 200 for what is stored, now or before, 503 for what SNS is to tell again."""
    length, limit = request.headers.get("Content-Length") or "0", settings.NOTIFICATIONS["MAX_WEBHOOK_BYTES"]
    if not length.isdecimal() or int(length) > limit:
        return Problem(413, _("The body is over %(limit)d bytes.") % {"limit": limit}).as_response()
    type_header = request.headers.get("x-amz-sns-message-type", "")
    try:
        services.receive_sns(body=request.body, type_header=type_header, received_at=clock.now())
    except UnreadableMessage as error:
        return Problem(400, str(error)).as_response()
    except ForgedMessage as error:
        log.warning("a message for /api/webhooks/ses was refused: %s", error)
        return Problem(403, _("The message is not proven.")).as_response()  # a forger learns nothing more
    except SnsUnavailable as error:
        log.warning("a message for /api/webhooks/ses waits for its certificate: %s", error)
        return Problem(503, _("The certificate cannot be had now.")).as_response()
    return HttpResponse(status=200)

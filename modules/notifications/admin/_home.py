"""The mails' part of the home page."""

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from modules.kernel import clock
from modules.kernel.console import Card
from modules.notifications import selectors


def home(request: HttpRequest) -> dict[str, Any]:
    """Return the card that this reader may see."""
    if not request.user.has_perm("notifications.view_emailmessage"):
        return {"cards": [], "charts": []}
    failed, uncertain = selectors.troubles(since=clock.now() - timedelta(hours=24))
    url = f"{reverse('admin:notifications_emailmessage_changelist')}?state__exact=failed"
    note = _("%d of which nobody knows") % uncertain
    tone = "red" if failed or uncertain else "green"
    return {"cards": [Card(_("Mails failed in 24 h"), failed, "mail", tone, url, note)], "charts": []}

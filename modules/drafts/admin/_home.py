"""The diary's part of the home page."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from modules.drafts import selectors
from modules.kernel.console import Card


def home(request: HttpRequest) -> dict[str, Any]:
    """Return the card that this reader may see."""
    if not request.user.has_perm("drafts.view_syncitem"):
        return {"cards": [], "charts": []}
    given_up, conflicts = selectors.count_ended_sync_items()
    url = f"{reverse('admin:drafts_syncitem_changelist')}?status__exact=permanently_failed"
    note = _("%d in conflict") % conflicts
    tone = "red" if given_up else "green"
    return {"cards": [Card(_("Offline changes given up"), given_up, "sync_problem", tone, url, note)], "charts": []}

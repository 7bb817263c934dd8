"""The home page: what each module tells of itself, put on one page."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the page's context with the cards and charts that this reader may see."""
    from modules.customers import admin as customers  # admin modules need the apps to be ready
    from modules.drafts import admin as drafts
    from modules.inventory import admin as inventory
    from modules.jobs import admin as jobs
    from modules.notifications import admin as notifications
    from modules.shoptet import admin as shoptet

    parts = [part.home(request) for part in (jobs, shoptet, customers, inventory, drafts, notifications)]
    cards = [card for part in parts for card in part["cards"]]
    charts = [chart for part in parts for chart in part["charts"]]
    return {**context, "cards": cards, "charts": charts, "tour": jobs.tour(request) if settings.DEMO else []}


def environment(_request: HttpRequest) -> list[Any] | None:
    """Return what the header says of this installation: that it is a demonstration, or nothing."""
    return [_("Demo"), "info"] if settings.DEMO else None

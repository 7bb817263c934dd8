"""The home page: what each module tells of itself, put on one page."""

from typing import Any

from django.http import HttpRequest


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the page's context with the cards and charts that this reader may see."""
    from modules.jobs import admin as jobs  # admin modules need the apps to be ready
    from modules.shoptet import admin as shoptet

    parts = [jobs.home(request), shoptet.home(request)]
    cards = [card for part in parts for card in part["cards"]]
    charts = [chart for part in parts for chart in part["charts"]]
    return {**context, "cards": cards, "charts": charts}

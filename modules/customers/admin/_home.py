"""The customers' part of the home page."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from modules.customers import selectors
from modules.kernel.console import Card


def home(request: HttpRequest) -> dict[str, Any]:
    """Return the card that this reader may see."""
    if not request.user.has_perm("customers.view_customer"):
        return {"cards": [], "charts": []}
    count = number_format(selectors.count_customers(), force_grouping=True)
    card = Card(_("Customers"), count, "groups", "blue", reverse("admin:customers_customer_changelist"))
    return {"cards": [card], "charts": []}

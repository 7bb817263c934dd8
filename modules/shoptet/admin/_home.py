"""The shops' part of the home page."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from modules.kernel.console import Card
from modules.shoptet.models import ParkedRecord, Shop


def home(request: HttpRequest) -> dict[str, Any]:
    """Return the cards that this reader may see."""
    return {"cards": [*_shop_cards(request), *_parked_cards(request)], "charts": []}


def _shop_cards(request: HttpRequest) -> list[Card]:
    if not request.user.has_perm("shoptet.view_shop"):
        return []
    broken = Shop.objects.exclude(last_error="").count()
    url = f"{reverse('admin:shoptet_shop_changelist')}{'?trouble=yes' if broken else ''}"
    note = _("out of %d") % Shop.objects.count()
    return [Card(_("Shop errors"), broken, "storefront", "red" if broken else "green", url, note)]


def _parked_cards(request: HttpRequest) -> list[Card]:
    if not request.user.has_perm("shoptet.view_parkedrecord"):
        return []
    parked = ParkedRecord.objects.filter(resolved_at=None).count()
    url = f"{reverse('admin:shoptet_parkedrecord_changelist')}?resolved_at__isempty=1"
    note = _("tried again with each sync") if parked else _("everything could be read")
    return [Card(_("Parked records"), parked, "inventory", "amber" if parked else "green", url, note)]

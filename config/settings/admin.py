"""How the console looks: the only place that names the admin's theme."""

from django.utils.translation import gettext_lazy as _

UNFOLD = {
    "SITE_TITLE": "Backroom",
    "SITE_HEADER": "Backroom",
    "SITE_SUBHEADER": _("the back office that runs by itself"),
    "SITE_SYMBOL": "inventory_2",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_LANGUAGES": True,
}

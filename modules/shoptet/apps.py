from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ShoptetConfig(AppConfig):
    name = "modules.shoptet"
    verbose_name = _("Shoptet")

"""`manage.py shoptet_test`: does the shop let us in?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.kernel.tenancy import all_tenants
from modules.shoptet import selectors, services
from modules.shoptet.clients import ShoptetError
from modules.shoptet.models import Shop


class Command(BaseCommand):
    help = "Ask a shop who it is, and say in a sentence what came of it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--shop", type=int, required=True, metavar="ID")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            with all_tenants(), services.connect(selectors.get_shop(options["shop"])) as client:
                facts, _at = client.eshop()
        except (Shop.DoesNotExist, ShoptetError) as error:
            raise CommandError(str(error)) from None
        said = {"name": facts.name or facts.eshop_id, "currency": facts.currency, "statuses": len(facts.statuses)}
        self.stdout.write(_("Connected to %(name)s: %(currency)s, %(statuses)s order statuses.") % said)

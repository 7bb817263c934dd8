"""`manage.py customers_totals`: orders, customers and revenue, counted from the orders themselves."""

import json
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from modules.customers import selectors
from modules.kernel.tenancy import all_tenants


class Command(BaseCommand):
    help = "Show orders, customers, links and revenue of all tenants; cancelled and deleted orders earn nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        with all_tenants():
            totals = selectors.totals()
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(totals)))
            return
        self.stdout.write(f"orders      {totals.orders:>16,}")
        self.stdout.write(f"customers   {totals.customers:>16,}")
        self.stdout.write(f"linked      {totals.linked:>16,}")
        self.stdout.write(f"unlinked    {totals.orders - totals.linked:>16,}")
        for currency, revenue in totals.revenues.items():
            self.stdout.write(f"revenue {currency or '?':<3} {revenue:>16,}")


def _as_json(totals: selectors.Totals) -> dict[str, Any]:
    """Revenue is null where shops count in different currencies: their sum would be a sum of nothing."""
    revenues = list(totals.revenues.values()) or [Decimal("0.00")]
    return {
        "orders": totals.orders,
        "customers": totals.customers,
        "revenue": str(revenues[0]) if len(revenues) == 1 else None,
        "linked": totals.linked,
        "unlinked": totals.orders - totals.linked,
    }

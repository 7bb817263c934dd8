"""`manage.py inventory_import_stock`: how many there are, from a table."""

import csv
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from modules.inventory import selectors, services
from modules.inventory.domain import LevelFacts
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants, tenant_scope

MAX_PIECES = Decimal(10) ** 11
MAX_BYTES = 50_000_000


class Command(BaseCommand):
    help = "Read stock from a CSV with the columns code, amount and, as you like, reserved, stock, location."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--shop", required=True, metavar="NAME|ID", help="by its name or its channel's number")
        parser.add_argument(
            "--complete", action="store_true", help="what is not in the file is no longer in the stocks that it names"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        with all_tenants():
            channels = selectors.channels_called(options["shop"])
        if len(channels) != 1:
            raise CommandError(_("Not one shop is called %r; use its channel's number.") % options["shop"])
        try:
            levels = list(_read(options["file"]))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise CommandError(str(error)) from None
        with tenant_scope(channels[0].tenant_id):
            changed = services.import_levels(
                channel_id=channels[0].pk, levels=levels, now=clock.now(), is_complete=options["complete"]
            )
        self.stdout.write(
            _("%(rows)s rows read, %(changed)s variants changed.") % {"rows": len(levels), "changed": changed}
        )


def _read(file: Path) -> Iterator[LevelFacts]:
    if file.stat().st_size > MAX_BYTES:
        raise CommandError(_("The file is over %d MB.") % (MAX_BYTES // 1_000_000))
    with file.open(encoding="utf-8-sig", newline="") as opened:
        head = opened.readline()
        opened.seek(0)
        table = csv.DictReader(opened, delimiter=";" if ";" in head else ",")
        if not {"code", "amount"} <= set(table.fieldnames or ()):
            raise CommandError(_("The first line must name the columns, code and amount among them."))
        for row in table:
            yield _level(row, line=table.line_num)


def _level(row: dict[str, str | None], *, line: int) -> LevelFacts:
    text = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
    try:
        amount, reserved = (Decimal((text.get(name) or "0").replace(",", ".")) for name in ("amount", "reserved"))
    except InvalidOperation:
        raise CommandError(_("Line %d: the amount is not a number.") % line) from None
    is_fine = all(number.is_finite() and abs(number) < MAX_PIECES for number in (amount, reserved))
    if not text["code"] or "\0" in "".join(text.values()) or not is_fine:
        raise CommandError(_("Line %d: a code and a number of pieces are needed.") % line)
    return LevelFacts(
        code=text["code"],
        amount=amount,
        reserved=reserved,
        stock=text.get("stock", ""),
        location=text.get("location", ""),
    )

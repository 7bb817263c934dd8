"""`manage.py jobs_doctor`: what is wrong between ledger, broker, workers and code, and its repair."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from modules.jobs import doctor
from modules.jobs.doctor import Finding


class Command(BaseCommand):
    help = (
        "Compare the ledger with the broker, the workers, the schedules and the code, and say what is wrong and what "
        "to do. Exit 1 when something is. With --fix, first repair what can be repaired; safe while everything runs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fix", action="store_true", help="repair, then look again")
        parser.add_argument("--json", action="store_true", help="print one JSON object: findings by check")

    def handle(self, *_args: Any, **options: Any) -> None:
        found = doctor.examine()
        if options["fix"] and _fixable(found):
            doctor.repair()
            found = self._tell_of_repairs(found, doctor.examine(), is_quiet=options["json"])
        if options["json"]:
            told = {name: [asdict(finding) for finding in findings] for name, findings in found.items()}
            self.stdout.write(json.dumps(told))
        else:
            self._print(found)
        if any(found.values()):
            sys.exit(1)

    def _tell_of_repairs(
        self, before: dict[str, list[Finding]], after: dict[str, list[Finding]], *, is_quiet: bool
    ) -> dict[str, list[Finding]]:
        left = {finding for findings in after.values() for finding in findings}
        for finding in _fixable(before):
            if finding not in left and not is_quiet:
                self.stdout.write(f"repaired    {finding.what}")
        return after

    def _print(self, found: dict[str, list[Finding]]) -> None:
        for name, findings in found.items():
            if not findings:
                self.stdout.write(f"{name:<11} ok")
            for finding in findings:
                way = "with --fix: " if finding.is_fixable else ""
                self.stdout.write(f"{name:<11} WRONG  {finding.what} {way}{finding.remedy}")


def _fixable(found: dict[str, list[Finding]]) -> list[Finding]:
    return [finding for findings in found.values() for finding in findings if finding.is_fixable]

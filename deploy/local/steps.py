"""`python -m deploy.local.steps JSON`: commands of manage.py one after another, in one process.

Each start of Django takes two seconds on a small machine. JSON is a list of commands, each a list of words; `history`
is no command of the product's, but the week that `make run` shows.
"""

import json
import sys
from collections.abc import Sequence

import django
from django.core.management import CommandError, call_command


def main(steps: Sequence[Sequence[str]]) -> int:
    """Run every step; return 1, having said why, at the first that fails."""
    django.setup()
    for name, *arguments in steps:
        try:
            _do(name, arguments)
        except CommandError as error:
            sys.stderr.write(f"{name}: {error}\n")
            return 1
    return 0


def _do(name: str, arguments: Sequence[str]) -> None:
    if name == "history":
        from deploy.local.history import fill  # its models want Django set up

        fill()
    else:
        call_command(name, *arguments)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))

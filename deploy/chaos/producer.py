"""`python -m deploy.chaos.producer SIZE SEED ACCOUNT`: the process that sends a run's jobs."""

import argparse
import sys
from pathlib import Path

import django

from deploy.chaos.plan import SIZES, plan_batches


def main(arguments: list[str]) -> int:
    """Send every batch at its time, over whatever the database goes through; return 0."""
    parser = argparse.ArgumentParser(prog="python -m deploy.chaos.producer", description=__doc__)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("seed", type=int)
    parser.add_argument("account", type=Path, help="the file that gets a line for each batch that was committed")
    options = parser.parse_args(arguments)
    django.setup()
    from deploy.chaos import sending  # not above: Django must be set up first

    sending.produce(plan_batches(SIZES[options.size], seed=options.seed), account=options.account)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

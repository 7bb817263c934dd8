"""`python -m deploy.chaos`: kills the product's processes and servers under load and counts what that cost: nothing.

PostgreSQL, a Redis that keeps nothing, workers and schedulers are its own and gone at the end; no address in the
environment is used. Exits 0 only when every invariant holds.
"""

import argparse
import os
import random
import sys
from pathlib import Path

import django

from config import env
from deploy.chaos.plan import SIZES, Size
from deploy.chaos.rig import environment
from deploy.local import folder
from deploy.local.processes import UnableToStart
from deploy.local.supervisor import Stopped


def main(arguments: list[str]) -> int:
    """Do what the command line says; return the exit code."""
    options = _parser().parse_args(arguments)
    seed = random.randrange(1_000_000) if options.seed is None else options.seed  # noqa: S311 -- printed, to be used again
    artefacts = options.artefacts or env.data_dir() / "chaos" / f"{options.size}-{seed}"
    artefacts.mkdir(parents=True, exist_ok=True)
    try:
        return 0 if _run(SIZES[options.size], seed=seed, artefacts=artefacts.resolve()) else 1
    except UnableToStart as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except Stopped as stop:
        return 128 + stop.number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jobs_chaos", description=__doc__)
    parser.add_argument(
        "--size", choices=SIZES, default="smoke", help="smoke: 10,000 jobs; full: 100,000 (default: smoke)"
    )
    parser.add_argument("--seed", type=int, help="repeat a run's plan (default: a new one, printed)")
    parser.add_argument("--artefacts", type=Path, help="folder for the logs (default: chaos/ in the data folder)")
    return parser


def _run(size: Size, *, seed: int, artefacts: Path) -> bool:
    with folder.temporary() as data:
        surroundings = environment(data, bell_seconds=size.bell_seconds)
        os.environ.clear()
        os.environ.update({**surroundings, "LOG_LEVEL": "ERROR"})  # of this process; the others write to a file
        django.setup()
        from deploy.chaos.acceptance import Acceptance  # not above: Django must know its servers first

        return Acceptance(size, seed=seed, surroundings=surroundings, data=data, artefacts=artefacts).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

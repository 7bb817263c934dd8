"""`make bench`: this platform against its peers, each with its own best settings for two cores, in one run.

Only ratios within one run mean anything: the machine may be shared. Never part of the tests.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.local import folder, servers
from deploy.local.log import Log
from tests.benchmarks.contest import CONTENDERS, Contest, Figures
from tests.benchmarks.targets import verdicts

HERE = Path(__file__).resolve().parent


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    with ExitStack() as stack:
        peers = stack.enter_context(peer_python(options.peers))
        data = stack.enter_context(folder.temporary())
        log = stack.enter_context((data / "servers.log").open("w", encoding="utf-8"))
        supervisor = stack.enter_context(servers.running(data=data, log=Log(log)))
        contest = Contest(supervisor, data=data, peer_python=peers, options=options)
        figures = [contest.run_all() for _ in range(options.runs)]
        middle = {name: median([run[name] for run in figures]) for name in options.only}
        say(table(middle))
        say("\n".join(verdicts(middle)))
        if options.rows:
            say(contest.with_old_rows(options.rows))
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=3_000, help="of each measurement of a rate")
    parser.add_argument("--rounds", type=int, default=8, help="jobs sent after 3 s of silence, in each run")
    parser.add_argument("--rows", type=int, default=10_000_000, help="old rows for the last part; 0 leaves it out")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--peers", type=Path, help="a Python with peers.txt installed (default: one is made)")
    return parser.parse_args(arguments)


@contextmanager
def peer_python(known: Path | None) -> Iterator[Path]:
    """Yield a Python that has the peers; the environment is gone at the end."""
    if known:
        yield known
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        say("Installing the peers ...")
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        python = Path(place) / "bin" / "python"
        order = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "peers.txt"]
        subprocess.run(order, check=True)
        yield python


def median(runs: Sequence[Figures]) -> Figures:
    """Return the middle of each rate, and all latencies together: a few of one run would have no 99th percentile."""
    return Figures(
        enqueue=statistics.median(run.enqueue for run in runs),
        bulk=statistics.median(run.bulk for run in runs),
        drain=statistics.median(run.drain for run in runs),
        latencies=sorted(latency for run in runs for latency in run.latencies),
    )


def table(figures: dict[str, Figures]) -> str:
    rows = [f"\n{'':<18}{'enqueue/s':>12}{'bulk/s':>12}{'drain/s':>12}{'p50 ms':>10}{'p99 ms':>10}"]
    for name, found in figures.items():
        bulk = f"{found.bulk:,.0f}" if found.bulk else "-"
        rows.append(
            f"{name:<18}{found.enqueue:>12,.0f}{bulk:>12}{found.drain:>12,.0f}{found.p50:>10.1f}{found.p99:>10.1f}"
        )
    return "\n".join([*rows, ""])


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

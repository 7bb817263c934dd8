"""`python -m tests.benchmarks.driver CONTENDER ACTION [NUMBER]`: does one thing with one contender's own library.

A contender is a module of `apps` with WORKERS (the commands that serve its queue on two cores), prepare(),
send(sent_ns); ours has send_many(count) too. Seconds are printed.
"""

import sys
import time
from importlib import import_module


def main(contender: str, action: str, number: int = 0) -> None:
    app = import_module(f"tests.benchmarks.apps.{contender}")
    match action:
        case "prepare":
            app.prepare()
        case "enqueue":
            app.send(0)  # connections are made once in a process, not once for each job
            print(timed(lambda: [app.send(0) for _ in range(number - 1)]))  # noqa: T201
        case "bulk":
            app.send_many(1)
            print(timed(lambda: app.send_many(number)))  # noqa: T201
        case "latency":
            latency(app, number)


def latency(app, rounds: int) -> None:
    """Send one job after each 3 s of silence; the first one, sent while workers boot, does not count."""
    app.send(time.time_ns())
    time.sleep(5)
    for _ in range(rounds):
        time.sleep(3)
        app.send(time.time_ns())
    time.sleep(2)


def timed(act) -> float:
    began_at = time.perf_counter()
    act()
    return time.perf_counter() - began_at


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))

"""What every contender's job does: next to nothing, and leaves a trace of it."""

import os
import time
from functools import cache

FILE = "BENCH_FILE"


def do(sent_ns: int) -> None:
    """Count this job, or note how many milliseconds ago it was sent."""
    text = f"{(time.time_ns() - sent_ns) / 1e6:.3f}\n" if sent_ns else "."
    os.write(_file(), text.encode())


@cache
def _file() -> int:
    return os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

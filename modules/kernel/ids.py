"""Identifiers that sort by the time they were made."""

import os
import threading
import time
from uuid import UUID

_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """Return a UUID of version 7: 48 bits of milliseconds, 12 of a counter, 62 random.

    Identifiers of one process strictly rise, so that "in order of id" is "in order of sending".
    Source: RFC 9562, sections 5.7 and 6.2 (method 1, a counter that borrows from the next millisecond).
    """
    global _last  # noqa: PLW0603 -- the counter is the process's own
    with _lock:
        _last = max(_last + 1, (time.time_ns() // 1_000_000) << 12)
        stamp = _last
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62
    return UUID(int=value | int.from_bytes(os.urandom(8), "big") >> 2)

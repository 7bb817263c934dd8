"""Where a reader of live events is, and what an event looks like on its way (HTML standard, server-sent events)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

_POSITION = re.compile(r"(\d{1,18})-(\d{1,18})", flags=re.ASCII)
HEARTBEAT = ": still here\n\n"
"""A comment that tells proxies, and ourselves, that somebody still listens."""


@dataclass(frozen=True, order=True)
class Position:
    """An event's place in the order in which transactions began, and then in which rows were written."""

    transaction: int
    number: int = 0

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the position that `Last-Event-ID` names, or None for what is none of ours."""
        found = _POSITION.fullmatch(text)
        return cls(int(found[1]), int(found[2])) if found else None

    def __str__(self) -> str:
        return f"{self.transaction}-{self.number}"


def frame(position: Position, *, event: str, data: Mapping[str, Any]) -> str:
    """Return an event as it is sent: its data are one line of JSON."""
    return f"id: {position}\nevent: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def greeting(position: Position, *, retry_seconds: float) -> str:
    """Return what a stream begins with: where it is, and how long to wait before asking for the next one."""
    return f"retry: {int(retry_seconds * 1_000)}\nid: {position}\n\n"

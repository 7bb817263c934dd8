"""JSON for PostgreSQL, written quickly."""

import json
from collections.abc import Callable
from typing import Any

import orjson


def json_bytes(value: Any, *, default: Callable[[Any], Any] | None = None) -> bytes:
    """Return the value as JSON in UTF-8; `default` turns what JSON does not know into what it does.

    Dates, times and UUIDs go as text in any case. Raises TypeError for what cannot be written.
    """
    try:
        return orjson.dumps(value, default=default)
    except TypeError:  # an integer of more than 64 bits, unless the value is no JSON at all
        return json.dumps(value, default=default, ensure_ascii=False).encode()

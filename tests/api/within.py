"""The API without a server: the whole stack of middleware in the test's own thread and transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections


@contextmanager
def within() -> Iterator[dict[str, Any]]:
    """Yield what an httpx client needs to call it; the test's connection stays open between requests."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield {"base_url": "http://testserver", "transport": httpx.WSGITransport(app=WSGIHandler())}
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)

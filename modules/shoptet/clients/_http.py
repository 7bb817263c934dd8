"""HTTP with the shops: bounded in time and size, never redirected, without the environment's proxies.

By urllib3: a call costs half of the processor time that it takes with httpx, and a first import is 7,000 calls.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlencode

import certifi
from django.utils.translation import gettext as _
from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3 import exceptions as http_errors

from modules.shoptet.clients._errors import PermanentShoptetError, TemporaryShoptetError

_CHUNK_BYTES = 64 * 1024


def new_pool(*, read_seconds: float, connect_seconds: float, connections: int = 1) -> PoolManager:
    """Return kept connections to one host; who wants one when all are in use waits."""
    timeout = Timeout(connect=connect_seconds, read=read_seconds)
    return PoolManager(
        num_pools=1, maxsize=connections, block=True, timeout=timeout, retries=False, ca_certs=certifi.where()
    )


@contextmanager
def answered(
    pool: PoolManager,
    method: str,
    url: str,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Iterator[BaseHTTPResponse]:
    """Yield the answer, whose body is still to be read. Raises urllib3.exceptions.HTTPError."""
    whole = f"{url}?{urlencode(query)}" if query else url
    # Another address must not be given the token.
    response = pool.request(method, whole, headers=headers, body=body, redirect=False, preload_content=False)
    try:
        yield response
    finally:
        response.close()  # one that was read to its end has given its connection back already


def ran_out_of_time(error: http_errors.HTTPError) -> bool:
    """Return whether the shop was reached, or being reached, and took too long; urllib3 counts a refusal as such."""
    is_refusal = isinstance(error, http_errors.NewConnectionError)
    return isinstance(error, http_errors.TimeoutError) and not is_refusal


def read_body(response: BaseHTTPResponse, *, max_bytes: int, seconds: float) -> bytes:
    """Return the body; raises TemporaryShoptetError for one that is too long, or takes too long."""
    too_long = TemporaryShoptetError(_("The shop sent an answer that is too long."))
    return b"".join(chunks(response, max_bytes=max_bytes, seconds=seconds, too_long=too_long))


def chunks(
    response: BaseHTTPResponse,
    *,
    max_bytes: int,
    seconds: float,
    too_long: TemporaryShoptetError | PermanentShoptetError,
    is_raw: bool = False,
) -> Iterator[bytes]:
    """Yield the body as it comes, packed as it was sent if `is_raw`; raises `too_long`, TemporaryShoptetError.

    Each read takes what there is: one that waited for a whole piece could not look at the clock.
    """
    deadline, size = time.monotonic() + seconds, 0
    while chunk := response.read1(_CHUNK_BYTES, decode_content=not is_raw):
        size += len(chunk)
        if size > max_bytes:
            raise too_long
        if time.monotonic() > deadline:
            raise TemporaryShoptetError(_("The shop did not answer in time."))
        yield chunk

"""HTTP with other people's servers: bounded in time and size, never redirected, without the environment's proxies.

By urllib3: a call costs half of the processor time that it takes with httpx, and a first import is 7,000 calls.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import certifi
from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as OutOfTime

_CHUNK_BYTES = 64 * 1024


class AnswerTooLong(HTTPError):
    """The answer's body is over the size that the caller takes."""


class AnswerTooSlow(OutOfTime):
    """The answer's body came in pieces for longer than the caller waits."""


def new_pool(
    *, read_seconds: float, connect_seconds: float, connections: int = 1, server_name: str = ""
) -> PoolManager:
    """Return kept connections to one host; who wants one when all are in use waits.

    `server_name` is whom the certificate has to name, for a host that is called by its address.
    """
    named: dict[str, Any] = {"server_hostname": server_name, "assert_hostname": server_name} if server_name else {}
    timeout = Timeout(connect=connect_seconds, read=read_seconds)
    return PoolManager(
        num_pools=1, maxsize=connections, block=True, timeout=timeout, retries=False, ca_certs=certifi.where(), **named
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


def ran_out_of_time(error: HTTPError) -> bool:
    """Return whether the host was reached, or being reached, and took too long; urllib3 counts a refusal as such."""
    return isinstance(error, OutOfTime) and not isinstance(error, NewConnectionError)


def read_body(response: BaseHTTPResponse, *, max_bytes: int, seconds: float) -> bytes:
    """Return the body; raises AnswerTooLong, AnswerTooSlow, or another HTTPError when it breaks off."""
    return b"".join(chunks(response, max_bytes=max_bytes, seconds=seconds))


def chunks(response: BaseHTTPResponse, *, max_bytes: int, seconds: float, is_raw: bool = False) -> Iterator[bytes]:
    """Yield the body as it comes, packed as it was sent if `is_raw`; raises AnswerTooLong, AnswerTooSlow, HTTPError.

    Each read takes what there is: one that waited for a whole piece could not look at the clock.
    """
    deadline, size = time.monotonic() + seconds, 0
    while chunk := response.read1(_CHUNK_BYTES, decode_content=not is_raw):
        size += len(chunk)
        if size > max_bytes:
            raise AnswerTooLong(f"over {max_bytes} bytes")
        if time.monotonic() > deadline:
            raise AnswerTooSlow(f"over {seconds} s")
        yield chunk

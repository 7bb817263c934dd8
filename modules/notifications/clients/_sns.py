"""Amazon SNS as far as we ask it anything: a certificate, and "yes, send us your messages"."""

import threading
import time
from http import HTTPStatus
from urllib.parse import urlsplit

from django.conf import settings
from urllib3.exceptions import HTTPError

from modules.kernel.http import AnswerTooLong, answered, new_pool, read_body

TIMEOUT_SECONDS = 3.0  # for each step; SNS waits 15 s for our answer
WHOLE_SECONDS = 8.0
MAX_BYTES = 64 * 1024
KEEP_SECONDS = 24 * 3600.0
KEEP_MOST = 20


class SnsUnavailable(Exception):
    """Amazon did not give what was asked for; it may later. Nothing of this is remembered."""


_certificates: dict[str, tuple[float, bytes]] = {}
_lock = threading.Lock()
_turns = threading.BoundedSemaphore(4)  # forgers can name addresses without end, and must not take all our threads


def fetch_certificate(url: str) -> bytes:
    """Return the certificate (PEM) at an address that was checked before; raises SnsUnavailable.

    A good one is kept for a day, a failure not at all: the next message asks again.
    """
    with _lock:
        until, kept = _certificates.get(url, (0.0, b""))
    if until > time.monotonic():
        return kept
    if not _turns.acquire(timeout=TIMEOUT_SECONDS):
        raise SnsUnavailable("Too many certificates are being fetched.")
    try:
        found = _get(url)
    finally:
        _turns.release()
    if not found.lstrip().startswith(b"-----BEGIN CERTIFICATE-----"):
        raise SnsUnavailable("What Amazon sent is no certificate.")
    _keep(url, found)
    return found


def _keep(url: str, certificate: bytes) -> None:
    with _lock:
        while len(_certificates) >= KEEP_MOST:
            _certificates.pop(next(iter(_certificates)))
        _certificates[url] = (time.monotonic() + KEEP_SECONDS, certificate)


def forget_certificates() -> None:
    """Ask for each certificate anew."""
    with _lock:
        _certificates.clear()


def confirm_subscription(url: str) -> None:
    """Open a confirmation's address that was checked before; raises SnsUnavailable. Safe to repeat."""
    _get(url)


def _get(url: str) -> bytes:
    until = time.monotonic() + WHOLE_SECONDS
    try:
        with (
            new_pool(read_seconds=TIMEOUT_SECONDS, connect_seconds=TIMEOUT_SECONDS) as pool,
            answered(pool, "GET", _placed(url)) as response,
        ):
            if response.status != HTTPStatus.OK:
                raise SnsUnavailable(f"Amazon answered {response.status}.")
            return read_body(response, max_bytes=MAX_BYTES, seconds=until - time.monotonic())
    except AnswerTooLong:
        raise SnsUnavailable(f"Amazon's answer is over {MAX_BYTES} bytes.") from None
    except HTTPError as error:
        raise SnsUnavailable(f"Amazon gave no answer ({type(error).__name__}).") from None


def _placed(url: str) -> str:
    """Return where the address is asked for: at Amazon, or through the gateway that stands for it."""
    origin = settings.NOTIFICATIONS["SNS_ORIGIN"]
    parts = urlsplit(url)
    return f"{origin}{parts.path}{f'?{parts.query}' if parts.query else ''}" if origin else url

"""The files of snapshots: on another host, which is given no token."""

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
from django.utils.translation import gettext as _

from modules.shoptet.clients import limits
from modules.shoptet.clients._errors import LinkExpired, PermanentShoptetError, TemporaryShoptetError


def stream_result(url: str, *, may_be_plain: bool, max_bytes: int) -> Iterator[bytes]:
    """Yield the bytes behind a snapshot's link as they travel; another host, so that it is given no token.

    `may_be_plain` lets a link without https pass. Raises LinkExpired, TemporaryShoptetError (also for a file that
    ends early or goes on for more than 25 minutes), PermanentShoptetError for one over `max_bytes`.
    """
    if urlsplit(url).scheme not in ({"https", "http"} if may_be_plain else {"https"}):
        raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % "resultUrl")
    timeout = httpx.Timeout(limits.READ_TIMEOUT_SECONDS, connect=limits.CONNECT_TIMEOUT_SECONDS)
    try:
        with httpx.stream("GET", url, timeout=timeout, follow_redirects=False, trust_env=False) as response:
            _check_result(response)
            yield from _bounded(response, max_bytes=max_bytes)
    except httpx.TimeoutException:
        raise TemporaryShoptetError(_("The shop did not answer in time.")) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TemporaryShoptetError(_("The shop cannot be reached: %s") % type(error).__name__) from None


def _check_result(response: httpx.Response) -> None:
    if response.status_code in {401, 403, 404, 410}:
        raise LinkExpired(_("The link to the snapshot has expired."))
    if response.status_code != httpx.codes.OK:
        raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % f"HTTP {response.status_code}")


def _bounded(response: httpx.Response, *, max_bytes: int) -> Iterator[bytes]:
    """Yield the body as sent: what is packed stays packed."""
    deadline, size = time.monotonic() + limits.DOWNLOAD_TIMEOUT_SECONDS, 0
    for chunk in response.iter_raw(limits.DOWNLOAD_CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise PermanentShoptetError(_("The snapshot is over %d bytes.") % max_bytes)
        if time.monotonic() > deadline:
            raise TemporaryShoptetError(_("The shop did not answer in time."))
        yield chunk

"""The files of snapshots: on another host, which is given no token."""

from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import urlsplit

from django.utils.translation import gettext as _
from urllib3 import BaseHTTPResponse
from urllib3 import exceptions as http_errors

from modules.kernel.http import AnswerTooLong, answered, chunks, new_pool, ran_out_of_time
from modules.shoptet.clients import limits
from modules.shoptet.clients._errors import LinkExpired, PermanentShoptetError, TemporaryShoptetError


def stream_result(url: str, *, may_be_plain: bool, max_bytes: int) -> Iterator[bytes]:
    """Yield the bytes behind a snapshot's link as they travel; another host, so that it is given no token.

    `may_be_plain` lets a link without https pass. Raises LinkExpired, TemporaryShoptetError (also for a file that
    ends early or goes on for more than 25 minutes), PermanentShoptetError for one over `max_bytes`.
    """
    if urlsplit(url).scheme not in ({"https", "http"} if may_be_plain else {"https"}):
        raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % "resultUrl")
    read_seconds, connect_seconds = limits.READ_TIMEOUT_SECONDS, limits.CONNECT_TIMEOUT_SECONDS
    most_seconds = limits.DOWNLOAD_TIMEOUT_SECONDS
    try:
        with (
            new_pool(read_seconds=read_seconds, connect_seconds=connect_seconds) as pool,
            answered(pool, "GET", url) as response,
        ):
            _check_result(response)
            yield from chunks(response, max_bytes=max_bytes, seconds=most_seconds, is_raw=True)
    except AnswerTooLong:
        raise PermanentShoptetError(_("The snapshot is over %d bytes.") % max_bytes) from None
    except http_errors.HTTPError as error:
        if ran_out_of_time(error):
            raise TemporaryShoptetError(_("The shop did not answer in time.")) from None
        raise TemporaryShoptetError(_("The shop cannot be reached: %s") % type(error).__name__) from None


def _check_result(response: BaseHTTPResponse) -> None:
    if response.status in {401, 403, 404, 410}:
        raise LinkExpired(_("The link to the snapshot has expired."))
    if response.status != HTTPStatus.OK:
        raise TemporaryShoptetError(_("The shop answered something unexpected (%s).") % f"HTTP {response.status}")

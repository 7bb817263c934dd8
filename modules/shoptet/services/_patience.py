"""One record that a shop refuses must not hold up the others."""

from collections.abc import Mapping
from concurrent.futures import Future

from modules.shoptet.clients import (
    Answer,
    InvalidToken,
    RateLimited,
    ShoptetClient,
    ShoptetError,
    TemporaryShoptetError,
)

Requested = Mapping[str, Future[Answer]]  # by code


class Patience:
    """What a shop refuses of single records, by code; what it refuses altogether is raised."""

    def __init__(self, client: ShoptetClient) -> None:
        self.refused: dict[str, ShoptetError] = {}
        self._client = client
        self._is_up = False

    def bear(self, code: str, error: ShoptetError) -> None:
        """Note the error of one record; raises what concerns every record: a pause, the token, a shop that is down.

        Whether the shop is down is asked of it once.
        """
        if isinstance(error, RateLimited | InvalidToken):
            raise error
        if isinstance(error, TemporaryShoptetError) and not self._is_up:
            self._client.eshop()
            self._is_up = True
        self.refused[code] = error


def collect(requested: Requested, *, patience: Patience | None = None) -> dict[str, Answer]:
    """Wait for what was asked for; return the answers by code, without those that `patience` bears.

    Raises ShoptetError, and then asks for no other.
    """
    answers = {}
    try:
        for code, answer in requested.items():
            try:
                answers[code] = answer.result()
            except ShoptetError as error:
                if patience is None:
                    raise
                patience.bear(code, error)
    finally:
        for answer in requested.values():
            answer.cancel()
    return answers

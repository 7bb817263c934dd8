"""Access tokens of add-ons: they live for half an hour, and five may be alive, so all processes share one.

It is fetched under an advisory lock, on a connection of its own: what the caller's transaction takes back must not
take back that the shop gave a token, and a thread that only calls the shop has no connection.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TypeGuard, TypeVar

from django.db import OperationalError, connection
from django.utils.translation import gettext as _

from modules.kernel import clock
from modules.kernel.secrets import UnreadableSecret, decrypt, encrypt
from modules.kernel.tenancy import tenant_scope
from modules.shoptet import domain
from modules.shoptet.clients import (
    AccessToken,
    InvalidToken,
    RateLimited,
    TemporaryShoptetError,
    TokenUncertain,
    fetch_access_token,
)
from modules.shoptet.models import AddonToken, Shop

SPARE = timedelta(minutes=2)  # before its end a token is replaced: a call may take a minute, clocks differ
WAIT_SECONDS = 40  # for whoever fetches one now, which takes half of that at most

T = TypeVar("T")


class AddonTokens:
    """The access tokens of one shop, for one client; see `clients.AccessTokens`."""

    def __init__(self, shop: Shop) -> None:
        self._find = partial(_find_or_fetch, shop_id=shop.pk, tenant_id=shop.tenant_id)
        self._lock = threading.Lock()
        self._present = _stored(AddonToken.objects.filter(shop=shop).first())

    def token(self) -> str:
        """Return a token that is good for the next call; another process may have fetched it. Raises ShoptetError."""
        with self._lock:
            if not _is_good(self._present):
                self._present = self._find(ended="")
            return self._present.text

    def renew(self, ended: str) -> str:
        """Return another one than `ended`, which the shop refused. Raises ShoptetError."""
        with self._lock:
            if self._present is None or self._present.text == ended:
                self._present = self._find(ended=ended)
            return self._present.text


def _is_good(access_token: AccessToken | None) -> TypeGuard[AccessToken]:
    return access_token is not None and access_token.ends_at > clock.now() + SPARE


def _find_or_fetch(*, shop_id: int, tenant_id: int, ended: str) -> AccessToken:
    with ThreadPoolExecutor(1, thread_name_prefix="shoptet-token") as pool:
        return pool.submit(_on_own_connection, partial(_find_under_lock, shop_id, tenant_id, ended)).result()


def _on_own_connection(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        connection.close()


def _find_under_lock(shop_id: int, tenant_id: int, ended: str) -> AccessToken:
    with tenant_scope(tenant_id), _alone(shop_id):
        row = AddonToken.objects.select_related("shop").filter(shop_id=shop_id).first()
        if row is None:
            raise InvalidToken(_("The shop has no API token. Create one in Shoptet and enter it here."))
        stored = _stored(row)
        if _is_good(stored) and stored.text != ended:
            return stored
        return _fetch(row)


@contextmanager
def _alone(shop_id: int) -> Iterator[None]:
    """Let one process at a time, of whatever host, look at a shop's token; a killed one ends its turn with itself."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, FALSE)", [f"{WAIT_SECONDS}s"])
        try:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended('shoptet:addon-token', %s))", [shop_id])
        except OperationalError:
            raise TemporaryShoptetError(_("The shop did not answer in time.")) from None
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended('shoptet:addon-token', %s))", [shop_id])


def _fetch(row: AddonToken) -> AccessToken:
    now = clock.now()
    may_fetch_at = domain.next_access_token_at(row.fetched, now=now)
    if may_fetch_at:
        raise RateLimited(may_fetch_at)
    alive = [at for at in row.fetched if at > now - domain.ACCESS_TOKEN_LIFE]
    _note(row, fetched=[*alive, now])  # before: a kill must not forget it
    try:
        fetched_token = fetch_access_token(url=row.shop.oauth_url, oauth_token=_oauth_token(row.shop))
    except TokenUncertain:
        raise
    except Exception:
        _note(row, fetched=alive)  # none was made
        raise
    _note(row, token_encrypted=encrypt(fetched_token.text), ends_at=fetched_token.ends_at)
    return fetched_token


def _note(row: AddonToken, **values: object) -> None:
    AddonToken.objects.filter(id=row.pk).update(**values)


def _oauth_token(shop: Shop) -> str:
    try:
        return decrypt(shop.token_encrypted)
    except UnreadableSecret:
        raise InvalidToken(_("The stored API token cannot be decrypted. Enter it again.")) from None


def _stored(row: AddonToken | None) -> AccessToken | None:
    if row is None or not row.token_encrypted or row.ends_at is None:
        return None
    try:
        return AccessToken(decrypt(row.token_encrypted), row.ends_at)
    except UnreadableSecret:
        return None

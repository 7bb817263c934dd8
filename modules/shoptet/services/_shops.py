from datetime import datetime
from urllib.parse import urlsplit

from django.db import transaction
from django.utils.translation import gettext as _

from modules.kernel.secrets import UnreadableSecret, decrypt, encrypt
from modules.orders import services as order_services
from modules.shoptet.clients import InvalidToken, ShoptetClient
from modules.shoptet.domain import EshopFacts, is_token
from modules.shoptet.models import AddonToken, Shop
from modules.shoptet.services._addon_tokens import AddonTokens

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class UnsafeAddress(Exception):
    """The token would travel in the clear, or nowhere."""


def add_shop(
    *, tenant_id: int, name: str, base_url: str, token: str, oauth_url: str = "", is_master: bool = False
) -> Shop:
    """Store a shop and its sales channel; one of that tenant and name gets the new address and token.

    `token` is a private API token; with `oauth_url`, where access tokens come from, the permanent one of an add-on.
    Safe to repeat. One transaction. Raises UnsafeAddress for an address without https (loopback may), and
    InvalidToken for a text that no token can be.
    """
    refuse_unsafe(base_url)
    refuse_unsafe(oauth_url or base_url)
    _refuse_no_token(token)
    values = {"base_url": base_url, "token_encrypted": encrypt(token), "oauth_url": oauth_url, "is_master": is_master}
    with transaction.atomic():
        channel = order_services.open_channel(tenant_id=tenant_id, kind="shoptet", name=name)
        shop: Shop
        shop, _created = Shop.objects.update_or_create(
            tenant_id=tenant_id, name=name, defaults=values, create_defaults=values | {"channel": channel}
        )
        _forget_access_token(shop)
    return shop


def _forget_access_token(shop: Shop) -> None:
    """What was fetched with the former token is of no use with the new one; when it was fetched still counts."""
    if shop.oauth_url:
        values = {"token_encrypted": "", "ends_at": None}
        AddonToken.objects.update_or_create(
            shop=shop, defaults=values, create_defaults=values | {"tenant_id": shop.tenant_id}
        )
    else:
        AddonToken.objects.filter(shop=shop).delete()


def connect(shop: Shop) -> ShoptetClient:
    """Return a client of the shop; raises InvalidToken when its token is missing or cannot be decrypted."""
    if not shop.token_encrypted:
        raise InvalidToken(_("The shop has no API token. Create one in Shoptet and enter it here."))
    try:
        token = decrypt(shop.token_encrypted)
    except UnreadableSecret:
        raise InvalidToken(_("The stored API token cannot be decrypted. Enter it again.")) from None
    _refuse_no_token(token)  # a header that cannot be sent would be quoted, token and all, by the error
    return ShoptetClient(base_url=shop.base_url, token=AddonTokens(shop) if shop.oauth_url else token)


def _refuse_no_token(token: str) -> None:
    if not is_token(token):
        raise InvalidToken(_("This is not a Shoptet API token."))


def describe_shop(*, shop: Shop, facts: EshopFacts, described_at: datetime) -> None:
    """Store what the shop says about itself. One transaction; safe to repeat."""
    with transaction.atomic():
        order_services.describe_channel(channel_id=shop.channel_id, currency=facts.currency, statuses=facts.statuses)
        shop.eshop_id, shop.timezone, shop.described_at = facts.eshop_id, facts.timezone[:64], described_at
        shop.save(update_fields=["eshop_id", "timezone", "described_at"])
    shop.channel.refresh_from_db(fields=["currency"])


def is_on_this_machine(base_url: str) -> bool:
    """Return whether the address is one of this machine, where no https is needed."""
    return urlsplit(base_url).hostname in LOOPBACK


def refuse_unsafe(base_url: str) -> None:
    """Raise UnsafeAddress for an address that a secret would travel to in the clear."""
    address = urlsplit(base_url)
    if address.scheme == "https" and address.hostname and not address.username:
        return
    if address.scheme == "http" and address.hostname in LOOPBACK:
        return
    raise UnsafeAddress(_("The address must begin with https:// (only this machine itself may do without)."))

"""Add-ons: who installs one in a shop gives us the shop, who takes it away takes the shop back.

An add-on belongs to a tenant, and so does every shop that installs it. Its install address is known to the vendor's
partner administration alone; what it is called with proves nothing until the vendor's OAuth server has taken the code.
"""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from modules.jobs import services as job_services
from modules.kernel import clock
from modules.kernel.secrets import UnreadableSecret, decrypt, encrypt
from modules.shoptet import domain, selectors
from modules.shoptet.clients import (
    CodeRefused,
    Grant,
    InvalidToken,
    NoRights,
    PermanentShoptetError,
    exchange_code,
)
from modules.shoptet.models import Addon, AddonToken, Shop
from modules.shoptet.services._requests import request_orders
from modules.shoptet.services._shops import add_shop, connect, describe_shop, refuse_unsafe
from modules.shoptet.services._webhook_keys import register_webhooks

ENDINGS = frozenset({"addon:suspend", "addon:terminate", "addon:uninstall"})


class AddonUnknown(Exception):
    """There is no add-on at this address, or it is switched off."""


@dataclass(frozen=True, slots=True)
class AddonAddresses:
    """What is entered in the vendor's partner administration."""

    install: str
    events: str


def add_addon(
    *, tenant_id: int, name: str, client_id: str, client_secret: str | None, oauth_server: str, base_url: str
) -> Addon:
    """Store an add-on of a tenant; one of that name gets the new values. Safe to repeat.

    `oauth_server`: https://…/action/ApiOAuthServer of the partner's shop. `client_secret` is "" where none was issued,
    None to keep the stored one. Raises UnsafeAddress.
    """
    refuse_unsafe(oauth_server)
    refuse_unsafe(base_url)
    values = {
        "client_id": client_id,
        "oauth_server": oauth_server.rstrip("/"),
        "base_url": base_url,
    }
    if client_secret is not None:
        values["client_secret_encrypted"] = encrypt(client_secret) if client_secret else ""
    addon: Addon
    addon, _created = Addon.objects.update_or_create(tenant_id=tenant_id, name=name, defaults=values)
    return addon


def addon_addresses(addon: Addon) -> AddonAddresses:
    """Return where the vendor reaches us; raises PermanentShoptetError without PUBLIC_URL."""
    public_url = settings.SHOPTET["PUBLIC_URL"]
    if not public_url:
        raise PermanentShoptetError(_("Set PUBLIC_URL: the vendor must reach us when an add-on is installed."))
    install, events = (reverse(f"shoptet:addon_{what}", args=[addon.public_id]) for what in ("install", "events"))
    return AddonAddresses(public_url + install, public_url + events)


def install_addon(*, public_id: UUID, code: str) -> Shop:
    """Exchange the code of an installation for the shop's permanent token, and store the shop as the tenant's.

    A shop that installs again keeps its history and is read again. One outside call of 4 seconds at most, then one
    transaction with the job that opens the shop: the vendor waits five. Raises AddonUnknown, CodeRefused (nothing is
    stored), ShoptetError.
    """
    addon = selectors.find_addon(public_id)
    if addon is None:
        raise AddonUnknown("There is no such add-on.")
    if not domain.is_install_code(code):
        raise CodeRefused(_("This is no code of an installation."))
    grant = exchange_code(
        url=f"{addon.oauth_server}/token",
        client_id=addon.client_id,
        client_secret=_client_secret(addon),
        code=code,
        redirect_uri=addon_addresses(addon).install,
    )
    return _store(addon, grant)


def _client_secret(addon: Addon) -> str:
    try:
        return decrypt(addon.client_secret_encrypted) if addon.client_secret_encrypted else ""
    except UnreadableSecret:
        raise PermanentShoptetError(_("The add-on's secret cannot be decrypted. Enter it again.")) from None


def _store(addon: Addon, grant: Grant) -> Shop:
    with transaction.atomic():
        Addon.objects.select_for_update().get(id=addon.pk)  # two installations at once make one shop
        known = Shop.objects.filter(tenant_id=addon.tenant_id, eshop_id=grant.eshop_id).order_by("id").first()
        shop = add_shop(
            tenant_id=addon.tenant_id,
            name=known.name if known else _free_name(addon, grant),
            base_url=addon.base_url,
            token=grant.token,
            oauth_url=f"{addon.oauth_server}/getAccessToken",
            is_master=known.is_master if known else False,
        )
        _update(shop, eshop_id=grant.eshop_id, addon=addon, addon_ended_at=None, is_active=True, last_error="")
        job_services.enqueue(
            "shoptet.open_shop",
            kwargs={"shop_id": shop.pk},
            tenant_id=shop.tenant_id,
            tags=[f"shop:{shop.pk}"],
            unique_key=f"shoptet.open_shop:{shop.pk}",
        )
    return shop


def _free_name(addon: Addon, grant: Grant) -> str:
    """Return the shop's host; with its number where another shop is called so."""
    name = (urlsplit(grant.eshop_url).hostname or _("E-shop"))[:150]
    is_taken = Shop.objects.filter(tenant_id=addon.tenant_id, name=name).exists()
    return f"{name} ({grant.eshop_id})" if is_taken else name


def open_shop(*, shop_id: int) -> None:
    """Ask a shop that installed our add-on who it is, let it tell us of its events, and begin to read its orders.

    Safe to repeat. Raises ShoptetError.
    """
    shop = selectors.get_shop(shop_id)
    if not shop.is_active:
        return
    with connect(shop) as client:
        facts, _at = client.eshop()
        describe_shop(shop=shop, facts=facts, described_at=clock.now())
        register_webhooks(shop=shop, client=client)
    request_orders(shop=shop)


def follow_addon(*, shop: Shop, events: set[str], now: datetime) -> None:
    """Switch a shop off whose add-on ended, and on when it is back; what the shop tells is asked of its API first.

    An event that comes late or twice changes nothing: only a shop that answers no more is switched off, and only one
    that was switched off in this way is switched on. Raises ShoptetError where the shop cannot say.
    """
    if not shop.oauth_url:
        return
    refusal = _refusal(shop)
    if refusal is None and shop.addon_ended_at:
        _update(shop, is_active=True, addon_ended_at=None, last_error="")
    if refusal and events & ENDINGS and not shop.addon_ended_at:
        _update(shop, is_active=False, addon_ended_at=now, last_error=_("The add-on is suspended or was uninstalled."))
    if isinstance(refusal, InvalidToken) and shop.addon_ended_at:
        _forget_tokens(shop)


def _refusal(shop: Shop) -> PermanentShoptetError | None:
    """Return why the shop lets us in no more, None if it does."""
    try:
        with connect(shop) as client:
            client.eshop()
    except (InvalidToken, NoRights) as error:
        return error
    return None


def _forget_tokens(shop: Shop) -> None:
    """Keep no key to a door that is not ours any more; a new installation brings a new one."""
    _update(shop, token_encrypted="")
    AddonToken.objects.filter(shop=shop).update(token_encrypted="", ends_at=None)


def _update(shop: Shop, **values: object) -> None:
    Shop.objects.filter(id=shop.pk).update(**values)
    shop.refresh_from_db(fields=list(values))

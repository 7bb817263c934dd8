"""Where a shop tells us of events, and with which key it signs them."""

import logging
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from modules.kernel import clock
from modules.kernel.secrets import UnreadableSecret, decrypt, encrypt
from modules.shoptet.clients import PermanentShoptetError, ShoptetClient, WebhookTaken
from modules.shoptet.models import Shop

EVENTS = ("job:finished", "order:create", "order:update", "order:delete")
STOCK_EVENTS = ("stock:movement",)
PRODUCT_EVENTS = ("product:create", "product:update", "product:delete")  # beta at the vendor, in August 2026
FORMER_KEY_FOR = timedelta(hours=1)  # the shop tries three times within half an hour

logger = logging.getLogger(__name__)


def webhook_url(shop: Shop) -> str:
    """Return where the shop reaches us; raises PermanentShoptetError without PUBLIC_URL."""
    if not settings.SHOPTET["PUBLIC_URL"]:
        raise PermanentShoptetError(
            _("Set PUBLIC_URL: the shop makes snapshots only when it can tell us that one is ready.")
        )
    return str(settings.SHOPTET["PUBLIC_URL"] + reverse("shoptet:webhook", args=[shop.public_id]))


def register_webhooks(*, shop: Shop, client: ShoptetClient) -> None:
    """Ask the shop to tell us of its events; what somebody else is told of already is left to them.

    Safe to repeat. Makes a key unless there is one: each new key ends the one before. Raises ShoptetError, but not for
    a shop that tells nothing of stock or products: these are read by schedule all the same.
    """
    url, registered = webhook_url(shop), client.webhooks()
    if not shop.webhook_key_encrypted:
        renew_webhook_key(shop=shop, client=client)
    _register(client, url=url, events=[event for event in EVENTS if event not in registered])
    for more in (STOCK_EVENTS, PRODUCT_EVENTS if shop.is_master else ()):
        try:
            _register(client, url=url, events=[event for event in more if event not in registered])
        except PermanentShoptetError as error:
            logger.warning("Shop %s does not tell of %s: %s", shop.pk, ", ".join(more), error)


def _register(client: ShoptetClient, *, url: str, events: list[str]) -> None:
    if events:
        with suppress(WebhookTaken):  # by whoever was faster, perhaps ourselves
            client.register_webhooks(url=url, events=events)


def renew_webhook_key(*, shop: Shop, client: ShoptetClient) -> None:
    """Take a new key from the shop and honor the former one for another hour. One transaction."""
    key = client.renew_signature_key()
    with transaction.atomic():
        locked = Shop.objects.select_for_update().get(id=shop.pk)
        locked.former_webhook_key_encrypted = locked.webhook_key_encrypted
        locked.former_webhook_key_until = clock.now() + FORMER_KEY_FOR
        locked.webhook_key_encrypted = encrypt(key)
        locked.save(update_fields=["webhook_key_encrypted", "former_webhook_key_encrypted", "former_webhook_key_until"])
    shop.refresh_from_db(fields=["webhook_key_encrypted", "former_webhook_key_encrypted", "former_webhook_key_until"])


def webhook_keys(shop: Shop) -> tuple[str, ...]:
    """Return the readable keys that the shop may sign with now, the present one first."""
    stored = [shop.webhook_key_encrypted]
    if shop.former_webhook_key_until and shop.former_webhook_key_until > clock.now():
        stored.append(shop.former_webhook_key_encrypted)
    return tuple(key for text in stored if (key := _readable(text)))


def _readable(text: str) -> str:
    try:
        return decrypt(text) if text else ""
    except UnreadableSecret:
        return ""

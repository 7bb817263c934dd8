"""Where Shoptet shops reach us, and how much of theirs is taken in. Each can be changed without touching code."""

from typing import Any

from config import env

SHOPTET: dict[str, Any] = {
    # Where shops reach this product: `<PUBLIC_URL>/webhooks/shoptet/<shop>`. Snapshots need it.
    "PUBLIC_URL": env.text("PUBLIC_URL", "").rstrip("/"),
    # A snapshot's file as it travels; a shop of 500,000 orders packs into about 250 MB.
    "MAX_SNAPSHOT_BYTES": env.number("SHOPTET_MAX_SNAPSHOT_BYTES", default=4 * 1024**3, at_least=1),
    # A webhook's body; the vendor's have 150 bytes, lists of changed records some more.
    "MAX_WEBHOOK_BYTES": env.number("SHOPTET_MAX_WEBHOOK_BYTES", default=64 * 1024, at_least=1),
}

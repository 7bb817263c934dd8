"""The cache, which may be away: then the database is asked."""

import logging

from django.core.cache import cache

log = logging.getLogger("backroom.customers")

COUNT_KEY = "customers:count"
COUNT_SECONDS = 24 * 3_600  # whoever makes or merges customers forgets it; this is for what nobody foresaw


def cached_counts() -> dict[int, int] | None:
    """Return customers by tenant as they were counted last, or None."""
    try:
        found: dict[int, int] | None = cache.get(COUNT_KEY)
    except Exception:  # noqa: BLE001 -- each backend has errors of its own, and none is worth a page
        log.warning("the cache does not answer; customers are counted")
        return None
    return found


def keep_counts(counts: dict[int, int]) -> None:
    """Keep customers by tenant."""
    try:
        cache.set(COUNT_KEY, counts, COUNT_SECONDS)
    except Exception:  # noqa: BLE001 -- as above
        log.warning("the cache does not answer; nothing is kept")


def forget_counts() -> None:
    """Let customers be counted anew."""
    try:
        cache.delete(COUNT_KEY)
    except Exception:  # noqa: BLE001 -- as above; what it keeps is gone when it has restarted or after its time
        log.warning("the cache does not answer; it may show an old number of customers")

from collections.abc import Collection
from typing import Any

from modules.catalog.domain import StoredVersion
from modules.catalog.models import Product


def stored_versions(*, storefront_id: int, guids: Collection[str]) -> dict[str, StoredVersion]:
    """Return how fresh each stored product of `guids` is, tombstones included; unknown ones are left out."""
    rows = Product.objects.filter(storefront_id=storefront_id, guid__in=guids)
    versions: Any = rows.values_list("guid", "changed_at", "fetched_at", "deleted_at")
    return {guid: StoredVersion(changed, fetched, bool(deleted)) for guid, changed, fetched, deleted in versions}

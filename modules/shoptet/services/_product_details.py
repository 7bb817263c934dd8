"""Products asked for one by one, and categories as a whole: what comes back is stored in the same way, whoever asks."""

from collections.abc import Collection, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from modules.catalog import selectors as catalog_selectors
from modules.catalog import services as catalog_services
from modules.catalog.domain import CategoryFacts, ImportResult, ProductFacts
from modules.kernel import clock
from modules.orders.domain import UnreadableOrder
from modules.shoptet import domain, selectors
from modules.shoptet.clients import (
    CONNECTIONS,
    Answer,
    RateLimited,
    ShoptetClient,
    ShoptetError,
    TemporaryShoptetError,
)
from modules.shoptet.models import ParkedRecord, Shop
from modules.shoptet.services import _executions as executions
from modules.shoptet.services._patience import Patience, collect
from modules.shoptet.services._reading import read_rows
from modules.shoptet.services._shops import connect
from modules.shoptet.services._storefronts import open_storefront

GUIDS_AT_ONCE = 50  # details fetched and stored together
MAX_CATEGORY_READS = 3  # of a list that keeps changing under the reader


@dataclass
class FoundProducts:
    """What came of asking for products by GUID; `at` is the shop's time of the earliest answer."""

    at: datetime
    products: list[ProductFacts] = field(default_factory=list)
    unreadable: list[executions.Unreadable] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def fetch_products(
    *, client: ShoptetClient, pool: Executor, guids: Collection[str], patience: Patience | None = None
) -> FoundProducts:
    """Ask for products by GUID; what `patience` bears is left out. Raises ShoptetError, and then asks for no other."""
    answers = collect({guid: pool.submit(client.product, guid) for guid in guids}, patience=patience)
    found = FoundProducts(min((answer.at for answer in answers.values()), default=clock.now()))
    for guid, answer in answers.items():
        _sort(found, guid, answer)
    return found


def _sort(found: FoundProducts, guid: str, answer: Answer) -> None:
    if answer.data is None:
        found.gone.append(guid)
        return
    try:
        found.products.append(_read(guid, answer))
    except UnreadableOrder as error:
        found.unreadable.append(executions.Unreadable(guid, domain.raw_text(answer.data), str(error)))


def _read(guid: str, answer: Answer) -> ProductFacts:
    facts = domain.read_product(answer.data)
    if facts.guid != guid:
        raise UnreadableOrder("guid", f"asked for {guid!r}, the shop answered with {facts.guid!r}")
    return facts


def store_products(*, shop: Shop, found: FoundProducts) -> dict[str, int]:
    """Store what came, in the caller's transaction; return the counts of a log entry. Safe to repeat."""
    storefront_id, guids = open_storefront(shop), [facts.guid for facts in found.products]
    result = write_products(storefront_id=storefront_id, products=found.products, at=found.at)
    catalog_services.confirm_fetched(storefront_id=storefront_id, guids=guids, fetched_at=found.at)
    deleted = catalog_services.mark_deleted(storefront_id=storefront_id, guids=found.gone, deleted_at=found.at)
    kind, now = ParkedRecord.Kind.PRODUCT, clock.now()
    executions.resolve_parked(shop=shop, kind=kind, codes=[*guids, *found.gone], at=now)
    parked = executions.park_records(shop=shop, kind=kind, records=found.unreadable, at=now) if found.unreadable else 0
    return {
        "fetched": len(guids) + len(found.gone) + len(found.unreadable),
        "created": len(result.created_ids),
        "updated": len(result.updated_ids),
        "unchanged": result.unchanged,
        "deleted": len(deleted),
        "parked": parked,
    }


def write_products(*, storefront_id: int, products: Sequence[ProductFacts], at: datetime) -> ImportResult:
    """Store products as they were `at` a time, and give those that were written their overlays, in one transaction."""
    with transaction.atomic():
        result = catalog_services.import_products(storefront_id=storefront_id, products=products, fetched_at=at)
        catalog_services.prefill_overlays(master_id=storefront_id, product_ids=result.product_ids)
    return result


def fetch_categories(client: ShoptetClient) -> list[CategoryFacts]:
    """Return all categories of a shop; raises ShoptetError, also when the list does not stand still.

    A category that was missed would be taken for removed, and its mappings with it.
    """
    for _attempt in range(MAX_CATEGORY_READS):
        categories = _read_categories(client)
        if categories is not None:
            return categories
    raise TemporaryShoptetError(_("The shop's list of categories kept changing while it was read."))


def _read_categories(client: ShoptetClient) -> list[CategoryFacts] | None:
    """Return None when the rows are not as many as every page says."""
    rows, number, page_count = 0, 1, 1
    totals: set[int] = set()
    found: dict[str, CategoryFacts] = {}
    while number <= page_count:
        page = client.category_page(page=number)
        rows, totals = rows + len(page.rows), totals | {page.total_count}
        facts = [domain.read_category(row) for row in page.rows]
        found |= {category.guid: category for category in facts if category}
        number, page_count = number + 1, page.page_count if page.rows else 0
    return list(found.values()) if totals == {rows} else None


def refresh_products(*, shop: Shop, guids: Collection[str]) -> dict[str, ShoptetError]:
    """Bring products of a master to their present state, each as the shop tells it now; see `refresh_orders`."""
    if shop.paused_until and shop.paused_until > clock.now():
        raise RateLimited(shop.paused_until)
    wanted = [guid for guid in dict.fromkeys(guids) if 0 < len(guid) <= domain.MAX_KEY_LENGTH]
    with connect(shop) as client, ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="shoptet") as pool:
        patience = Patience(client)
        _take(shop, client, pool, wanted, patience=patience)
    return patience.refused


def _take(
    shop: Shop, client: ShoptetClient, pool: Executor, guids: Sequence[str], *, patience: Patience | None = None
) -> None:
    """Fetch products and store what came, fifty in one transaction."""
    for start in range(0, len(guids), GUIDS_AT_ONCE):
        chunk = guids[start : start + GUIDS_AT_ONCE]
        found = fetch_products(client=client, pool=pool, guids=chunk, patience=patience)
        with transaction.atomic():
            store_products(shop=shop, found=found)


def catch_up_product_deletions(*, shop_id: int, since: datetime) -> None:
    """Find what the shop deleted since a snapshot was made, and read its categories, which no snapshot has.

    Each deletion is confirmed by a 404 of the product itself. Safe to repeat. Raises ShoptetError.
    """
    shop = selectors.get_shop(shop_id)
    storefront_id = open_storefront(shop)
    since = max(since, clock.now() - timedelta(days=domain.CHANGE_LOG_DAYS - 1))
    with connect(shop) as client, ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="shoptet") as pool:
        categories = fetch_categories(client)
        catalog_services.replace_categories(storefront_id=storefront_id, categories=categories)
        _take(shop, client, pool, living_guids(storefront_id, _deleted_guids(client, since=since)))


def _deleted_guids(client: ShoptetClient, *, since: datetime) -> list[str]:
    guids: list[str] = []
    number, page_count = 1, 1
    while number <= page_count:
        page, _at = client.product_deletion_page(since=since, page=number)
        guids += [row.code for row in read_rows(page, key="guid")[0]]
        number, page_count = number + 1, page.page_count if page.rows else 0
    return guids


def living_guids(storefront_id: int, guids: Sequence[str]) -> list[str]:
    """Return those of `guids` that are stored and not known to be deleted."""
    stored = catalog_selectors.stored_versions(storefront_id=storefront_id, guids=guids)
    return [guid for guid in dict.fromkeys(guids) if guid in stored and not stored[guid].is_deleted]

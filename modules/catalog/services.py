from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from psycopg import sql

from modules.catalog.domain import CategoryFacts, ImportResult, ProductFacts, VariantFacts
from modules.catalog.events import products_deleted, products_imported
from modules.catalog.models import Category, Product, Storefront, Variant
from modules.kernel.upserts import as_json_rows, upsert_statement

# Never newer by older; a deleted product comes back only by a fetch that is later than the deletion.
_NEWER_PRODUCT = sql.SQL(
    "CASE WHEN stored.deleted_at IS NULL"
    " THEN (COALESCE(excluded.changed_at, '-infinity'), excluded.fetched_at)"
    " >= (COALESCE(stored.changed_at, '-infinity'), stored.fetched_at)"
    " ELSE excluded.fetched_at > stored.deleted_at END"
)
_ALWAYS = sql.SQL("true")
_UPSERT_PRODUCTS = upsert_statement(Product, key=["storefront_id", "guid"], silent=["fetched_at"], guard=_NEWER_PRODUCT)
_UPSERT_VARIANTS = upsert_statement(Variant, key=["product_id", "code"], guard=_ALWAYS)
_UPSERT_CATEGORIES = upsert_statement(Category, key=["storefront_id", "guid"], guard=_ALWAYS)


def open_storefront(*, tenant_id: int, kind: str, name: str, currency: str = "") -> Storefront:
    """Return the tenant's storefront of that kind and name, made if absent. Safe to repeat."""
    storefront, _ = Storefront.objects.get_or_create(
        tenant_id=tenant_id, kind=kind, name=name, defaults={"currency": currency}
    )
    return storefront


def describe_storefront(*, storefront_id: int, currency: str) -> None:
    """Store a storefront's default currency. Safe to repeat."""
    Storefront.objects.filter(id=storefront_id).update(currency=currency)


def fill_from(*, target_id: int, master_id: int) -> None:
    """Make a storefront a target of another one, with an overlay for each of its products. One transaction.

    Safe to repeat. Raises Storefront.DoesNotExist, also for another tenant's.
    """
    target, master = Storefront.objects.get(id=target_id), Storefront.objects.get(id=master_id)
    target.master = master
    with transaction.atomic():
        target.save(update_fields=["master"])
        prefill_overlays(master_id=master.pk)


def import_products(*, storefront_id: int, products: Sequence[ProductFacts], fetched_at: datetime) -> ImportResult:
    """Store `products` with their variants, and tell `products_imported` what changed.

    One transaction and a constant number of queries. Safe to repeat: a row that says the same, or is older
    than what is stored, is not written. Raises Storefront.DoesNotExist, also for another tenant's.
    """
    storefront = Storefront.objects.get(id=storefront_id)
    newest = _newest_of_each_guid(products)
    with transaction.atomic():
        written = _write_products(storefront=storefront, products=newest.values(), fetched_at=fetched_at)
        _write_variants(storefront.tenant_id, {product_id: newest[guid].variants for product_id, guid, _ in written})
        result = ImportResult(
            created_ids=tuple(product_id for product_id, _, is_new in written if is_new),
            updated_ids=tuple(product_id for product_id, _, is_new in written if not is_new),
            unchanged=len(products) - len(written),
        )
        _tell(products_imported, storefront=storefront, product_ids=result.product_ids)
    return result


def mark_deleted(*, storefront_id: int, guids: Collection[str], deleted_at: datetime) -> tuple[int, ...]:
    """Turn the products `guids` into tombstones; return the ids of those that were alive, ascending.

    A product fetched after `deleted_at` lives on. One transaction; safe to repeat.
    """
    storefront = Storefront.objects.get(id=storefront_id)
    with transaction.atomic():
        living = Product.objects.filter(
            storefront=storefront, guid__in=guids, deleted_at=None, fetched_at__lte=deleted_at
        )
        ids = tuple(living.select_for_update().order_by("id").values_list("id", flat=True))
        Product.objects.filter(id__in=ids).update(deleted_at=deleted_at)
        _tell(products_deleted, storefront=storefront, product_ids=ids)
    return ids


def confirm_fetched(*, storefront_id: int, guids: Collection[str], fetched_at: datetime) -> None:
    """Note that `guids` were read again at `fetched_at` and had not changed. Safe to repeat."""
    stale = Product.objects.filter(storefront_id=storefront_id, guid__in=guids, fetched_at__lt=fetched_at)
    stale.update(fetched_at=fetched_at)


def replace_categories(*, storefront_id: int, categories: Sequence[CategoryFacts]) -> int:
    """Make a storefront's categories exactly `categories`; return how many rows were written or removed.

    One transaction, three queries; safe to repeat. Mappings of a removed category go with it.
    """
    storefront = Storefront.objects.get(id=storefront_id)
    common = {"tenant_id": storefront.tenant_id, "storefront_id": storefront.pk}
    kept = {facts.guid: asdict(facts) | common for facts in categories}
    with transaction.atomic():
        gone, _ = Category.objects.filter(storefront=storefront).exclude(guid__in=kept).delete()
        return gone + len(_execute(_UPSERT_CATEGORIES, [kept[guid] for guid in sorted(kept)]))


def prefill_overlays(*, master_id: int, product_ids: Collection[int] | None = None) -> None:
    """Give every target of a master an overlay for each of its living products, or those of `product_ids`.

    What an operator has set is never touched. One statement; safe to repeat.
    """
    master = Storefront.objects.get(id=master_id)
    if product_ids is not None and not product_ids:
        return
    with connection.cursor() as cursor:
        wanted = None if product_ids is None else list(product_ids)
        cursor.execute(_PREFILL_OVERLAYS, {"master": master.pk, "products": wanted})


def prefill_mappings(*, target_id: int) -> None:
    """Give a target a mapping for each category of its master, once the categories of both are known.

    It is filled in where exactly one category of the target has the same name; what an operator has set is
    never touched. One statement; safe to repeat.
    """
    target = Storefront.objects.get(id=target_id)
    with connection.cursor() as cursor:
        cursor.execute(_PREFILL_MAPPINGS, [target.pk])


_PREFILL_OVERLAYS = """
    INSERT INTO catalog_productoverlay (tenant_id, product_id, storefront_id, name, currency)
    SELECT product.tenant_id, product.id, target.id, '', target.currency
      FROM catalog_storefront target
      JOIN catalog_product product ON product.storefront_id = target.master_id AND product.deleted_at IS NULL
     WHERE target.master_id = %(master)s AND target.tenant_id = product.tenant_id
       AND (%(products)s::bigint[] IS NULL OR product.id = ANY(%(products)s::bigint[]))
    ON CONFLICT (product_id, storefront_id) DO NOTHING
"""
_PREFILL_MAPPINGS = """
    INSERT INTO catalog_categorymapping (tenant_id, source_id, storefront_id, target_id)
    SELECT source.tenant_id, source.id, target.id,
           (SELECT min(twin.id) FROM catalog_category twin
             WHERE twin.storefront_id = target.id AND twin.name = source.name HAVING count(*) = 1)
      FROM catalog_storefront target
      JOIN catalog_category source ON source.storefront_id = target.master_id
     WHERE target.id = %s AND target.tenant_id = source.tenant_id
    ON CONFLICT (source_id, storefront_id) DO NOTHING
"""


def _tell(signal: Any, *, storefront: Storefront, product_ids: tuple[int, ...]) -> None:
    if product_ids:
        signal.send(
            sender=Product,
            tenant_id=storefront.tenant_id,
            storefront_id=storefront.pk,
            product_ids=list(product_ids),
        )


def _newest_of_each_guid(products: Iterable[ProductFacts]) -> dict[str, ProductFacts]:
    """One statement cannot write a row twice; sorted by GUID, so that two imports lock rows in one order."""
    oldest_first = sorted(
        products, key=lambda facts: (facts.guid, facts.changed_at.timestamp() if facts.changed_at else 0)
    )
    return {facts.guid: facts for facts in oldest_first}


def _write_products(
    *, storefront: Storefront, products: Iterable[ProductFacts], fetched_at: datetime
) -> list[tuple[int, str, bool]]:
    """Return (id, GUID, whether it is new) of each product that was written."""
    common = {
        "tenant_id": storefront.tenant_id,
        "storefront_id": storefront.pk,
        "fetched_at": fetched_at,
        "deleted_at": None,
    }
    return _execute(_UPSERT_PRODUCTS, [_product_row(facts) | common for facts in products])


def _product_row(facts: ProductFacts) -> dict[str, Any]:
    return {name: getattr(facts, name) for name in ProductFacts.__slots__ if name != "variants"}


def _write_variants(tenant_id: int, variants: Mapping[int, Sequence[VariantFacts]]) -> None:
    """Make the variants of these products equal `variants`; only what differs is written."""
    if not variants:
        return
    rows = {
        (product_id, variant.code): asdict(variant) | {"tenant_id": tenant_id, "product_id": product_id}
        for product_id, of_product in variants.items()
        for variant in of_product
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM catalog_variant variant WHERE product_id = ANY(%s::bigint[]) AND NOT EXISTS ("
            "SELECT FROM unnest(%s::bigint[], %s::text[]) AS kept (product_id, code)"
            " WHERE kept.product_id = variant.product_id AND kept.code = variant.code)",
            [list(variants), [product_id for product_id, _ in rows], [code for _, code in rows]],
        )
    _execute(_UPSERT_VARIANTS, list(rows.values()))


def _execute(statement: sql.Composed, rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, str, bool]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [as_json_rows(rows)])
        written: list[tuple[int, str, bool]] = cursor.fetchall()
    return written

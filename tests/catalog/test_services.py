import dataclasses
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django_scopes.exceptions import ScopeError

from modules.catalog import selectors, services
from modules.catalog.domain import ImportResult, StoredVersion
from modules.catalog.events import products_deleted, products_imported
from modules.catalog.models import Category, CategoryMapping, Product, ProductOverlay, Storefront, Variant
from modules.kernel.tenancy import all_tenants, tenant_scope
from tests.catalog.factories import category_facts, make_storefront, product_facts, variant_facts
from tests.orders.factories import at

pytestmark = pytest.mark.django_db
EARLIER, NOON, LATER = at("2026-03-01T11:00"), at("2026-03-01T12:00"), at("2026-03-01T13:00")


@pytest.fixture
def storefront():
    with all_tenants():
        alices = make_storefront()
    with tenant_scope(alices.tenant_id):
        yield alices


@pytest.fixture
def heard():
    """What the two signals said, as (name, product ids)."""
    said = []
    receivers = [
        (signal, lambda name=name, **payload: said.append((name, payload["product_ids"])))
        for name, signal in (("imported", products_imported), ("deleted", products_deleted))
    ]
    for signal, receiver in receivers:
        signal.connect(receiver)
    yield said
    for signal, receiver in receivers:
        signal.disconnect(receiver)


def importing(storefront, *products, fetched_at=NOON):
    return services.import_products(storefront_id=storefront.pk, products=products, fetched_at=fetched_at)


def physical_versions():
    """Which transaction wrote each row: an untouched row keeps its number."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT xmin, cmin, ctid FROM catalog_product UNION ALL SELECT xmin, cmin, ctid FROM catalog_variant"
            " UNION ALL SELECT xmin, cmin, ctid FROM catalog_category"
        )
        return cursor.fetchall()


def codes():
    return list(Variant.objects.order_by("product__guid", "position").values_list("product__guid", "code"))


def test_import_products_stores_every_fact(storefront):
    variants = (variant_facts("00123", ean="0012345678905"), variant_facts("A/1 ž", position=2, price=None))
    facts = product_facts(changed_at=EARLIER, category_guids=("c1", "c2"), variants=variants)

    result = importing(storefront, facts)

    product = Product.objects.get()
    stored = {name: getattr(product, name) for name in facts.__slots__ if name not in ("variants", "category_guids")}
    assert stored == {name: getattr(facts, name) for name in stored}
    assert (product.category_guids, product.fetched_at, product.tenant_id) == (
        ["c1", "c2"],
        NOON,
        storefront.tenant_id,
    )
    rows = product.variants.order_by("position")
    assert [{name: getattr(row, name) for name in variants[0].__slots__} for row in rows] == [
        dataclasses.asdict(variant) for variant in variants
    ]
    assert result == ImportResult(created_ids=(product.pk,))


def test_import_products_twice_writes_no_row_and_tells_once(storefront, heard):
    first = importing(storefront, product_facts("p1"), product_facts("p2"))
    before = physical_versions()

    assert importing(storefront, product_facts("p1"), product_facts("p2"), fetched_at=LATER).unchanged == 2
    assert physical_versions() == before
    assert heard == [("imported", list(first.product_ids))]


def test_import_products_replaces_variants_of_what_changed_only(storefront):
    old = (variant_facts("A"), variant_facts("B", position=2))
    importing(storefront, product_facts("p1", variants=old), product_facts("p2", variants=old))

    new = (variant_facts("B", price=Decimal("5.00")), variant_facts("C", position=2))
    importing(storefront, product_facts("p1", changed_at=NOON, variants=new), fetched_at=LATER)

    assert codes() == [("p1", "B"), ("p1", "C"), ("p2", "A"), ("p2", "B")]
    assert Variant.objects.get(product__guid="p1", code="B").price == Decimal("5.00")


def test_import_products_never_overwrites_newer_by_older(storefront):
    importing(storefront, product_facts(name="new", changed_at=NOON))
    old = product_facts(name="old", changed_at=EARLIER, variants=(variant_facts("old"),))

    assert importing(storefront, old, fetched_at=LATER).unchanged == 1
    assert Product.objects.get().name == "new"
    assert codes() == [("p1", "00123")]


def test_mark_deleted_makes_tombstones_that_only_a_later_fetch_revives(storefront, heard):
    (product_id,) = importing(storefront, product_facts(), fetched_at=EARLIER).product_ids

    assert services.mark_deleted(storefront_id=storefront.pk, guids=["p1", "p9"], deleted_at=NOON) == (product_id,)
    assert services.mark_deleted(storefront_id=storefront.pk, guids=["p1"], deleted_at=LATER) == ()
    importing(storefront, product_facts(), fetched_at=EARLIER)
    assert Product.objects.get().deleted_at == NOON
    importing(storefront, product_facts(), fetched_at=LATER)
    assert Product.objects.get().deleted_at is None
    assert heard == [("imported", [product_id]), ("deleted", [product_id]), ("imported", [product_id])]


def test_mark_deleted_spares_what_was_fetched_later(storefront):
    importing(storefront, product_facts(), fetched_at=LATER)

    assert services.mark_deleted(storefront_id=storefront.pk, guids=["p1"], deleted_at=NOON) == ()
    assert Product.objects.get().deleted_at is None


def test_confirm_fetched_only_moves_forward(storefront):
    importing(storefront, product_facts())
    for moment in (LATER, EARLIER):
        services.confirm_fetched(storefront_id=storefront.pk, guids=["p1"], fetched_at=moment)

    versions = selectors.stored_versions(storefront_id=storefront.pk, guids=["p1", "p2"])
    assert versions == {"p1": StoredVersion(None, LATER, is_deleted=False)}


def test_import_takes_as_many_queries_for_three_products_as_for_one(storefront):
    with CaptureQueriesContext(
        connection,
    ) as for_one:
        importing(storefront, product_facts("a"))
    with CaptureQueriesContext(connection) as for_three:
        importing(storefront, *(product_facts(guid) for guid in "bcd"))
    assert len(for_three) == len(for_one)


def test_replace_categories_makes_them_equal_and_repeats_for_free(storefront):
    tree = [category_facts("c1"), category_facts("c2", parent_guid="c1", name="Lamps")]
    assert services.replace_categories(storefront_id=storefront.pk, categories=tree) == 2
    before = physical_versions()

    assert services.replace_categories(storefront_id=storefront.pk, categories=tree) == 0
    assert physical_versions() == before
    assert services.replace_categories(storefront_id=storefront.pk, categories=tree[:1]) == 1
    assert list(Category.objects.values_list("guid", flat=True)) == ["c1"]


@pytest.fixture
def target(storefront):
    """A shop filled from `storefront`, with one category whose name is unique and two that share theirs."""
    shop = make_storefront(name="Target", currency="EUR")
    Storefront.objects.filter(id=shop.pk).update(master=storefront)
    twins = [category_facts(f"t{n}", name=name) for n, name in enumerate(("Lights", "Sale", "Sale"))]
    services.replace_categories(storefront_id=shop.pk, categories=twins)
    return shop


def test_prefill_fills_what_is_certain(storefront, target):
    importing(storefront, product_facts("p1"), product_facts("gone"), fetched_at=EARLIER)
    services.mark_deleted(storefront_id=storefront.pk, guids=["gone"], deleted_at=NOON)
    sources = [category_facts("c1"), category_facts("c2", name="Sale"), category_facts("c3", name="Rest")]
    services.replace_categories(storefront_id=storefront.pk, categories=sources)

    prefill(storefront)

    overlays = ProductOverlay.objects.values_list("product__guid", "storefront", "name", "price", "currency")
    assert list(overlays) == [("p1", target.pk, "", None, "EUR")]
    mappings = CategoryMapping.objects.order_by("source__guid").values_list("source__guid", "target__guid")
    assert list(mappings) == [("c1", "t0"), ("c2", None), ("c3", None)]


def test_prefill_keeps_what_an_operator_set(storefront, target):
    importing(storefront, product_facts())
    services.replace_categories(storefront_id=storefront.pk, categories=[category_facts("c1")])
    prefill(storefront)
    ProductOverlay.objects.update(name="Leuchte", price=Decimal("4.90"), is_visible=False)
    CategoryMapping.objects.update(target=None)

    prefill(storefront)

    assert list(ProductOverlay.objects.values_list("name", "price", "is_visible")) == [
        ("Leuchte", Decimal("4.90"), False)
    ]
    assert CategoryMapping.objects.get().target is None


def test_a_stranger_reaches_nothing(storefront):
    importing(storefront, product_facts())
    with all_tenants():
        bobs = make_storefront(tenant="Bob", name="Bob's shop")

    with tenant_scope(bobs.tenant_id):
        assert not Product.objects.exists()
        assert selectors.stored_versions(storefront_id=storefront.pk, guids=["p1"]) == {}
        for act in (
            lambda: importing(storefront, product_facts(name="stolen"), fetched_at=LATER),
            lambda: services.mark_deleted(storefront_id=storefront.pk, guids=["p1"], deleted_at=LATER),
            lambda: services.replace_categories(storefront_id=storefront.pk, categories=[category_facts()]),
            lambda: services.fill_from(target_id=bobs.pk, master_id=storefront.pk),
            lambda: services.prefill_overlays(master_id=storefront.pk),
            lambda: services.prefill_mappings(target_id=storefront.pk),
        ):
            with pytest.raises(Storefront.DoesNotExist):
                act()
    assert list(Product.objects.values_list("name", "deleted_at")) == [("Lamp", None)]


def test_prefill_never_fills_another_tenants_target(storefront):
    importing(storefront, product_facts())
    with all_tenants():
        bobs = make_storefront(tenant="Bob", name="Bob's shop")
        Storefront.objects.filter(id=bobs.pk).update(master=storefront)

    prefill(storefront)

    with all_tenants():
        assert not ProductOverlay.objects.exists()


def test_tables_refuse_what_makes_no_sense(storefront):
    refused = [
        lambda: importing(storefront, product_facts("")),
        lambda: importing(storefront, product_facts(variants=(variant_facts(""),))),
        lambda: Storefront.objects.filter(id=storefront.pk).update(master=storefront),
    ]
    for act in refused:
        with pytest.raises(IntegrityError), transaction.atomic():
            act()
    assert not Product.objects.exists()


def test_queries_outside_a_tenant_are_refused():
    with pytest.raises(ScopeError):
        Product.objects.count()


def prefill(master):
    services.prefill_overlays(master_id=master.pk)
    for target_id in Storefront.objects.filter(master=master).values_list("id", flat=True):
        services.prefill_mappings(target_id=target_id)


def test_prefill_overlays_can_be_asked_for_some_products(storefront, target):
    written = importing(storefront, product_facts("p1"), product_facts("p2")).product_ids

    services.prefill_overlays(master_id=storefront.pk, product_ids=())
    assert not ProductOverlay.objects.exists()
    services.prefill_overlays(master_id=storefront.pk, product_ids=written[1:])

    assert list(ProductOverlay.objects.values_list("product_id", flat=True)) == [written[1]]

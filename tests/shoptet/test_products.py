"""A master shop's products read over real HTTP: whatever the far side does, the copy becomes the shop."""

import random
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from modules.accounts.models import Tenant
from modules.catalog.models import Category, CategoryMapping, Product, ProductOverlay, Variant
from modules.kernel.tenancy import tenant_scope
from modules.shoptet import clients, services
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution, SyncCursor
from tests.shoptet.conftest import YESTERDAY
from tests.simulators.shoptet import FaultKind
from tests.simulators.shoptet.products import variant_body, without_sections

pytestmark = pytest.mark.slow
STOCK = {"stock", "perStockAmounts"}


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(clients.limits, "PRODUCTS_PER_PAGE", 20)


@pytest.fixture
def shop(shop):
    Shop.objects.update(is_master=True)
    shop.refresh_from_db()
    return shop


@pytest.fixture
def sync(shop):
    def run(*, holder="test", report=lambda *_: None, **options):
        return services.import_master_products(shop_id=shop.pk, holder=holder, report=report, **options)

    return run


def assert_copied(simulated):
    """Every living product says, in its columns and variants, what the shop says; the shop has no other."""
    bodies = {
        guid: without_sections(body, keep=frozenset({"allCategories"}))
        for guid, body in simulated.products.bodies().items()
    }
    stored = {product.guid: product for product in Product.objects.filter(deleted_at=None)}
    assert {guid: product.raw for guid, product in stored.items()} == {
        guid: {**body, "variants": [{k: v for k, v in row.items() if k not in STOCK} for row in body["variants"]]}
        for guid, body in bodies.items()
    }
    for guid, body in bodies.items():
        product = stored[guid]
        assert (product.name, product.changed_at) == (body["name"], datetime.fromisoformat(body["changeTime"]))
        variants = Variant.objects.filter(product=product).order_by("position")
        assert [(row.code, row.price, row.currency) for row in variants] == [
            (row["code"], Decimal(row["price"]), row["currencyCode"]) for row in body["variants"]
        ]


def versions():
    """Return each row's columns and place: a row that is written, even with what it held, gets another place."""
    rows = [
        model.objects.extra(select={"place": "ctid::text"}).order_by("id").values("place", "id")
        for model in (Product, Variant, Category)
    ]
    return [list(found) for found in rows]


def counts(entry):
    return (entry.created, entry.updated, entry.unchanged, entry.deleted, entry.parked)


def fill(simulated, count):
    guids = [simulated.products.create() for _ in range(count)]
    simulated.advance(60)
    return guids


def test_a_first_sync_copies_products_variants_and_categories(simulated, sync, shop):
    parent = simulated.products.put_category("Lampy")
    child = simulated.products.put_category("Stolní", parent_guid=parent)
    fill(simulated, 44)
    variants = [variant_body("00123", ean="0012"), variant_body("00124", name="Barva: modrá", price="99.90")]
    guid = simulated.products.create({"variants": variants, "categories": [{"guid": child, "name": "Stolní"}]})

    entry = sync()

    assert_copied(simulated)
    assert (entry.listed, entry.fetched, counts(entry)) == (45, 45, (45, 0, 0, 0, 0))
    assert (entry.status, entry.kind, entry.error) == ("completed", "products-incremental", "")
    assert Product.objects.get(guid=guid).category_guids == [child]
    assert Variant.objects.values_list("ean", "weight").get(code="00123") == ("0012", Decimal("0.505"))
    assert list(Category.objects.order_by("position").values_list("guid", "parent_guid", "name")) == [
        (parent, "", "Lampy"),
        (child, parent, "Stolní"),
    ]
    assert SyncCursor.objects.values_list("name", "position_at").get() == (
        "products.change_time",
        YESTERDAY + timedelta(minutes=1),
    )
    shop.refresh_from_db()
    assert (shop.storefront.name, shop.storefront.currency) == (shop.name, "CZK")


def test_with_nothing_new_three_requests_and_no_row(simulated, sync):
    simulated.products.put_category("Lampy")
    fill(simulated, 3)
    sync()
    before, calls = versions(), len(simulated.requests())

    entry = sync()

    paths = [request.path for request in simulated.requests(after=calls)]
    assert paths == ["/api/products/changes", "/api/categories", "/api/products"]
    assert (versions(), entry.fetched) == (before, 0)


def test_a_sale_is_no_change_of_a_product(simulated, sync):
    guid = fill(simulated, 1)[0]
    sync()
    before = versions()
    simulated.products.move_stock(guid, "1.000")
    SyncCursor.objects.update(position_at=None)
    Product.objects.update(fetched_at=YESTERDAY - timedelta(days=1))  # so that it is fetched again

    entry = sync()

    assert counts(entry) == (0, 0, 1, 0, 0)
    assert versions()[1] == before[1]


def test_edits_new_variants_deletions_and_new_products_come_in(simulated, sync):
    edited, deleted, _kept = fill(simulated, 3)
    sync()
    simulated.advance(60)
    simulated.products.edit(edited, {"variants": [variant_body("A"), variant_body("B")]})
    simulated.products.delete(deleted)
    simulated.products.create()

    entry = sync()

    assert_copied(simulated)
    assert counts(entry) == (1, 1, 0, 1, 0)
    assert Product.objects.get(guid=deleted).deleted_at == YESTERDAY + timedelta(minutes=2)


def test_a_deletion_that_the_product_itself_denies_is_not_believed(simulated, sync):
    guid = fill(simulated, 1)[0]
    sync()
    simulated.products.deleted_at[guid] = simulated.shop.clock.now()  # a lying change log

    assert sync().deleted == 0

    assert Product.objects.get().deleted_at is None


@pytest.mark.parametrize("shift", [FaultKind.SHIFT_BY_INSERT, FaultKind.SHIFT_BY_DELETE, FaultKind.EMPTY_PAGE])
def test_a_list_that_moves_under_the_reader_is_read_again(simulated, sync, shift):
    fill(simulated, 45)
    fault = simulated.inject(shift)

    sync()

    assert fault.struck == 1
    assert set(simulated.products.bodies()) <= set(Product.objects.values_list("guid", flat=True))
    simulated.advance(60)
    sync()
    assert_copied(simulated)


@pytest.mark.parametrize("kind", [FaultKind.UNREADABLE, FaultKind.OTHER_ORDER])
def test_an_unreadable_product_is_set_aside_and_healed_by_a_later_run(simulated, sync, kind):
    bad, good = fill(simulated, 2)
    simulated.inject(kind, path=f"/api/products/{bad}")
    simulated.advance(4 * 3600)

    entry = sync()

    assert (entry.status, counts(entry)) == ("completed", (1, 0, 0, 0, 1))
    assert list(Product.objects.values_list("guid", flat=True)) == [good]
    assert ParkedRecord.objects.values_list("kind", "code", "resolved_at").get() == ("product", bad, None)
    assert sync().created == 1
    assert ParkedRecord.objects.filter(resolved_at=None).count() == 0
    assert_copied(simulated)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(FaultKind.NULLS, ""), (FaultKind.NUL_CHARACTER, "Lampa"), (FaultKind.LINE_SEPARATOR, "Lam\u2028pa")],
)
def test_odd_but_readable_products_are_stored(simulated, sync, kind, name):
    simulated.inject(kind, path=f"/api/products/{fill(simulated, 1)[0]}")

    assert sync().parked == 0

    assert Product.objects.get().name == name


def test_a_category_list_that_keeps_changing_removes_nothing(simulated, sync, monkeypatch):
    monkeypatch.setattr(clients.limits, "CATEGORIES_PER_PAGE", 1)
    simulated.products.put_category("A")
    simulated.products.put_category("B")
    sync()
    simulated.inject(FaultKind.EMPTY_PAGE, path="/api/categories", times=None)

    with pytest.raises(clients.TemporaryShoptetError, match="list of categories"):
        sync()

    assert Category.objects.count() == 2


def test_a_busy_shop_makes_the_run_wait(simulated, sync):
    fill(simulated, 1)
    simulated.inject(FaultKind.TOO_MANY_REQUESTS, path="/api/products", retry_after="seconds", seconds=60)

    with pytest.raises(clients.RateLimited):
        sync()

    assert SnapshotExecution.objects.get().status == "waiting"


def test_a_run_stops_after_its_share_and_the_next_goes_on_in_the_same_entry(simulated, sync):
    fill(simulated, 60)

    with pytest.raises(services.SyncPaused):
        sync(most_details=40)
    assert Product.objects.count() == 40
    sync()

    assert SnapshotExecution.objects.get().created == 60
    assert_copied(simulated)


def test_runs_get_past_more_unreadable_products_than_one_of_them_asks_for(simulated, sync):
    fill(simulated, 110)
    fault = simulated.inject(FaultKind.UNREADABLE, path="/api/products/*-*", times=None)
    for _ in range(2):
        with pytest.raises(services.SyncPaused):
            sync(most_details=50)

    assert (sync(most_details=50).status, fault.struck, Product.objects.count()) == ("completed", 110, 0)

    simulated.clear_faults()
    simulated.advance(60)
    for _ in range(2):  # a hundred of what was set aside before a run
        sync()
    assert_copied(simulated)


def test_two_runs_at_once_are_one_and_orders_are_read_beside(simulated, shop, sync):
    fill(simulated, 1)
    seen = []

    def report(*_):
        with pytest.raises(services.AlreadyRunning):
            sync(holder="second")
        seen.append(services.fetch_new_orders(shop_id=shop.pk, holder="third", report=lambda *_: None).status)

    sync(holder="first", report=report)

    assert seen == ["completed"]


def test_a_run_that_lost_its_hold_writes_neither_products_nor_cursor(simulated, sync):
    fill(simulated, 30)

    def steal(*_):
        SyncCursor.objects.update(fence=99, holder="thief")

    with pytest.raises(services.CursorLost):
        sync(report=steal)

    assert (Product.objects.count(), SyncCursor.objects.get().position_at) == (20, None)


def test_only_masters_are_read(simulated, sync):
    Shop.objects.update(is_master=False)

    with pytest.raises(services.NotAMaster):
        sync()

    assert simulated.requests() == []


def test_a_stranger_can_neither_see_nor_read(simulated, sync):
    fill(simulated, 1)
    sync()

    with tenant_scope(Tenant.objects.create(name="Bob").pk):
        with pytest.raises(Shop.DoesNotExist):
            sync()
        assert [model.objects.count() for model in (Product, Variant, Category, ProductOverlay)] == [0] * 4


def test_any_mix_of_changes_and_faults_ends_in_a_faithful_copy(simulated, sync):
    chance = random.Random(20260302)
    kinds = [
        *(FaultKind.SERVER_ERROR, FaultKind.RESET, FaultKind.TRUNCATED_JSON, FaultKind.OTHER_ORDER),
        *(FaultKind.UNREADABLE, FaultKind.SHIFT_BY_INSERT, FaultKind.SHIFT_BY_DELETE, FaultKind.EMPTY_PAGE),
    ]
    fill(simulated, 45)
    for _step in range(6):
        for _ in range(chance.randrange(8)):
            guid = chance.choice(sorted(simulated.products.bodies()))
            match chance.choice(["create", "delete", "edit", "stock"]):
                case "create":
                    simulated.products.create()
                case "delete":
                    simulated.products.delete(guid)
                case "edit":
                    simulated.products.edit(guid, {"variants": [variant_body(f"{chance.random()}")]})
                case _:
                    simulated.products.move_stock(guid, "7.000")
            simulated.advance(chance.choice([0, 1, 30]))
        path = chance.choice(["/api/products", "/api/products/*"])
        simulated.inject(chance.choice(kinds), path=path, times=chance.randrange(1, 5), every=chance.randrange(1, 9))
        with suppress(clients.TemporaryShoptetError):
            sync()
    simulated.clear_faults()
    simulated.advance(60)

    sync()

    assert_copied(simulated)
    assert not ParkedRecord.objects.filter(resolved_at=None).exists()


@pytest.fixture
def target(alice, shop, simulated):
    """A second shop, here the same simulated one under another name."""
    return services.add_shop(tenant_id=alice.pk, name="Target", base_url=simulated.url, token=simulated.token)


def test_a_new_target_gets_overlays_of_what_is_there_and_of_what_comes(simulated, sync, shop, target):
    fill(simulated, 2)
    sync()
    shop.refresh_from_db()

    services.fill_from(shop=target, master=shop)
    assert ProductOverlay.objects.filter(storefront=target.storefront).count() == 2
    ProductOverlay.objects.update(name="Leuchte")
    simulated.products.create()
    sync()

    names = ProductOverlay.objects.order_by("id").values_list("name", flat=True)
    assert list(names) == ["Leuchte", "Leuchte", ""]


def test_a_target_maps_its_masters_categories_by_name(simulated, sync, shop, target):
    simulated.products.put_category("Lampy")
    sync()
    shop.refresh_from_db()
    services.fill_from(shop=target, master=shop)

    services.prefill_target(shop_id=target.pk)

    mapping = CategoryMapping.objects.select_related("source", "target").get()
    assert (mapping.source.name, mapping.source.storefront_id) == ("Lampy", shop.storefront_id)
    assert (mapping.target.name, mapping.target.storefront_id) == ("Lampy", target.storefront_id)


def test_a_shop_is_filled_from_a_master_of_its_own_tenant_alone(alice, shop, target):
    with pytest.raises(services.NotAMaster):
        services.fill_from(shop=shop, master=target)
    with pytest.raises(services.NotAMaster):
        services.fill_from(shop=shop, master=shop)
    bob = Tenant.objects.create(name="Bob")
    with tenant_scope(bob.pk):
        bobs = services.add_shop(
            tenant_id=bob.pk, name="Bob's", base_url="http://127.0.0.1:9", token="t", is_master=True
        )
    with pytest.raises(services.NotAMaster):
        services.fill_from(shop=target, master=bobs)

    target.refresh_from_db()
    assert target.storefront is None


def test_a_page_that_is_gone_by_the_time_it_is_asked_for_is_no_error(simulated, sync):
    fill(simulated, 45)
    fault = simulated.inject(FaultKind.NOT_FOUND, path="/api/products", query={"page": "3"})

    entry = sync()

    assert (fault.struck, entry.status, entry.created) == (1, "completed", 45)
    assert_copied(simulated)


def test_an_error_of_orders_stays_while_products_come_and_go(simulated, shop, sync):
    fill(simulated, 1)
    orders = simulated.inject(FaultKind.WITHOUT_RIGHTS, path="/api/orders*", times=None)
    with pytest.raises(clients.NoRights):
        services.fetch_new_orders(shop_id=shop.pk, holder="t", report=lambda *_: None)
    shop.refresh_from_db()
    told = shop.last_error
    assert told.startswith("The API token may not read this.")

    sync()

    shop.refresh_from_db()
    assert shop.last_error == told
    simulated.clear_faults()
    simulated.inject(FaultKind.TOO_BIG, path="/api/products", size=17_000_000, times=None)
    with pytest.raises(clients.TemporaryShoptetError):
        sync()
    shop.refresh_from_db()
    assert (orders.struck, shop.last_error) == (1, f"{told} The shop sent an answer that is too long.")

    services.fetch_new_orders(shop_id=shop.pk, holder="t", report=lambda *_: None)

    shop.refresh_from_db()
    assert (shop.last_error, shop.errors) == (
        "The shop sent an answer that is too long.",
        {"products": "The shop sent an answer that is too long."},
    )
    simulated.clear_faults()
    sync()
    shop.refresh_from_db()
    assert (shop.last_error, shop.errors) == ("", {})


def test_the_same_trouble_of_both_is_told_once(simulated, shop, sync):
    simulated.inject(FaultKind.EXPIRED_TOKEN, times=None)
    for read in (sync, lambda: services.fetch_new_orders(shop_id=shop.pk, holder="t", report=lambda *_: None)):
        with pytest.raises(clients.InvalidToken):
            read()

    shop.refresh_from_db()
    assert shop.last_error == "The shop refuses the API token. Create a new one in Shoptet and enter it here."
    assert set(shop.errors) == {"orders", "products"}

"""All products of a master against the shop's: what its log of changes forgot, and what slipped through."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from modules.accounts.models import Tenant
from modules.catalog.models import Product
from modules.jobs.models import Job
from modules.kernel.tenancy import tenant_scope
from modules.shoptet import actors, clients, services
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution
from modules.shoptet.services import _product_reconciliation
from tests.shoptet.conftest import YESTERDAY
from tests.simulators.shoptet import FaultKind

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch):
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(clients.limits, "PRODUCTS_PER_PAGE", 20)


@pytest.fixture
def shop(shop):
    Shop.objects.update(is_master=True)
    shop.refresh_from_db()
    return shop


@pytest.fixture
def sync(shop):
    return lambda **options: services.import_master_products(
        shop_id=shop.pk, holder="test", report=lambda *_: None, **options
    )


@pytest.fixture
def reconcile(shop):
    def run(*, holder="test", report=lambda *_: None, **options):
        return services.reconcile_products(shop_id=shop.pk, holder=holder, report=report, **options)

    return run


def fill(simulated, count):
    guids = [simulated.products.create() for _ in range(count)]
    simulated.advance(60)
    return guids


def delete_long_ago(simulated, *guids):
    for guid in guids:
        simulated.products.delete(guid)
    simulated.products.forget_deletions()


def living():
    return sorted(Product.objects.filter(deleted_at=None).values_list("guid", flat=True))


def details(simulated, after):
    paths = [request.path for request in simulated.requests(after=after)]
    return [path for path in paths if path not in {"/api/products", "/api/eshop"}]


def test_a_product_deleted_long_ago_is_buried_and_every_other_is_left_alone(simulated, sync, reconcile):
    gone, *kept = fill(simulated, 45)
    sync()
    delete_long_ago(simulated, gone)
    sync()
    assert gone in living()
    before, calls = list(Product.objects.exclude(guid=gone).order_by("id").values()), len(simulated.requests())

    entry = reconcile()

    assert (entry.status, entry.deleted, entry.fetched, entry.listed) == ("completed", 1, 1, 44)
    assert (living(), Product.objects.get(guid=gone).deleted_at is not None) == (sorted(kept), True)
    assert list(Product.objects.exclude(guid=gone).order_by("id").values()) == before
    assert details(simulated, calls) == [f"/api/products/{gone}"]


def test_what_slipped_through_is_fetched(simulated, sync, reconcile):
    edited, kept = fill(simulated, 2)
    simulated.advance(6 * 3600)
    sync()
    late = YESTERDAY + timedelta(hours=1)
    simulated.products.edit(edited, {"name": "Late"}, changed_at=late)
    unseen = simulated.products.create()
    simulated.products.edit(unseen, {}, changed_at=late)
    sync()
    assert living() == sorted([edited, kept])

    entry = reconcile()

    assert (entry.created, entry.updated, entry.deleted) == (1, 1, 0)
    assert living() == sorted([edited, kept, unseen])
    assert Product.objects.get(guid=edited).name == "Late"


def test_a_shop_read_in_part_is_not_read_whole(simulated, sync, reconcile):
    old = simulated.products.create()
    simulated.products.edit(old, {}, changed_at=YESTERDAY - timedelta(days=90))
    (new,) = fill(simulated, 1)
    sync(fallback_lookback_hours=24)

    assert reconcile().created == 0

    assert living() == [new]


@pytest.mark.parametrize("shift", [FaultKind.SHIFT_BY_INSERT, FaultKind.SHIFT_BY_DELETE, FaultKind.EMPTY_PAGE])
def test_a_list_that_moves_under_the_reader_buries_nobody(simulated, sync, reconcile, shift):
    fill(simulated, 60)
    sync()
    fault = simulated.inject(shift)

    reconcile()

    assert fault.struck == 1
    assert living() == sorted(simulated.products.bodies())


def test_a_shop_that_lists_nothing_and_has_everything_loses_nothing(simulated, sync, reconcile, monkeypatch):
    guids = fill(simulated, 3)
    sync()
    monkeypatch.setattr(simulated.products, "all", list)

    assert (reconcile().deleted, living()) == (0, sorted(guids))


def test_an_outage_buries_nobody(simulated, sync, reconcile):
    (guid,) = fill(simulated, 1)
    sync()
    delete_long_ago(simulated, guid)
    simulated.inject(FaultKind.BAD_GATEWAY, path="/api/products/*", times=None)

    with pytest.raises(clients.TemporaryShoptetError):
        reconcile()

    assert living() == [guid]
    assert SnapshotExecution.objects.get(kind="products-reconciliation").status == "error"


def test_what_could_not_be_read_before_is_asked_for_again(simulated, sync, reconcile):
    (guid,) = fill(simulated, 1)
    simulated.advance(4 * 3600)
    simulated.inject(FaultKind.UNREADABLE, path=f"/api/products/{guid}")
    sync()
    assert living() == []

    reconcile()

    assert (living(), ParkedRecord.objects.filter(resolved_at=None).count()) == ([guid], 0)


def test_a_run_that_did_its_share_goes_on_behind_it(simulated, sync, reconcile, monkeypatch):
    monkeypatch.setattr(_product_reconciliation, "GUIDS_AT_ONCE", 2)
    guids = fill(simulated, 5)
    for guid in guids:  # these have to be asked for whenever they are listed
        simulated.products.edit(guid, {"changeTime": None})
    fill(simulated, 1)
    sync()
    calls = len(simulated.requests())
    for _ in range(2):
        with pytest.raises(services.SyncPaused):
            reconcile(most_details=2)

    entry = reconcile(most_details=2)

    asked = details(simulated, calls)
    assert (entry.status, len(asked), sorted(asked)) == ("completed", 5, sorted(set(asked)))


def test_two_at_once_are_one_and_a_stranger_has_none(simulated, shop, sync, reconcile):
    fill(simulated, 1)
    sync()

    def report(*_):
        with pytest.raises(services.AlreadyRunning):
            reconcile(holder="second")

    assert reconcile(holder="first", report=report).status == "completed"
    with tenant_scope(Tenant.objects.create(name="Bob").pk):
        with pytest.raises(Shop.DoesNotExist):
            reconcile()
        with pytest.raises(Shop.DoesNotExist):
            services.rehearse_product_reconciliation(shop_id=shop.pk, report=lambda *_: None)


def test_a_shop_that_is_no_master_is_refused_and_one_switched_off_left_alone(simulated, reconcile):
    Shop.objects.update(is_active=False)
    assert reconcile() is None
    Shop.objects.update(is_master=False)

    with pytest.raises(services.NotAMaster):
        reconcile()

    assert SnapshotExecution.objects.count() == 0


def said(shop, **options):
    out = io.StringIO()
    call_command("shoptet_reconcile", "products", shop=str(shop.pk), stdout=out, **options)
    return out.getvalue().strip()


def test_the_command_rehearses_and_then_does_it(simulated, shop, sync):
    gone, edited, _kept = fill(simulated, 3)
    sync()
    delete_long_ago(simulated, gone)
    simulated.products.edit(edited, {"name": "New"})
    before = list(Product.objects.values()), SnapshotExecution.objects.count()

    assert said(shop, dry_run=True) == "Alice's shop: would delete 1, would fetch 1"
    assert (list(Product.objects.values()), SnapshotExecution.objects.count()) == before

    assert said(shop) == "Alice's shop: 0 created, 1 updated, 1 deleted, 0 unchanged, 0 parked"
    assert said(shop, dry_run=True).startswith("Alice's shop: would delete 0")


def test_the_command_refuses_a_shop_that_is_no_master(simulated, shop):
    Shop.objects.update(is_master=False)

    with pytest.raises(CommandError, match="is not a master shop"):
        said(shop, dry_run=True)


@pytest.mark.django_db(transaction=True)
def test_the_schedule_sends_a_job_for_each_master_and_it_goes_on_by_itself(simulated, sync, drain, monkeypatch):
    monkeypatch.setattr(actors, "DETAILS_PER_JOB", 1)
    monkeypatch.setattr(_product_reconciliation, "GUIDS_AT_ONCE", 1)
    guids = fill(simulated, 3)
    sync()
    drain()
    delete_long_ago(simulated, *guids)
    actors.reconcile_all_products.send()
    drain()

    assert living() == []
    states = list(Job.objects.filter(actor="shoptet.reconcile_products").values_list("state", flat=True))
    assert (len(states), set(states)) == (3, {"succeeded"})
    entry = SnapshotExecution.objects.get(kind="products-reconciliation")
    assert (entry.status, entry.deleted) == ("completed", 3)

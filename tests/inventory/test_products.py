"""What becomes of stock and figures when the catalog changes."""

import pytest

from modules.catalog import services as catalog_services
from modules.inventory import selectors
from modules.inventory.models import StockLevel, VariantMetrics
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from tests.catalog.factories import make_storefront, product_facts, variant_facts
from tests.inventory.test_services import recalculate, sell, stock
from tests.orders.factories import make_channel

pytestmark = pytest.mark.django_db(transaction=True)
DROP, COUNT = "inventory.drop_variants", "inventory.recalculate_variant_metrics"


@pytest.fixture(autouse=True)
def _everybody(transactional_db):
    with all_tenants():
        yield


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def storefront():
    return make_storefront()


def bring(storefront, *codes, guid="p1", **fields):
    facts = product_facts(guid, variants=tuple(variant_facts(code) for code in codes), **fields)
    catalog_services.import_products(storefront_id=storefront.pk, products=[facts], fetched_at=clock.now())


def delete(storefront, guid="p1"):
    catalog_services.mark_deleted(storefront_id=storefront.pk, guids=[guid], deleted_at=clock.now())


def names(channel):
    return dict(VariantMetrics.objects.filter(channel=channel).values_list("code", "name"))


def forget_jobs(drain):
    drain()
    Job.objects.all().delete()


def test_what_lies_in_stock_gets_the_products_name(channel, storefront, drain):
    stock(channel, ("P", "5"), ("Q", "5"))
    forget_jobs(drain)
    assert names(channel) == {"P": "", "Q": ""}

    bring(storefront, "P", name="Lamp")
    drain()

    assert names(channel) == {"P": "Lamp", "Q": ""}
    assert [job.arguments["codes"] for job in Job.objects.filter(actor=COUNT)] == [["P"]]


def test_a_renamed_product_is_called_as_it_is_now(channel, storefront, drain):
    bring(storefront, "P", name="Old")
    sell(channel, {"code": "P", "name": "On the line"})
    drain()
    assert names(channel) == {"P": "Old"}

    bring(storefront, "P", name="New")
    drain()

    assert names(channel) == {"P": "New"}


def test_a_target_calls_it_as_its_master_does_and_a_stranger_does_not(channel, storefront, drain):
    target = make_storefront(name="Target")
    catalog_services.fill_from(target_id=target.pk, master_id=storefront.pk)
    others = [make_channel(name="Target"), make_channel(name="Unrelated"), make_channel(tenant="Bob")]
    for one in (channel, *others):
        stock(one, ("P", "5"))
    forget_jobs(drain)

    bring(storefront, "P", name="Lamp")
    drain()

    assert [names(one) for one in (channel, *others)] == [{"P": "Lamp"}, {"P": "Lamp"}, {"P": ""}, {"P": ""}]
    assert Job.objects.filter(actor=COUNT).count() == 2


def test_products_that_are_not_in_stock_and_were_not_sold_send_nothing(channel, storefront, drain):
    bring(storefront, *(f"P{n}" for n in range(60)))

    assert Job.objects.count() == 0


def test_an_import_sends_its_variants_in_batches_of_fifty(channel, storefront, drain):
    codes = [f"P{n:02}" for n in range(60)]
    stock(channel, *((code, "1") for code in codes))
    forget_jobs(drain)

    bring(storefront, *codes)

    assert [len(job.arguments["codes"]) for job in Job.objects.order_by("id")] == [50, 10]


def test_a_deleted_product_is_in_no_stock_and_what_it_sold_is_still_told(channel, storefront, drain):
    bring(storefront, "P", "Q")
    stock(channel, ("P", "5"), ("Q", "5"), ("R", "5"))
    sell(channel, {"code": "P", "name": "On the line"})
    forget_jobs(drain)

    delete(storefront)
    drain()

    assert list(StockLevel.objects.values_list("code", flat=True)) == ["R"]
    assert set(VariantMetrics.objects.values_list("code", "amount", "name")) == {
        ("P", None, "On the line"),
        ("R", 5, ""),
    }


def test_a_variant_that_moved_to_another_product_keeps_its_stock(channel, storefront, drain):
    bring(storefront, "P")
    bring(storefront, "P", guid="p2")
    stock(channel, ("P", "5"))
    forget_jobs(drain)

    delete(storefront)
    drain()

    assert StockLevel.objects.get().amount == 5


def test_a_product_that_came_back_before_the_job_ran_keeps_its_stock(channel, storefront, drain):
    bring(storefront, "P")
    stock(channel, ("P", "5"))
    forget_jobs(drain)
    delete(storefront)

    bring(storefront, "P")
    drain()

    assert StockLevel.objects.get().amount == 5


def test_a_masters_deletion_leaves_the_stock_of_its_targets_and_of_strangers(channel, storefront, drain):
    target, targets = make_storefront(name="Target"), make_channel(name="Target")
    catalog_services.fill_from(target_id=target.pk, master_id=storefront.pk)
    bring(storefront, "P", name="Lamp")
    for one in (channel, targets, make_channel(tenant="Bob")):
        stock(one, ("P", "5"))
    forget_jobs(drain)

    delete(storefront)
    drain()

    kept = StockLevel.objects.order_by("channel").values_list("channel__name", "channel__tenant__name")
    assert list(kept) == [("Target", "Alice"), ("Alice's shop", "Bob")]
    assert names(targets) == {"P": ""}


def test_the_queries_of_a_change_do_not_grow_with_the_products(channel, storefront, drain, django_assert_num_queries):
    stock(channel, *((f"P{n}", "1") for n in range(3)))
    bring(storefront, "P0", "P1", "P2")
    drain()
    ids = list(storefront.products.values_list("id", flat=True))

    for found in (ids[:1], ids):
        with django_assert_num_queries(3):
            channels = selectors.channels_of_storefront(storefront_id=storefront.pk)
            selectors.known_codes(channel_ids=channels, product_ids=found)


def test_recalculating_by_hand_names_it_too(channel, storefront):
    stock(channel, ("P", "5"))
    bring(storefront, "P", name="Lamp")

    recalculate(channel)

    assert names(channel) == {"P": "Lamp"}

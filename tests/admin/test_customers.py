"""Customers and stock on their pages: segments, charts, merges, and the tools above the lists."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry

from modules.customers import services as customer_services
from modules.customers.models import Customer, CustomerMerge, CustomerMetrics
from modules.inventory.models import VariantMetrics
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.orders.models import SalesChannel
from tests.admin.factories import make_customer, make_order, make_shop, make_staff, make_variant
from tests.admin.pages import detail, listing, press, told, words

CUSTOMERS, VARIANTS = "customers_customer", "inventory_variantmetrics"


@pytest.fixture
def keeper(alice, login):
    """The client of one of Alice's staff who may act on customers and stock."""
    may = ["customers.change_customer", "inventory.change_variantmetrics"]
    return login(make_staff("keeper", tenants=[alice], permissions=["view_*", *may]))


def make_buyers(tenant, **emails):
    """Make customers by name and e-mail, who bought once three days ago."""
    shop = make_shop(tenant, f"shop-of-{tenant.name}")
    with all_tenants():
        SalesChannel.objects.filter(id=shop.channel_id).update(currency="CZK")
    orders = [
        make_order(shop, name, email=email, full_name=name, created_at=clock.now() - timedelta(days=3))
        for name, email in emails.items()
    ]
    with all_tenants():
        customer_services.attach_orders(tenant_id=tenant.pk, order_ids=[order.pk for order in orders], now=clock.now())
        return list(Customer.objects.filter(tenant=tenant, full_name__in=emails).order_by("full_name"))


def set_figures(customer, **fields):
    with all_tenants():
        CustomerMetrics.objects.filter(customer=customer).update(**fields)


def test_the_list_tells_who_buys_and_links_to_each_segment(viewer, alice):
    jana, petr = make_buyers(alice, Jana="jana@x.cz", Petr="petr@x.cz")
    set_figures(jana, segment="champions")

    page = viewer.get(listing(CUSTOMERS, "?segment=new"))

    text = words(page)
    assert ("Champions bought lately, often, and a lot 1 50 %" in text, "New bought lately" in text) == (True, True)
    assert [name in text for name in ("Petr", "Jana")] == [True, False]
    body = page.content.decode()
    assert body.count('class="bk-parted"') == 2
    assert 'aria-label="1 order in 12 months"' in body
    assert petr.full_name in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?orders=1", ["Petr"]),
        ("?orders=5", ["Jana"]),
        ("?last=30", ["Petr"]),
        ("?last=-365", ["Jana"]),
        ("?money=5", ["Jana"]),
        ("?chance=high", ["Jana"]),
        ("?chance=low", []),
        ("?q=jana@x.cz", ["Jana"]),
    ],
)
def test_customers_are_filtered_by_figures(viewer, alice, query, found):
    jana, _petr = make_buyers(alice, Jana="jana@x.cz", Petr="petr@x.cz")
    long_ago = clock.now() - timedelta(days=400)
    set_figures(jana, order_count=7, last_order_at=long_ago, money_score=5, alive_chance="0.9")

    rows = viewer.get(listing(CUSTOMERS, query)).context["cl"].result_list

    assert [row.full_name for row in rows] == found


def test_a_customers_page_explains_the_segment_and_shows_two_years(viewer, alice):
    (jana,) = make_buyers(alice, Jana="jana@x.cz")
    set_figures(jana, predicted_orders="2.5", predicted_clv="300", alive_chance="0.75")

    page = viewer.get(detail(CUSTOMERS, jana))

    text, body = words(page), page.content.decode()
    assert "New bought lately for the first time How lately ●●●●● How often ●○○○○" in text
    assert "Chance to return 75 % Orders expected in a year 2.5" in text
    assert (body.count("<g><title>"), "1 orders, 121.00 CZK" in body or "1 orders, 121.00" in body) == (24, True)
    assert "http" not in body[body.index('class="bk-chart') : body.index("</svg>", body.index('class="bk-chart'))]


def test_customers_with_one_email_are_named_and_merged_and_parted_again(keeper, alice):
    shop = make_shop(alice, "shop")
    orders = [make_order(shop, f"A{n}", email="a@x.cz", customer_guid=f"g{n}") for n in range(2)]
    with all_tenants():
        ids = [order.pk for order in orders]
        customer_services.attach_orders(tenant_id=alice.pk, order_ids=ids, now=clock.now())
        kept, merged = Customer.objects.order_by("id")
    assert "a@x.cz \N{MULTIPLICATION SIGN} 2" in words(keeper.get(listing(CUSTOMERS)))

    answer = keeper.post(press(CUSTOMERS, kept, "merge_namesakes"), follow=True)

    assert told(answer)[0].startswith("Merged into Jana Nová")
    page = words(keeper.get(detail(CUSTOMERS, merged)))
    assert ("This customer is part of Jana Nová" in page, "Undo the merge" in page) == (True, True)
    assert len(keeper.get(listing(CUSTOMERS)).context["cl"].result_list) == 1
    answer = keeper.post(press(CUSTOMERS, merged, "part"), follow=True)
    assert told(answer) == ["The two are separate again."]
    with all_tenants():
        assert CustomerMerge.objects.values_list("merged_by", "undone_by").get() == ("keeper", "keeper")
        assert Customer.objects.filter(merged_into=None).count() == 2


def test_selected_customers_are_merged_into_the_oldest(keeper, alice):
    first, second = make_buyers(alice, Jana="jana@x.cz", Petr="petr@x.cz")
    data = {"action": "merge_selected", "_selected_action": [second.pk, first.pk]}

    keeper.post(listing(CUSTOMERS), data)

    with all_tenants():
        assert list(CustomerMerge.objects.values_list("kept", "merged")) == [(first.pk, second.pk)]


def test_one_customer_alone_or_of_two_tenants_is_not_merged(root, alice, bob):
    ours, theirs = make_customer(alice, "Ours"), make_customer(bob, "Theirs")

    for chosen in ([ours.pk], [ours.pk, theirs.pk]):
        answer = root.post(listing(CUSTOMERS), {"action": "merge_selected", "_selected_action": chosen}, follow=True)
        assert told(answer) == ["Choose two to 10 customers of one tenant."]
    with all_tenants():
        assert CustomerMerge.objects.count() == 0


@pytest.mark.parametrize("button", ["merge_namesakes", "part"])
def test_a_foreign_customer_is_neither_merged_nor_parted(keeper, bob, button):
    secret = make_customer(bob, "Secret")

    assert keeper.post(press(CUSTOMERS, secret, button)).status_code == 404


TOOLS = {
    "/admin/customers/customer/tools/recalculate/": "customers.recalculate_tenant",
    "/admin/customers/customer/tools/backfill/": "customers.backfill_tenant",
    "/admin/customers/customer/tools/sync/": "customers.sync_tenant",
    "/admin/inventory/variantmetrics/recalculate/": "inventory.recalculate_tenant",
}


@pytest.mark.parametrize(("address", "actor"), TOOLS.items())
def test_a_tool_sends_its_job_for_the_readers_tenants_only(keeper, root, alice, bob, address, actor):
    keeper.post(address)
    assert list(Job.objects.values_list("actor", "tenant_id")) == [(actor, alice.pk)]
    assert LogEntry.objects.count() == 1

    root.post(address)
    assert list(Job.objects.order_by("id").values_list("tenant_id", flat=True)) == [alice.pk, alice.pk, bob.pk]


@pytest.mark.parametrize("address", TOOLS)
def test_a_tool_is_a_post_of_who_may(viewer, keeper, address):
    assert [viewer.post(address).status_code, keeper.get(address).status_code] == [403, 405]
    assert Job.objects.count() == 0
    assert "Recalculate all figures" not in words(viewer.get(listing(CUSTOMERS)))


def test_an_unknown_tool_is_not_there(keeper):
    assert keeper.post("/admin/customers/customer/tools/delete/").status_code == 404


def test_stock_tells_what_is_missing_first(viewer, alice):
    make_variant(alice, "Enough", code="P1", risk="low", days_left=90, amount=90)
    make_variant(alice, "Soon", code="P2", risk="high", days_left=5, amount=5)
    make_variant(alice, "Gone", code="P3", risk="out", days_left=0)
    make_variant(alice, "Dead", code="P4", risk="none", days_left=None, is_dead_stock=True, velocity=0)

    page = viewer.get(listing(VARIANTS))

    summary = page.context["cl"].summary
    assert [row["name"] for row in summary["urgent"]] == ["Gone", "Soon"]
    assert [row["order"] for row in summary["urgent"]] == ["28", "23"]
    assert [(part["name"], part["value"]) for part in summary["parts"]] == [
        *(("Sold out", 1), ("Order today", 1), ("Enough", 1), ("Does not sell", 1)),
    ]
    text = words(page)
    assert [word in text for word in ("5 days", "90 days", "Dead stock", "10.00 CZK")] == [True] * 4


@pytest.mark.parametrize(("query", "found"), [("?risk__exact=out", ["P1"]), ("?dead=yes", ["P2"]), ("?q=Mug", ["P2"])])
def test_variants_are_filtered_by_outlook(viewer, alice, query, found):
    make_variant(alice, "Shirt", code="P1")
    make_variant(alice, "Mug", code="P2", risk="none", is_dead_stock=True)

    rows = viewer.get(listing(VARIANTS, query)).context["cl"].result_list

    assert [row.code for row in rows] == found


def test_a_variants_page_shows_a_year_of_sales(viewer, alice):
    shop = make_shop(alice, "shop")
    make_order(shop, created_at=clock.now() - timedelta(days=30))
    with all_tenants():
        variant = VariantMetrics.objects.create(
            tenant=alice, channel=shop.channel, code="P1", risk="out", recalculated_at=clock.now()
        )

    body = viewer.get(detail(VARIANTS, variant)).content.decode()

    assert body.count("<g><title>") == 52
    assert ": 1 sold</title>" in body


def test_the_home_page_counts_customers_and_what_is_sold_out(viewer, alice, bob):
    make_customer(alice)
    make_variant(alice)
    make_variant(alice, code="P2", risk="high")
    make_variant(bob)

    cards = {str(card.label): card for card in viewer.get("/admin/").context["cards"]}

    assert (cards["Customers"].value, cards["Sold out"].value, cards["Sold out"].note) == (
        *("1", 1, "1 more within 14 days"),
    )

"""Who is one person: claimed guests, merges by hand, and the way back."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.customers import selectors, services
from modules.customers.models import Customer, CustomerMerge, CustomerMetrics, CustomerOrder
from modules.kernel.tenancy import all_tenants, tenant_scope
from tests.customers.purchases import LATER, NOON, attach
from tests.orders.factories import make_channel, order_facts

pytestmark = pytest.mark.django_db


def counts():
    """Orders by the e-mail of whom they count for."""
    rows = CustomerMetrics.objects.order_by("customer__email").values_list("customer__email", "order_count")
    return dict(rows)


def make_guest_and_account(channel):
    """A guest with two orders, and a registered customer with one."""
    attach(
        channel,
        *(order_facts(code, email="guest@x.cz") for code in ("G1", "G2")),
        order_facts("R1", email="jana@x.cz", customer_guid="g"),
    )


def test_an_account_that_orders_with_a_guests_email_claims_the_guest(channel):
    make_guest_and_account(channel)

    attach(channel, order_facts("R2", email="Guest@x.cz ", customer_guid="g"))

    merge = CustomerMerge.objects.get()
    assert (merge.kept.email, merge.merged.email, merge.reason, merge.merged_by) == (
        *("jana@x.cz", "guest@x.cz", "claimed", ""),
    )
    assert counts() == {"jana@x.cz": 4}
    assert selectors.totals().customers == 1


def test_the_guests_later_orders_are_the_claimers(channel):
    make_guest_and_account(channel)
    attach(channel, order_facts("R2", email="guest@x.cz", customer_guid="g"))

    attach(channel, order_facts("G3", email="guest@x.cz"))

    assert counts() == {"jana@x.cz": 5}
    assert Customer.objects.count() == 2


def test_a_guest_order_after_the_accounts_order_is_the_accounts(channel):
    attach(channel, order_facts("R1", email="jana@x.cz", customer_guid="g"))
    attach(channel, order_facts("R2", email="work@x.cz", customer_guid="g"))

    attach(channel, order_facts("G1", email="work@x.cz"))

    assert counts() == {"jana@x.cz": 3}
    assert Customer.objects.count() == 1


def test_an_email_that_two_accounts_ordered_with_is_not_guessed_about(channel):
    for guid, email in (("g", "jana@x.cz"), ("h", "petr@x.cz")):
        attach(channel, order_facts(f"own-{guid}", email=email, customer_guid=guid))
        attach(channel, order_facts(f"both-{guid}", email="office@x.cz", customer_guid=guid))

    result = attach(channel, order_facts("G1", email="office@x.cz"))

    assert (result.ambiguous, counts()) == (1, {"jana@x.cz": 2, "petr@x.cz": 2})


def test_an_email_of_another_account_is_not_claimed(channel):
    attach(channel, order_facts("R1", email="jana@x.cz", customer_guid="g"))
    attach(channel, order_facts("R2", email="petr@x.cz", customer_guid="h"))

    attach(channel, order_facts("R3", email="petr@x.cz", customer_guid="g"), order_facts("G1", email="petr@x.cz"))

    assert CustomerMerge.objects.count() == 0
    assert counts() == {"jana@x.cz": 2, "petr@x.cz": 2}


def test_an_undone_claim_leaves_both_as_they_were_and_does_not_come_back(channel):
    make_guest_and_account(channel)
    before = counts()
    attach(channel, order_facts("R2", email="guest@x.cz", customer_guid="g"))

    services.undo_merge(tenant_id=channel.tenant_id, merge_id=CustomerMerge.objects.get().pk, by="eva", now=LATER)

    assert (before, counts()) == (
        {"guest@x.cz": 2, "jana@x.cz": 1},
        {"guest@x.cz": 2, "jana@x.cz": 2},
    )
    attach(channel, order_facts("R3", email="guest@x.cz", customer_guid="g"), order_facts("G3", email="guest@x.cz"))
    assert counts() == {"guest@x.cz": 3, "jana@x.cz": 3}
    assert CustomerMerge.objects.values_list("undone_by", "undone_at").get() == ("eva", LATER)


def make_three(channel):
    attach(channel, *(order_facts(name, email=f"{name}@x.cz") for name in ("a", "b", "c")))
    return [customer.pk for customer in Customer.objects.order_by("email")]


def merge(channel, kept_id, merged_id):
    return services.merge_customers(
        tenant_id=channel.tenant_id, kept_id=kept_id, merged_id=merged_id, by="eva", now=NOON
    ).pk


def undo(channel, merge_id):
    services.undo_merge(tenant_id=channel.tenant_id, merge_id=merge_id, by="eva", now=LATER)


def test_merges_of_merges_are_undone_in_any_order(channel):
    a, b, c = make_three(channel)
    first, second = merge(channel, b, c), merge(channel, a, b)
    assert counts() == {"a@x.cz": 3}

    undo(channel, second)
    assert counts() == {"a@x.cz": 1, "b@x.cz": 2}
    second = merge(channel, a, b)
    undo(channel, first)
    assert counts() == {"a@x.cz": 2, "c@x.cz": 1}
    undo(channel, second)
    assert counts() == {"a@x.cz": 1, "b@x.cz": 1, "c@x.cz": 1}
    assert Customer.objects.exclude(merged_into=None).count() == 0


def test_an_order_links_to_whom_it_was_before_the_merge(channel):
    a, b, _ = make_three(channel)
    before = dict(CustomerOrder.objects.values_list("order_id", "customer_id"))

    merge(channel, a, b)
    attach(channel, *(order_facts(name, email=f"{name}@x.cz") for name in ("a", "b", "c")))

    assert dict(CustomerOrder.objects.values_list("order_id", "customer_id")) == before


@pytest.mark.parametrize("wrong", ["itself", "merged before", "nobody"])
def test_a_merge_that_makes_no_sense_is_refused_and_changes_nothing(channel, wrong):
    a, b, c = make_three(channel)
    merge(channel, a, b)
    kept, merged = {"itself": (c, c), "merged before": (c, b), "nobody": (c, 10**9)}[wrong]
    before = counts()

    with pytest.raises(services.UnableToMerge):
        merge(channel, kept, merged)

    assert (counts(), CustomerMerge.objects.count()) == (before, 1)


def test_a_merge_is_undone_once(channel):
    a, b, _ = make_three(channel)
    merge_id = merge(channel, a, b)
    undo(channel, merge_id)

    with pytest.raises(services.AlreadyUndone):
        undo(channel, merge_id)


def test_a_stranger_can_neither_merge_nor_undo(channel):
    a, b, c = make_three(channel)
    merge_id = merge(channel, a, b)
    with all_tenants():
        bobs = make_channel(tenant="Bob", name="Bob's shop")

    with tenant_scope(bobs.tenant_id):
        with pytest.raises(services.UnableToMerge):
            merge(bobs, a, c)
        with pytest.raises(CustomerMerge.DoesNotExist):
            undo(bobs, merge_id)

    assert counts() == {"a@x.cz": 2, "c@x.cz": 1}


def test_a_shared_email_is_linked_once_the_two_are_merged(channel):
    attach(channel, *(order_facts(f"R{n}", email="a@x.cz", customer_guid=f"g{n}") for n in range(2)))
    attach(channel, order_facts("G1", email="a@x.cz"))
    assert list(selectors.orders_to_attach(tenant_id=channel.tenant_id)) != []
    assert selectors.shared_emails() == [("a@x.cz", 2)]

    merge(channel, *Customer.objects.order_by("id").values_list("id", flat=True))
    ids = list(selectors.orders_to_attach(tenant_id=channel.tenant_id))
    result = services.attach_orders(tenant_id=channel.tenant_id, order_ids=ids, now=NOON)

    assert (result.linked, result.ambiguous, counts()) == (1, 0, {"a@x.cz": 3})
    assert selectors.shared_emails() == []


def test_a_profile_is_enriched_from_orders_and_never_overwritten(channel):
    attach(channel, order_facts("A1", email="a@x.cz", phone="", full_name=""))
    address = {"company": "ACME", "city": "Brno", "countryCode": "CZ"}

    attach(channel, order_facts("A2", email="a@x.cz", phone="+420", full_name="Jana", billing_address=address))
    attach(channel, order_facts("A3", email="a@x.cz", phone="+421", full_name="Eva", billing_address={"city": "Aš"}))

    columns = ("full_name", "phone", "company", "city", "country_code", "language")
    assert Customer.objects.values_list(*columns).get() == ("Jana", "+420", "ACME", "Brno", "CZ", "cs")


def test_attaching_and_merging_take_as_many_queries_for_many_as_for_one(channel):
    taken = []
    for batch in (1, 3):
        orders = [order_facts(f"{batch}-{n}", email=f"{batch}-{n}@x.cz", customer_guid="g") for n in range(batch)]
        with CaptureQueriesContext(connection) as queries:
            attach(channel, *orders)
        taken.append(len(queries))

    assert taken[1] <= taken[0]

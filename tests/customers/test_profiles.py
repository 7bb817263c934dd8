"""What a shop says of its registered customers."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.customers import selectors, services
from modules.customers.domain import ProfileFacts
from modules.customers.models import Customer, CustomerAccount, CustomerMerge, CustomerMetrics
from modules.kernel.tenancy import all_tenants, tenant_scope
from modules.orders.models import SalesChannel
from tests.customers.purchases import LATER, NOON, attach
from tests.orders.factories import make_channel, order_facts

pytestmark = pytest.mark.django_db


def tell(channel, *profiles, now=NOON):
    return services.import_profiles(channel_id=channel.pk, profiles=profiles, now=now)


def jana(**facts):
    boring = {"guid": "g", "emails": ("Jana@x.cz", "work@x.cz"), "full_name": "Jana", "group_name": "VIP"}
    return ProfileFacts(**(boring | facts))


def counts():
    return dict(CustomerMetrics.objects.values_list("customer__full_name", "order_count"))


def test_a_profile_makes_a_customer_with_an_account_and_a_group(channel):
    result = tell(channel, jana())

    assert (result.customers_created, counts()) == (1, {"Jana": 0})
    assert CustomerAccount.objects.values_list("guid", "emails", "group_name").get() == (
        *("g", ["jana@x.cz", "work@x.cz"], "VIP"),
    )
    assert Customer.objects.values_list("email", "email_normalized").get() == ("Jana@x.cz", "jana@x.cz")


def test_a_profile_twice_is_once(channel):
    tell(channel, jana())
    before = list(CustomerAccount.objects.values()), list(Customer.objects.values())

    result = tell(channel, jana(), jana(), now=LATER)

    assert (result.customers_created, result.customers_touched) == (0, 0)
    assert (list(CustomerAccount.objects.values()), list(Customer.objects.values())) == before


@pytest.mark.parametrize("email", ["jana@x.cz", "work@x.cz"])
def test_orders_of_guests_are_whose_account_has_the_email(channel, email):
    tell(channel, jana())

    attach(channel, order_facts("A1", email=email))

    assert counts() == {"Jana": 1}


@pytest.mark.parametrize("email", ["jana@x.cz", "work@x.cz"])
def test_a_guest_from_before_becomes_the_registered_customer(channel, email):
    attach(channel, order_facts("A1", email=email, full_name=""))

    tell(channel, jana())

    assert counts() == {"Jana": 1}
    assert list(selectors.orders_to_repair(tenant_id=channel.tenant_id)) == []
    # By the main e-mail the guest got the account, by another one two customers became one.
    assert CustomerMerge.objects.count() == (email == "work@x.cz")


def test_an_account_known_from_orders_is_completed_and_not_overwritten(channel):
    attach(channel, order_facts("A1", customer_guid="g", email="jana@x.cz", full_name="Jana Nová"))

    tell(channel, jana(phone="+420"))

    assert Customer.objects.values_list("full_name", "phone").get() == ("Jana Nová", "+420")


def test_an_email_of_two_accounts_is_neither_guests(channel):
    tell(channel, jana(), jana(guid="h", emails=("petr@x.cz", "work@x.cz"), full_name="Petr"))

    result = attach(channel, order_facts("A1", email="work@x.cz"))

    assert (result.ambiguous, counts()) == (1, {"Jana": 0, "Petr": 0})


def test_a_profile_without_an_email_is_known_by_its_guid(channel):
    tell(channel, jana(emails=()))

    attach(channel, order_facts("A1", customer_guid="g", email="new@x.cz"))

    assert counts() == {"Jana": 1}


def test_many_profiles_take_as_many_queries_as_one(channel):
    taken = []
    for number in (1, 3, 50):
        profiles = [jana(guid=f"{number}-{n}", emails=(f"{number}-{n}@x.cz",)) for n in range(number)]
        with CaptureQueriesContext(connection) as queries:
            tell(channel, *profiles)
        taken.append(len(queries))

    assert taken[1:] == [taken[0]] * 2


def test_a_stranger_tells_nothing_of_anothers_shop(channel):
    with all_tenants():
        bobs = make_channel(tenant="Bob", name="Bob's shop")
    with tenant_scope(bobs.tenant_id), pytest.raises(SalesChannel.DoesNotExist):
        tell(channel, jana())

    assert Customer.objects.count() == 0


def delete(channel, *guids, at=LATER):
    return services.mark_accounts_deleted(channel_id=channel.pk, guids=guids, deleted_at=at)


def test_who_is_deleted_keeps_what_orders_say_and_the_email_that_they_are_known_by(channel):
    tell(channel, jana(phone="+420 1", company="Jana s.r.o.", city="Brno"))
    attach(channel, order_facts("A1", email="jana@x.cz", full_name="Jana Nová", phone=""))

    assert (delete(channel, "g"), delete(channel, "g")) == (1, 0)

    assert Customer.objects.values_list("full_name", "phone", "company", "city", "email").get() == (
        *("Jana Nová", "", "", "", "Jana@x.cz"),
    )
    account = CustomerAccount.objects.get()
    assert (account.emails, account.group_name, account.deleted_at) == (["jana@x.cz"], "", LATER)
    attach(
        channel,
        order_facts("A1", email="jana@x.cz", full_name="Jana Nová", phone=""),
        order_facts("A2", email="jana@x.cz"),
    )
    assert counts() == {"Jana Nová": 2}
    assert list(selectors.orders_to_repair(tenant_id=channel.tenant_id)) == []


def test_orders_by_the_guid_of_a_deleted_account_stay_whose_they_are(channel):
    tell(channel, jana())
    attach(channel, order_facts("A1", customer_guid="g", email="else@x.cz", full_name="J. N."))

    delete(channel, "g")

    customer = Customer.objects.get()
    assert (customer.full_name, customer.email, CustomerAccount.objects.get().emails) == ("J. N.", "", [])
    attach(channel, order_facts("A2", customer_guid="g", email="else@x.cz", full_name="J. N."))
    assert counts() == {"J. N.": 2}


def test_who_has_another_account_is_not_erased(channel):
    other = make_channel(name="Other")
    tell(channel, jana())
    tell(other, jana(guid="h"))
    assert Customer.objects.count() == 1

    delete(channel, "g")

    assert (Customer.objects.get().full_name, CustomerAccount.objects.get(deleted_at=None).guid) == ("Jana", "h")


def test_a_deleted_account_comes_back_only_by_newer_news(channel):
    tell(channel, jana())
    attach(channel, order_facts("A1", customer_guid="g", email="jana@x.cz", full_name="J."))
    delete(channel, "g", at=LATER)

    tell(channel, jana(), now=NOON)
    assert (Customer.objects.get().full_name, CustomerAccount.objects.get().deleted_at) == ("J.", LATER)
    tell(channel, jana(), now=LATER + timedelta(hours=1))
    assert (CustomerAccount.objects.get().deleted_at, CustomerAccount.objects.get().group_name) == (None, "VIP")


def test_who_took_part_in_a_merge_is_erased_but_not_gone(channel):
    tell(channel, jana(emails=("jana@x.cz",)), jana(guid="h", emails=("petr@x.cz",), full_name="Petr"))
    kept, merged = Customer.objects.order_by("id")
    services.merge_customers(tenant_id=channel.tenant_id, kept_id=kept.pk, merged_id=merged.pk, by="a", now=NOON)

    delete(channel, "g")
    assert [customer.full_name for customer in Customer.objects.order_by("id")] == ["Jana", "Petr"]
    delete(channel, "h")

    assert [(customer.full_name, customer.email) for customer in Customer.objects.order_by("id")] == [("", "")] * 2


def test_strangers_and_unknown_accounts_are_left_alone(channel):
    tell(channel, jana())
    with all_tenants():
        bob = make_channel(tenant="Bob", name="Bob's")
        stranger = bob.tenant_id
    with tenant_scope(stranger):
        assert delete(bob, "g", "x") == 0
        with pytest.raises(SalesChannel.DoesNotExist):
            delete(channel, "g")

    assert CustomerAccount.objects.get().deleted_at is None


def test_deletions_take_as_many_queries_for_one_as_for_three(channel):
    tell(channel, *(jana(guid=f"g{n}", emails=(f"{n}@x.cz",)) for n in range(4)))
    taken = []
    for guids in (["g0"], ["g1", "g2", "g3"]):
        with CaptureQueriesContext(connection) as queries:
            assert delete(channel, *guids) == len(guids)
        taken.append(len(queries))

    assert taken[0] == taken[1] < 25

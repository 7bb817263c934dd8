"""What a shop says of its registered customers."""

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

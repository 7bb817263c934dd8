"""The trickle that keeps a demonstration alive: real jobs, which run to an end."""

from collections import Counter
from random import Random

import pytest

from deploy.local import traffic
from modules.jobs.models import Job
from tests.admin.factories import make_customer, make_order, make_shop, make_tenant

pytestmark = pytest.mark.django_db(transaction=True)


def test_without_a_shop_nothing_is_sent():
    assert (traffic.send_one(Random(1)), Job.objects.count()) == ("", 0)


@pytest.mark.slow
def test_each_kind_is_sent_for_the_shops_tenant_and_ends(drain):
    shop = make_shop(make_tenant("Demo"))
    make_customer(shop.tenant, orders=(make_order(shop, "A1"),))
    chance = Random(3)

    sent = Counter(traffic.send_one(chance) for _ in range(120))

    assert set(sent) == {
        *("customers.recalculate_chunk", "customers.attach_orders", "shoptet.fetch_new_orders"),
        *("inventory.recalculate_tenant", "shoptet.prefill_target"),
    }
    Job.objects.filter(actor="shoptet.fetch_new_orders").delete()  # it would ask a shop that nobody has started
    drain()
    ends = Counter(Job.objects.filter(tags__contains=["demo"]).values_list("actor", "state"))
    assert {state for actor, state in ends if actor != "shoptet.prefill_target"} == {"succeeded"}
    assert {state for actor, state in ends if actor == "shoptet.prefill_target"} == {"failed"}

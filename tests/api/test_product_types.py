"""What tenants may send of the product's own jobs: each for itself, with nothing that costs the others."""

from datetime import timedelta

import pytest

from modules.jobs.domain import ExponentialBackoff
from modules.jobs.models import Job
from modules.jobs.registry import ActorSpec, open_specs, register
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.shoptet import clients, services
from modules.shoptet.models import SnapshotExecution
from tests.simulators.shoptet import SimulatedShop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

TYPES = {
    "customers.backfill_from_orders": "customers.backfill_tenant",
    "customers.recalculate_metrics": "customers.recalculate_tenant",
    "orders.fetch_new": "shoptet.fetch_new_orders",
    "products.import_master": "shoptet.import_master_products",
}


@pytest.fixture
def shop(alice, monkeypatch):
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", (0.01, 0.01))
    with SimulatedShop(now=clock.now()) as simulated, all_tenants():
        yield services.add_shop(
            tenant_id=alice.tenant.pk, name="Alice's", base_url=simulated.url, token=simulated.token
        )


def test_the_schedules_of_the_seed_have_types_of_the_same_names():
    names = {spec.api_name: spec.name for spec in open_specs()}

    assert {name: names.get(name) for name in TYPES} == TYPES


def test_a_tenant_reads_its_own_shop(alice, shop, drain):
    job_id = alice.send("orders.fetch_new", {"shopId": shop.pk})
    drain(queues=["snapshots-download"])

    job = Job.objects.get(id=job_id)
    run = SnapshotExecution.objects.get()
    assert (job.state, job.tenant_id, run.shop_id, run.job_id) == ("succeeded", alice.tenant.pk, shop.pk, job.id)
    assert (run.trigger, run.status) == ("manual", "completed")


def test_a_strangers_shop_is_as_one_that_is_not_there(bob, shop, drain):
    sent = [bob.send("orders.fetch_new", {"shopId": shop_id}) for shop_id in (shop.pk, shop.pk + 1)]
    drain()

    found = [bob.http.get(f"/jobs/{job_id}").json() for job_id in sent]
    assert [(job["state"], job["attemptsMade"], job["error"]["message"]) for job in found] == [
        ("failed", 1, "There is no such shop.")
    ] * 2
    assert not SnapshotExecution.objects.exists()


@pytest.mark.parametrize("type_", ["customers.recalculate_metrics", "customers.backfill_from_orders"])
def test_a_tenants_customers_are_done_for_that_tenant_alone(alice, bob, drain, type_):
    job_id = alice.send(type_, {})
    drain()

    job = Job.objects.get(id=job_id)
    assert (job.actor, job.state, job.arguments) == (TYPES[type_], "succeeded", {"tenant_id": alice.tenant.pk})
    assert {*Job.objects.values_list("tenant_id", flat=True)} == {alice.tenant.pk}


@pytest.mark.parametrize(
    ("type_", "data", "told"),
    [
        ("orders.fetch_new", {"shopId": 1, "trigger": "schedule"}, "Not known; there are: shopId."),
        ("orders.fetch_new", {"shopId": 1, "fallbackLookbackHours": 9}, "Not known; there are: shopId."),
        ("orders.fetch_new", {"shopId": "1"}, "Input should be a valid integer."),
        ("customers.recalculate_metrics", {"chunk": 10**9}, "Not known; there are: none."),
        ("customers.backfill_from_orders", {"tenantId": 1}, "Not known; there are: none."),
    ],
)
def test_what_is_not_for_a_tenant_to_choose_is_refused(alice, type_, data, told):
    answer = alice.http.post("/jobs", json={"type": type_, "data": data})

    assert (answer.status_code, [error["message"] for error in answer.json()["errors"]]) == (422, [told])
    assert not Job.objects.exists()


@pytest.mark.parametrize("type_", ["shoptet.fetch_new_all_orders", "customers.attach_orders", "jobs.prune_jobs"])
def test_what_is_the_platforms_own_cannot_be_sent_and_the_refusal_says_what_can(alice, type_):
    answer = alice.http.post("/jobs", json={"type": type_, "data": {}})

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (422, "type")
    assert [name for name in TYPES if name not in error["message"]] == []
    assert not Job.objects.exists()


def nothing(*, tenant_id: int, shop_id: int, chunk: int = 1) -> None:
    raise AssertionError


@pytest.mark.parametrize("arguments", [(), ("chunk",), ("shop_id", "size")])
def test_an_actor_cannot_open_less_than_it_needs_or_more_than_it_has(arguments):
    spec = ActorSpec(
        name="tests.nothing",
        queue="default",
        fn=nothing,
        max_attempts=1,
        backoff=ExponentialBackoff(),
        time_limit=timedelta(minutes=1),
        api_name="nothing",
        api_arguments=arguments,
    )

    with pytest.raises(TypeError, match="api_arguments"):
        register(spec)
    assert "nothing" not in {found.api_name for found in open_specs()}

"""Snapshots and the pipeline log through the API."""

import uuid

import pytest

from modules.jobs.models import Job
from modules.kernel.tenancy import all_tenants
from modules.shoptet import services
from modules.shoptet.models import Shop, SnapshotExecution
from tests.api.within import within


@pytest.fixture
def place(db):
    with within() as found:
        yield found


@pytest.fixture
def shop(alice):
    with all_tenants():
        return services.add_shop(
            tenant_id=alice.tenant.pk, name="Alice's", base_url="http://127.0.0.1:9", token="1-p-2-a"
        )


@pytest.mark.parametrize("what", ["orders", "products", "customers"])
def test_a_snapshot_is_taken_once_and_its_entry_can_be_looked_at(alice, shop, what):
    first, second = (alice.http.post(f"/shoptet/shops/{shop.public_id}/snapshots/{what}") for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 202)
    entry = first.json()
    assert (entry["kind"], entry["status"], entry["trigger"]) == (f"{what}-snapshot", "queued", "manual")
    assert entry == second.json() == alice.http.get(first.headers["Location"].removeprefix("/api/v1")).json()
    assert Job.objects.get().id == uuid.UUID(entry["jobId"])
    assert Job.objects.get().tenant_id == alice.tenant.pk


def test_shops_are_listed_for_their_tenant_alone(alice, bob, shop):
    assert alice.http.get("/shoptet/shops").json() == [
        {"id": str(shop.public_id), "name": "Alice's", "isActive": True, "lastError": ""}
    ]
    assert bob.http.get("/shoptet/shops").json() == []


@pytest.mark.parametrize("address", ["snapshots/orders", "snapshots/customers", "executions", "executions/{entry}"])
def test_a_strangers_shop_is_not_there(alice, bob, shop, address):
    with all_tenants():
        entry, _ = services.request_snapshot(shop=shop, what="orders")
    method = "POST" if address.startswith("snap") else "GET"

    answer = bob.http.request(method, f"/shoptet/shops/{shop.public_id}/{address.format(entry=entry.pk)}")

    assert answer.status_code == 404
    assert Job.objects.count() == 1


def test_unknown_things_are_refused(alice, shop):
    at = f"/shoptet/shops/{shop.public_id}"

    assert alice.http.post(f"/shoptet/shops/{uuid.uuid4()}/snapshots/orders").status_code == 404
    assert alice.http.post(f"{at}/snapshots/invoices").status_code == 422
    assert alice.http.get(f"{at}/executions/999").status_code == 404
    assert Job.objects.count() == 0


def test_a_shop_that_is_switched_off_takes_none(alice, shop):
    with all_tenants():
        Shop.objects.update(is_active=False)

    assert alice.http.post(f"/shoptet/shops/{shop.public_id}/snapshots/orders").status_code == 409


def test_reading_does_not_allow_to_take(make_caller, shop):
    reader = make_caller("Alice", scopes=["shoptet:read"])

    assert reader.http.post(f"/shoptet/shops/{shop.public_id}/snapshots/orders").status_code == 403
    assert reader.http.get(f"/shoptet/shops/{shop.public_id}/executions").json() == {
        "executions": [],
        "nextCursor": None,
    }


def test_the_log_comes_in_pages_newest_first(alice, shop):
    with all_tenants():
        ids = [SnapshotExecution.objects.create(**entry(shop)).pk for _ in range(3)]
    at = f"/shoptet/shops/{shop.public_id}/executions"

    first = alice.http.get(at, params={"limit": 2}).json()
    second = alice.http.get(at, params={"limit": 2, "cursor": first["nextCursor"]}).json()

    assert [row["id"] for row in first["executions"] + second["executions"]] == ids[::-1]
    assert second["nextCursor"] is None


def entry(shop):
    at = shop.created_at
    return {
        "tenant_id": shop.tenant_id, "shop": shop, "kind": "orders-snapshot", "trigger": "manual",
        "status": "completed", "started_at": at, "finished_at": at,
    }  # fmt: skip

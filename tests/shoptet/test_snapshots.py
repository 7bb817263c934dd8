"""Snapshots of orders: from asking to stored, whatever goes wrong on the way."""

import itertools
import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.storage import default_storage
from django.db import connection

from modules.accounts.models import Tenant
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.orders.models import Order, OrderItem
from modules.shoptet import clients, services
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution
from modules.shoptet.services import _imports
from tests.simulators.shoptet import FaultKind

pytestmark = pytest.mark.django_db(transaction=True)
RESULTS = "/api-results/*"


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch, settings, tmp_path):
    monkeypatch.setattr(clients, "PAUSES_SECONDS", (0.01, 0.01))
    settings.MEDIA_ROOT = tmp_path
    settings.SHOPTET = {**settings.SHOPTET, "PUBLIC_URL": "http://127.0.0.1:9"}
    with all_tenants():
        yield


@pytest.fixture
def shop(simulated):
    tenant = Tenant.objects.create(name="Alice")
    return services.add_shop(tenant_id=tenant.pk, name="Alice's", base_url=simulated.url, token=simulated.token)


def take(shop, drain):
    """Take a snapshot without a webhook: the watchdog looks when its time has come."""
    entry, _is_new = services.request_snapshot(shop=shop, what="orders")
    drain()
    look(drain)
    entry.refresh_from_db()
    return entry


def look(drain):
    services.watch_snapshots(now=clock.now() + timedelta(hours=1))
    drain()


def stored():
    """Return what was stored of each order but for when it was fetched."""
    left_out = {"id", "fetched_at"}
    orders = {row["code"]: row for row in Order.objects.values()}
    lines = {row["id"]: [] for row in orders.values()}
    for line in OrderItem.objects.order_by("line_number").values():
        lines[line.pop("order_id")].append({name: value for name, value in line.items() if name != "id"})
    return {
        code: {name: value for name, value in row.items() if name not in left_out} | {"lines": lines[row["id"]]}
        for code, row in orders.items()
    }


def fill(simulated, count):
    for _ in range(count):
        simulated.create_order()
    simulated.advance(60)


def counts(entry):
    return (entry.created, entry.updated, entry.unchanged, entry.parked)


def test_a_snapshot_brings_every_order_in_and_leaves_a_whole_entry(drain, simulated, shop):
    fill(simulated, 5)

    entry = take(shop, drain)

    assert {code: row["raw"] for code, row in stored().items()} == expected(simulated)
    assert (entry.status, entry.error, counts(entry)) == ("completed", "", (5, 0, 0, 0))
    assert (entry.lines_total, entry.lines_done, entry.polls, entry.requests) == (5, 5, 1, 1)
    assert (len(entry.sha256), entry.file_bytes > 0, entry.file_name) == (64, True, "")
    assert default_storage.listdir("snapshots")[1] == []
    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}


def expected(simulated):
    """The shop's own JSON, as its file has it."""
    return json.loads(json.dumps(simulated.shop.bodies()))


def test_the_token_is_not_sent_to_the_host_of_the_file(drain, simulated, shop):
    fill(simulated, 1)

    take(shop, drain)

    assert [(request.token, request.status) for request in simulated.result_requests()] == [("", 200)]
    assert {request.token for request in simulated.requests()} == {simulated.token}

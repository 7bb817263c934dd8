"""Snapshots of orders: from asking to stored, whatever goes wrong on the way."""

import itertools
import json
import random
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

from modules.accounts.models import Membership, Tenant, User
from modules.catalog.models import Category, Product
from modules.jobs import services as job_services
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants, tenant_scope
from modules.notifications.models import LiveEvent
from modules.orders.models import Order, OrderItem
from modules.shoptet import clients, domain, services
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution
from modules.shoptet.services import _imports
from modules.shoptet.services._snapshots import send_step
from tests.simulators.shoptet import FaultKind

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
RESULTS = "/api-results/*"


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch, settings, tmp_path):
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", (0.01, 0.01))
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
    assert list(Path(default_storage.location).rglob("*.jsonl")) == []
    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}


def test_members_who_are_there_are_told_that_it_is_done(drain, simulated, shop):
    member = User.objects.create_user("jana")
    Membership.objects.create(user=member, tenant_id=shop.tenant_id)
    fill(simulated, 2)

    entry = take(shop, drain)

    told = LiveEvent.objects.get(type="import", payload__kind="orders-snapshot")
    assert told.user_id == member.pk
    assert told.payload == {
        "executionId": entry.pk,
        "shopId": shop.pk,
        "kind": "orders-snapshot",
        "created": 2,
        "updated": 0,
        "deleted": 0,
    }


def expected(simulated):
    """The shop's own JSON, as its file has it."""
    return json.loads(json.dumps(simulated.shop.bodies()))


def test_the_token_is_not_sent_to_the_host_of_the_file(drain, simulated, shop):
    fill(simulated, 1)

    take(shop, drain)

    assert [(request.token, request.status) for request in simulated.result_requests()] == [("", 200)]
    assert {request.token for request in simulated.requests()} == {simulated.token}


def test_twice_is_once_and_writes_no_row(drain, simulated, shop):
    fill(simulated, 5)
    take(shop, drain)
    before, fetched = stored(), versions()

    entry = take(shop, drain)

    assert (stored(), versions()) == (before, fetched)
    assert counts(entry) == (0, 0, 5, 0)


def versions():
    """Return the place of each row's present version: a row that is written, even with what it held, gets another."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT code, ctid::text FROM orders_order UNION ALL SELECT id::text, ctid::text FROM orders_orderitem"
        )
        return dict(cursor.fetchall())


@pytest.mark.parametrize("form", ["plain", "members"])
def test_however_it_is_packed_it_says_the_same(drain, simulated, shop, form):
    fill(simulated, 5)
    take(shop, drain)
    as_gzip = stored()
    Order.objects.all().delete()
    simulated.api.snapshots.format = form

    take(shop, drain)

    assert stored() == as_gzip


def test_in_any_order_and_in_chunks_it_says_the_same(drain, simulated, shop, monkeypatch):
    fill(simulated, 7)
    take(shop, drain)
    in_one = stored()
    Order.objects.all().delete()
    monkeypatch.setattr(_imports, "RECORDS_PER_CHUNK", 2)
    listed = simulated.shop.orders()
    random.Random(7).shuffle(listed)

    entry = take(shop, drain)

    assert stored() == in_one
    assert (entry.status, entry.lines_done, entry.created) == ("completed", 7, 7)


def test_incremental_runs_and_a_snapshot_come_to_the_same(drain, simulated, shop):
    codes = [simulated.create_order({"email": f"{number}@x.cz"}) for number in range(4)]
    services.fetch_new_orders(shop_id=shop.pk, holder="t", report=lambda *_: None)
    simulated.advance(60)
    simulated.edit_order(codes[0], {"items": simulated.shop.body(codes[0])["items"][:1]})
    simulated.cancel_order(codes[1])
    simulated.create_order()
    simulated.advance(60)
    services.fetch_new_orders(shop_id=shop.pk, holder="t", report=lambda *_: None)
    by_runs = stored()
    Order.objects.all().delete()

    take(shop, drain)

    assert comparable(stored()) == comparable(by_runs)


def comparable(orders):
    """A detail leaves out the sections that nobody asked for."""
    return {code: {name: value for name, value in row.items() if name != "raw"} for code, row in orders.items()}


def test_a_snapshot_never_overwrites_what_was_read_later(drain, simulated, shop):
    code = simulated.create_order({"email": "first@x.cz"})
    entry, _ = services.request_snapshot(shop=shop, what="orders")
    drain()
    simulated.advance(60)
    simulated.edit_order(code, {"email": "second@x.cz"})
    simulated.advance(60)
    services.fetch_new_orders(shop_id=shop.pk, holder="t", report=lambda *_: None)

    look(drain)

    entry.refresh_from_db()
    assert (entry.status, counts(entry)) == ("completed", (0, 0, 1, 0))
    assert Order.objects.get().email == "second@x.cz"


def test_an_order_deleted_after_the_file_was_made_does_not_come_back(drain, simulated, shop):
    gone, kept = simulated.create_order(), simulated.create_order()
    services.request_snapshot(shop=shop, what="orders")
    drain()
    simulated.advance(120)
    simulated.delete_order(gone)
    simulated.advance(120)
    services.fetch_new_orders(shop_id=shop.pk, holder="t", report=lambda *_: None)

    look(drain)

    assert dict(Order.objects.values_list("code", "deleted_at")).keys() == {gone, kept}
    assert Order.objects.get(deleted_at=None).code == kept


def test_a_file_cut_in_the_middle_is_not_imported_at_all_and_fetched_again(drain, simulated, shop):
    fill(simulated, 40)
    fault = simulated.inject(FaultKind.TRUNCATED_JSON, path=RESULTS)

    entry = take(shop, drain)

    assert (fault.struck, entry.status, Order.objects.count()) == (1, "downloading", 0)
    assert entry.error == "The snapshot's file is cut off or damaged."
    assert list(Path(default_storage.location).rglob("*.jsonl")) == []
    run_retries(drain)
    entry.refresh_from_db()
    assert (entry.status, Order.objects.count()) == ("completed", 40)


def run_retries(drain):
    """Let the jobs that wait for their next try run now."""
    Job.objects.filter(state="retrying").update(run_at=clock.now())
    job_services.dispatch()
    drain()


@pytest.mark.parametrize("form", ["plain", "members"])
def test_other_forms_are_found_out_when_they_are_cut(drain, simulated, shop, form):
    fill(simulated, 3)
    simulated.api.snapshots.format = form
    simulated.inject(FaultKind.TRUNCATED_JSON, path=RESULTS)

    entry = take(shop, drain)

    assert (entry.status, Order.objects.count()) == ("downloading", 0)


@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.CUT_BODY, FaultKind.SERVER_ERROR, FaultKind.BAD_GATEWAY])
def test_a_host_in_trouble_is_asked_again_later(drain, simulated, shop, kind):
    fill(simulated, 2)
    simulated.inject(kind, path=RESULTS)

    entry = take(shop, drain)

    assert (entry.status, Order.objects.count(), entry.error != "") == ("downloading", 0, True)
    run_retries(drain)
    entry.refresh_from_db()
    assert (entry.status, entry.error, Order.objects.count()) == ("completed", "", 2)


def test_a_host_that_never_mends_ends_in_the_dead_letters_and_a_replay_goes_on_from_there(drain, simulated, shop):
    fill(simulated, 2)
    simulated.inject(FaultKind.SERVER_ERROR, path=RESULTS, times=None)
    entry = take(shop, drain)
    for _ in range(6):
        run_retries(drain)
    entry.refresh_from_db()
    job = Job.objects.get(actor="shoptet.download_snapshot")
    assert (entry.status, entry.failed_in, job.state) == ("error", "downloading", "failed")
    assert Shop.objects.get().last_error == entry.error == "The shop answered something unexpected (HTTP 500)."
    simulated.clear_faults()

    job_services.replay([job.id])
    drain()

    entry.refresh_from_db()
    assert (entry.status, Order.objects.count(), Shop.objects.get().last_error) == ("completed", 2, "")


def test_a_failed_snapshot_does_not_come_back_beside_a_newer_one(drain, simulated, shop):
    simulated.inject(FaultKind.JOB_FAILS, path="/api/orders/snapshot", times=2)  # the first call lacks a webhook
    entry = take(shop, drain)
    assert (entry.status, entry.error) == ("error", "The shop could not make the snapshot. Out of memory.")
    newer, is_new = services.request_snapshot(shop=shop, what="orders")

    with pytest.raises(services.SnapshotClosed):
        services.check_snapshot(execution_id=entry.pk)

    assert (is_new, SnapshotExecution.objects.get(finished_at=None)) == (True, newer)


def test_an_expired_link_makes_us_ask_for_a_new_file(drain, simulated, shop):
    fill(simulated, 2)
    simulated.inject(FaultKind.NOT_FOUND, path=RESULTS)

    entry = take(shop, drain)
    assert (entry.status, entry.requests) == ("requested", 2)
    look(drain)

    entry.refresh_from_db()
    assert (entry.status, entry.requests, Order.objects.count()) == ("completed", 2, 2)


def test_a_job_that_expired_before_anybody_looked_is_asked_for_again(drain, simulated, shop):
    fill(simulated, 2)
    services.request_snapshot(shop=shop, what="orders")
    drain()
    simulated.advance(25 * 3600)

    look(drain)
    look(drain)

    assert (SnapshotExecution.objects.get().status, Order.objects.count()) == ("completed", 2)


@pytest.mark.parametrize("kind", [FaultKind.NO_LINK])
def test_a_shop_that_never_gives_a_link_is_asked_three_times(drain, simulated, shop, kind):
    simulated.inject(kind, path="/api/orders/snapshot", times=None)
    entry = take(shop, drain)

    for _ in range(3):
        look(drain)

    entry.refresh_from_db()
    assert (entry.status, entry.requests) == ("error", 3)
    assert entry.error == "The shop's snapshot was gone three times before it could be fetched."
    assert [request.path for request in simulated.requests()].count("/api/orders/snapshot") == 4  # one without webhook


def test_an_unfinished_job_is_looked_at_ten_times_in_all(drain, simulated, shop):
    simulated.inject(FaultKind.JOB_HANGS, path="/api/orders/snapshot", times=2)
    entry = take(shop, drain)

    for _ in range(15):
        SnapshotExecution.objects.filter(finished_at=None).update(next_poll_at=clock.now())
        look(drain)

    entry.refresh_from_db()
    looks = [request for request in simulated.requests() if request.path.startswith("/api/system/jobs/")]
    assert (entry.status, entry.polls, len(looks)) == ("error", 10, 10)
    assert {request.status for request in looks} == {200}


def test_looks_are_spread_over_the_three_hours_that_a_job_may_take():
    waits = [domain.wait_before_poll(polls) for polls in range(11)]

    assert sum(waits[:10], timedelta()) > timedelta(hours=3)
    assert (waits[0], waits[10]) == (timedelta(minutes=1), None)


def test_what_cannot_be_read_is_set_aside_and_the_rest_comes_in(drain, simulated, shop):
    codes = [simulated.create_order() for _ in range(5)]
    simulated.advance(60)
    bad = {"code": codes[3], "items": 3}
    faults = simulated.api.snapshots.line_faults
    faults |= {1: json.dumps(bad), 2: '{"code": null}', 3: "[1, 2]", 4: '{"code": "A\\u0000B"}'}

    entry = take(shop, drain)

    assert (entry.status, counts(entry)) == ("completed", (2, 0, 0, 3))
    assert set(Order.objects.values_list("code", flat=True)) == {codes[4], "AB"}
    parked = {record.code: record for record in ParkedRecord.objects.all()}
    assert json.loads(parked[codes[3]].raw) == bad
    assert parked[codes[3]].reason == "items: expected a list, got int"
    assert sorted(record.raw for code, record in parked.items() if code.startswith("?")) == ["[1, 2]", '{"code": null}']

    faults.clear()
    take(shop, drain)
    assert (Order.objects.count(), ParkedRecord.objects.filter(resolved_at=None).count()) == (6, 0)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (
            '{"code": "1", "billingAddress": {"fullName": "Jan\u2028Nov\u0085\u00e1k \U0001f600"}}',
            "Jan\u2028Nov\u0085\u00e1k \U0001f600",
        ),
        ('{"code": "1", "billingAddress": {"fullName": "half \\ud83d"}}', "half ?"),
        ('{"code": "1", "x": 1e999, "billingAddress": {"fullName": "x"}}', "x"),
    ],
)
def test_odd_texts_and_numbers_are_no_reason_to_stop(drain, simulated, shop, line, name):
    simulated.create_order()
    simulated.api.snapshots.line_faults[0] = line
    simulated.advance(60)

    entry = take(shop, drain)

    assert (entry.status, Order.objects.get().full_name) == ("completed", name)


def test_a_file_over_the_limit_is_not_kept(drain, simulated, shop, settings):
    fill(simulated, 40)
    settings.SHOPTET = {**settings.SHOPTET, "MAX_SNAPSHOT_BYTES": 1_000}

    entry = take(shop, drain)

    assert (entry.status, entry.error) == ("error", "The snapshot is over 1000 bytes.")
    assert list(settings.MEDIA_ROOT.rglob("*.jsonl")) == []


def test_without_a_public_address_it_says_what_to_set(drain, simulated, shop, settings):
    settings.SHOPTET = {**settings.SHOPTET, "PUBLIC_URL": ""}

    entry = take(shop, drain)

    assert entry.status == "error"
    assert entry.error.startswith("Set PUBLIC_URL")


def test_a_watchdog_that_looks_too_late_does_not_strand_what_went_on(drain, simulated, shop):
    fill(simulated, 2)
    services.request_snapshot(shop=shop, what="orders")
    drain()
    seen = SnapshotExecution.objects.get()
    services.check_snapshot(execution_id=seen.pk)  # told by the webhook, between the watchdog's look and its job

    late = send_step("check_snapshot", seen)
    job_services.cancel([late])
    services.watch_snapshots(now=clock.now())

    assert SnapshotExecution.objects.get().status == "downloading"
    drain()
    assert (SnapshotExecution.objects.get().status, Order.objects.count()) == ("completed", 2)


def test_one_snapshot_at_a_time(shop):
    first, second = (services.request_snapshot(shop=shop, what="orders") for _ in range(2))

    assert (first[0], first[1], second[1]) == (second[0], True, False)
    assert Job.objects.count() == 1


def test_a_cancelled_job_does_not_block_the_shop_for_ever(drain, shop):
    entry, _ = services.request_snapshot(shop=shop, what="orders")
    job_services.cancel([Job.objects.get().id])

    services.watch_snapshots(now=clock.now())

    entry.refresh_from_db()
    assert (entry.status, entry.error) == ("error", "The job of this snapshot was ended.")
    assert services.request_snapshot(shop=shop, what="orders")[1]


class Killed(BaseException):
    """Nothing in the product catches it: the process is gone."""


@pytest.mark.parametrize("chunk", range(4))
def test_killed_between_chunks_it_goes_on_and_counts_nothing_twice(drain, simulated, shop, monkeypatch, chunk):
    fill(simulated, 7)
    monkeypatch.setattr(_imports, "RECORDS_PER_CHUNK", 2)
    entry = ready_to_process(simulated, shop)
    calls = itertools.count()

    def report(done, total, text):
        if next(calls) == chunk:
            raise Killed

    with pytest.raises(Killed):
        services.process_snapshot(execution_id=entry.pk, report=report)
    assert Order.objects.count() == min(7, 2 * (chunk + 1))

    services.process_snapshot(execution_id=entry.pk, report=lambda *_: None)

    entry.refresh_from_db()
    assert (entry.status, entry.lines_done, entry.fetched, counts(entry)) == ("completed", 7, 7, (7, 0, 0, 0))
    assert Order.objects.count() == 7


def ready_to_process(simulated, shop):
    """Take the steps up to the stored file by hand."""
    entry, _ = services.request_snapshot(shop=shop, what="orders")
    services.ask_for_snapshot(execution_id=entry.pk)
    services.check_snapshot(execution_id=entry.pk)
    services.download_snapshot(execution_id=entry.pk)
    return entry


def test_killed_inside_a_chunk_nothing_of_it_stays(simulated, shop, monkeypatch):
    fill(simulated, 3)
    entry = ready_to_process(simulated, shop)

    def killed(*_args, **_options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(_imports.executions, "note_progress", killed)
        with pytest.raises(Killed):
            services.process_snapshot(execution_id=entry.pk, report=lambda *_: None)
    entry.refresh_from_db()
    assert (entry.lines_done, Order.objects.count()) == (0, 0)

    services.process_snapshot(execution_id=entry.pk, report=lambda *_: None)

    assert Order.objects.count() == 3


def test_killed_while_it_downloads_the_next_try_takes_the_remains_away(simulated, shop, monkeypatch, settings):
    fill(simulated, 3)
    entry, _ = services.request_snapshot(shop=shop, what="orders")
    services.ask_for_snapshot(execution_id=entry.pk)
    services.check_snapshot(execution_id=entry.pk)
    default_storage.save("snapshots/left.jsonl", ContentFile(b"half"))
    SnapshotExecution.objects.update(file_name="snapshots/left.jsonl")

    services.download_snapshot(execution_id=entry.pk)

    entry.refresh_from_db()
    assert entry.status == "processing"
    assert [path.name for path in settings.MEDIA_ROOT.rglob("*.jsonl")] == [entry.file_name.rsplit("/", 1)[1]]


def test_two_at_once_take_each_chunk_once(simulated, shop, monkeypatch):
    fill(simulated, 6)
    monkeypatch.setattr(_imports, "RECORDS_PER_CHUNK", 2)
    entry = ready_to_process(simulated, shop)

    def other(done, total, text):
        if done == 2:
            services.process_snapshot(execution_id=entry.pk, report=lambda *_: None)

    with pytest.raises(services.AlreadyRunning):
        services.process_snapshot(execution_id=entry.pk, report=other)

    entry.refresh_from_db()
    assert (entry.status, counts(entry), Order.objects.count()) == ("completed", (6, 0, 0, 0), 6)


def test_steps_that_are_past_do_nothing_when_they_come_again(drain, simulated, shop):
    fill(simulated, 2)
    entry = take(shop, drain)
    asked, before = len(simulated.requests()), stored()

    for step in (services.ask_for_snapshot, services.check_snapshot, services.download_snapshot):
        step(execution_id=entry.pk)
    services.process_snapshot(execution_id=entry.pk, report=lambda *_: None)

    assert (len(simulated.requests()), stored()) == (asked, before)


def test_a_busy_shop_makes_the_step_wait_without_burning_an_attempt(drain, simulated, shop):
    simulated.inject(FaultKind.TOO_MANY_REQUESTS, retry_after="seconds", seconds=60)

    services.request_snapshot(shop=shop, what="orders")
    drain()

    job = Job.objects.get()
    assert (job.state, job.attempt) == ("scheduled", 0)
    assert SnapshotExecution.objects.get().status == "queued"


def test_files_of_failed_snapshots_go_after_a_week(shop):
    default_storage.save("snapshots/old.jsonl", ContentFile(b"{}"))
    services.request_snapshot(shop=shop, what="orders")
    ended = clock.now() - timedelta(days=8)
    SnapshotExecution.objects.update(status="error", finished_at=ended, file_name="snapshots/old.jsonl")

    services.watch_snapshots(now=clock.now())

    assert not default_storage.exists("snapshots/old.jsonl")


def test_another_tenant_sees_no_snapshot(simulated, shop):
    fill(simulated, 1)
    entry = ready_to_process(simulated, shop)
    bob = Tenant.objects.create(name="Bob")

    with tenant_scope(bob.pk), pytest.raises(SnapshotExecution.DoesNotExist):
        services.process_snapshot(execution_id=entry.pk, report=lambda *_: None)

    assert Order.objects.count() == 0


def test_a_result_link_without_https_is_followed_on_this_machine_alone():
    with pytest.raises(clients.TemporaryShoptetError, match="resultUrl"):
        list(clients.stream_result("http://example.com/x", may_be_plain=False, max_bytes=1))
    with pytest.raises(clients.TemporaryShoptetError, match="resultUrl"):
        list(clients.stream_result("file:///etc/passwd", may_be_plain=True, max_bytes=1))


def take_products(shop, drain):
    entry, _is_new = services.request_snapshot(shop=shop, what="products")
    drain()
    look(drain)
    entry.refresh_from_db()
    return entry


def test_a_snapshot_of_products_brings_them_in_once(drain, simulated, shop):
    category = simulated.products.put_category("Lampy")
    for _ in range(3):
        simulated.products.create({"categories": [{"guid": category, "name": "Lampy", "parentGuid": None}]})
    simulated.advance(60)

    first, second = take_products(shop, drain), take_products(shop, drain)

    assert (first.status, first.kind, counts(first)) == ("completed", "products-snapshot", (3, 0, 0, 0))
    assert (second.status, counts(second)) == ("completed", (0, 0, 3, 0))
    products = Product.objects.prefetch_related("variants")
    assert {product.guid for product in products} == set(simulated.products.bodies())
    assert [product.category_guids for product in products] == [[category]] * 3
    assert [len(product.variants.all()) for product in products] == [1] * 3
    assert Category.objects.values_list("name", flat=True).get() == "Lampy"
    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}


def test_a_product_that_was_deleted_since_its_file_was_made_does_not_stay(drain, simulated, shop):
    gone, kept = simulated.products.create(), simulated.products.create()
    simulated.advance(60)
    services.request_snapshot(shop=shop, what="products")
    drain()
    simulated.products.delete(gone)

    look(drain)

    assert set(Product.objects.filter(deleted_at=None).values_list("guid", flat=True)) == {kept}


def test_a_line_that_is_no_product_is_set_aside_by_its_guid(drain, simulated, shop):
    simulated.products.create()
    simulated.api.snapshots.line_faults[0] = '{"guid": "G-1", "variants": [{"code": ""}]}'

    entry = take_products(shop, drain)

    assert (entry.status, counts(entry)) == ("completed", (0, 0, 0, 1))
    assert ParkedRecord.objects.values_list("kind", "code", "reason").get() == (
        "product",
        "G-1",
        "variants[0].code: is empty",
    )

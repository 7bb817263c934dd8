"""One shop read over real HTTP: whatever the far side does, the copy becomes the shop."""

import logging
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qs

import pytest

from modules.accounts.models import Tenant
from modules.kernel.tenancy import tenant_scope
from modules.orders.models import Order, OrderItem, OrderStatus
from modules.shoptet import clients, services
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution, SyncCursor
from modules.shoptet.services import _order_run as order_run
from tests.shoptet.conftest import YESTERDAY
from tests.simulators.shoptet import FaultKind, Options, SimulatedShop, TokenState
from tests.simulators.shoptet.bodies import without_sections

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(clients.limits, "READ_TIMEOUT_SECONDS", 2.0)


def assert_copied(simulated):
    """Every live order says, in its columns and lines, what the shop says; the shop has no other."""
    bodies = {code: without_sections(body, keep=frozenset()) for code, body in simulated.shop.bodies().items()}
    stored = {order.code: order for order in Order.objects.filter(deleted_at=None)}
    assert {code: order.raw for code, order in stored.items()} == bodies
    for code, body in bodies.items():
        order = stored[code]
        assert (order.email, order.status_id) == (body["email"] or "", (body["status"] or {}).get("id"))
        assert order.total_with_vat == Decimal(body["price"]["withVat"])
        assert order.changed_at == datetime.fromisoformat(body["changeTime"])
        lines = OrderItem.objects.filter(order=order).order_by("line_number")
        assert [(line.name, line.total_with_vat, line.amount) for line in lines] == [
            (item["name"], Decimal(item["itemPrice"]["withVat"]), Decimal(item["amount"])) for item in body["items"]
        ]


def open_parked():
    return list(ParkedRecord.objects.filter(resolved_at=None).values_list("code", "attempts").order_by("code"))


def detail_requests(simulated, *, after=0):
    return [
        r.path
        for r in simulated.requests(after=after)
        if r.path not in {"/api/eshop", "/api/orders", "/api/orders/changes"}
    ]


def list_pages(simulated, *, after):
    asked = [r for r in simulated.requests(after=after) if r.path == "/api/orders"]
    return [int(parse_qs(r.query)["page"][0]) for r in asked]


def position():
    return SyncCursor.objects.get().position_at


def test_a_first_sync_copies_the_whole_shop_and_says_so(simulated, sync):
    for _ in range(120):
        simulated.create_order()
    seen = []

    entry = sync(report=lambda *step: seen.append(step))

    assert_copied(simulated)
    counts = (entry.listed, entry.fetched, entry.created, entry.updated, entry.unchanged, entry.deleted, entry.parked)
    assert counts == (120, 120, 120, 0, 0, 0, 0)
    assert (entry.status, entry.error, entry.window_from, entry.window_to) == ("completed", "", None, YESTERDAY)
    assert [step[:2] for step in seen] == [(0, 120), (50, 120), (120, 120)]
    assert position() == YESTERDAY


def test_a_first_sync_learns_the_shops_currency_zone_and_statuses(simulated, shop, sync):
    sync()

    shop = Shop.objects.select_related("channel").get()
    assert (shop.channel.currency, shop.timezone) == ("CZK", "Europe/Prague")
    assert dict(OrderStatus.objects.values_list("status_id", "name")) == simulated.shop.status_names


def test_a_first_sync_with_a_lookback_leaves_older_orders_alone(simulated, sync):
    old, new = simulated.create_order(), simulated.create_order()
    simulated.edit_order(old, {}, changed_at=YESTERDAY - 25 * HOUR)

    sync(fallback_lookback_hours=24)

    assert list(Order.objects.values_list("code", flat=True)) == [new]


def test_a_sync_of_an_empty_shop_ends_well(sync):
    assert (sync().status, Order.objects.count()) == ("completed", 0)


def test_a_second_sync_with_nothing_new_takes_two_requests_and_writes_no_order(simulated, sync):
    simulated.create_order()
    simulated.advance(60)
    sync()
    calls = len(simulated.requests())
    written = list(Order.objects.values())

    entry = sync()

    assert [r.path for r in simulated.requests(after=calls)] == ["/api/orders/changes", "/api/orders"]
    assert (entry.status, entry.fetched) == ("completed", 0)
    assert list(Order.objects.values()) == written


def test_a_sync_brings_edits_cancellations_deletions_and_new_orders(simulated, sync):
    edited, cancelled, deleted, _kept = (simulated.create_order() for _ in range(4))
    simulated.advance(60)
    sync()
    simulated.advance(60)
    simulated.edit_order(edited, {"billingAddress": {"fullName": "Petra Jiná"}, "items": []})
    simulated.cancel_order(cancelled)
    simulated.delete_order(deleted)
    simulated.create_order()

    entry = sync()

    assert_copied(simulated)
    assert (entry.created, entry.updated, entry.deleted) == (1, 2, 1)
    assert Order.objects.get(code=deleted).deleted_at == YESTERDAY + 2 * MINUTE
    order = Order.objects.get(code=cancelled)
    assert (order.is_cancelled, order.total_with_vat) == (True, Decimal(0))


def test_an_order_changed_in_the_second_it_was_read_is_read_again(simulated, sync):
    code = simulated.create_order()
    sync()
    simulated.edit_order(code, {"email": "same@second.cz"})  # the shop's clock stands: the change time is equal

    sync()

    assert_copied(simulated)


def test_an_order_read_in_time_settles_and_is_not_fetched_for_ever(simulated, sync):
    simulated.create_order()
    sync()
    simulated.advance(60)
    calls = len(simulated.requests())

    for _ in range(2):
        sync()

    assert len(detail_requests(simulated, after=calls)) == 1


def test_a_change_that_becomes_visible_late_is_found_by_the_overlap(simulated, sync):
    code = simulated.create_order()
    simulated.advance(3600)
    sync()
    simulated.edit_order(code, {"email": "late@example.com"}, changed_at=YESTERDAY + MINUTE)

    sync()

    assert_copied(simulated)


def test_a_code_used_again_after_a_deletion_is_the_new_order(simulated, sync):
    code = simulated.create_order()
    sync()
    simulated.advance(60)
    simulated.delete_order(code)
    sync()
    simulated.advance(60)
    simulated.create_order({"code": code, "guid": "another"})

    sync()

    assert_copied(simulated)
    assert Order.objects.get().deleted_at is None


def test_a_deletion_older_than_the_shops_memory_is_warned_about(simulated, sync):
    sync()
    SyncCursor.objects.update(position_at=datetime.now(UTC) - timedelta(days=31))

    assert sync().warning == "The shop remembers deletions for 30 days only; older ones may have been missed."


@pytest.mark.parametrize("shift", [FaultKind.SHIFT_BY_INSERT, FaultKind.SHIFT_BY_DELETE, FaultKind.EMPTY_PAGE])
def test_a_list_that_moves_under_the_reader_is_read_again(simulated, sync, shift):
    for _ in range(120):
        simulated.create_order()
    fault = simulated.inject(shift)

    sync()
    assert fault.struck == 1
    assert set(simulated.shop.bodies()) <= set(Order.objects.values_list("code", flat=True))
    simulated.advance(60)
    sync()

    assert_copied(simulated)


def test_a_list_that_never_stands_still_is_an_error_and_moves_no_cursor(simulated, sync):
    for _ in range(60):
        simulated.create_order()
    simulated.inject(FaultKind.EMPTY_PAGE, times=None)

    with pytest.raises(clients.TemporaryShoptetError, match="kept changing"):
        sync()

    assert position() is None


def test_a_page_without_paginator_is_an_error_and_moves_no_cursor(simulated, sync):
    simulated.create_order()
    simulated.inject(FaultKind.NO_PAGINATOR, path="/api/orders")

    with pytest.raises(clients.TemporaryShoptetError, match="paginator"):
        sync()

    assert (position(), SnapshotExecution.objects.get().status) == (None, "error")


@pytest.mark.parametrize("kind", [FaultKind.NUL_CHARACTER, FaultKind.LINE_SEPARATOR, FaultKind.NUMBER_AMOUNTS])
def test_odd_but_readable_orders_are_stored(simulated, sync, kind):
    code = simulated.create_order()
    simulated.inject(kind, path=f"/api/orders/{code}")

    assert sync().parked == 0

    names = {FaultKind.NUL_CHARACTER: "Jan Novák", FaultKind.LINE_SEPARATOR: "Jan\u2028Novák"}
    order = Order.objects.get()
    assert order.full_name == names.get(kind, "Nová Zákaznice")
    assert order.items.get(line_number=1).amount == Decimal("1.000")


def test_an_order_of_nulls_is_stored(simulated, sync):
    code = simulated.create_order()
    simulated.inject(FaultKind.NULLS, path=f"/api/orders/{code}")

    sync()

    order = Order.objects.get()
    assert (order.code, order.created_at, order.total_default, order.is_paid) == (code, None, None, None)


def test_an_unreadable_order_is_set_aside_and_healed_by_a_later_run(simulated, sync):
    bad, good = simulated.create_order(), simulated.create_order()
    fault = simulated.inject(FaultKind.UNREADABLE, path=f"/api/orders/{bad}", times=2)
    simulated.advance(4 * 3600)

    entries = [sync(), sync()]

    assert [entry.status for entry in entries] == ["completed", "completed"]
    assert [(entry.created, entry.parked) for entry in entries] == [(1, 1), (0, 1)]
    assert list(Order.objects.values_list("code", flat=True)) == [good]
    record = ParkedRecord.objects.get()
    assert (record.code, record.attempts, record.resolved_at) == (bad, 2, None)
    assert record.reason == "items: expected a list, got str"
    assert '"items": "items are not available"' in record.raw
    assert position() == YESTERDAY + 4 * HOUR

    entry = sync()

    assert (entry.created, fault.struck, open_parked()) == (1, 2, [])
    assert_copied(simulated)


def test_the_body_of_another_order_is_set_aside_and_touches_neither(simulated, sync):
    asked, other = simulated.create_order(), simulated.create_order()
    simulated.inject(FaultKind.OTHER_ORDER, path=f"/api/orders/{asked}")

    sync()

    assert list(Order.objects.values_list("code", flat=True)) == [other]
    assert open_parked() == [(asked, 1)]

    sync()

    assert open_parked() == []
    assert_copied(simulated)


def test_an_order_gone_before_it_was_ever_read_is_passed_over(simulated, sync):
    code = simulated.create_order()
    simulated.inject(FaultKind.NOT_FOUND, path=f"/api/orders/{code}")

    assert sync().status == "completed"

    assert Order.objects.count() == 0


def test_a_parked_order_that_the_shop_deletes_is_resolved(simulated, sync):
    code = simulated.create_order()
    simulated.inject(FaultKind.UNREADABLE, path=f"/api/orders/{code}")
    sync()
    simulated.delete_order(code)

    sync()

    assert (open_parked(), Order.objects.count()) == ([], 0)


def test_a_deletion_that_the_order_itself_denies_is_not_believed(simulated, sync):
    code = simulated.create_order()
    simulated.advance(60)
    sync()
    simulated.shop._deleted_at[code] = simulated.shop.clock.now()  # a lying change log

    assert sync().deleted == 0

    assert Order.objects.get().deleted_at is None


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.LOCKED,
        FaultKind.SERVER_ERROR,
        FaultKind.BAD_GATEWAY,
        FaultKind.UNAVAILABLE,
        FaultKind.RESET,
        FaultKind.CUT_BODY,
        FaultKind.TRUNCATED_JSON,
    ],
)
def test_a_hiccup_of_the_shop_is_passed_over_and_an_outage_is_an_error(simulated, shop, sync, kind):
    for _ in range(3):
        simulated.create_order()
    simulated.inject(kind, times=2, every=3)

    sync()

    assert_copied(simulated)
    moved_to = position()
    simulated.inject(kind, times=None)
    with pytest.raises(clients.TemporaryShoptetError) as failure:
        sync()

    shop.refresh_from_db()
    entry = SnapshotExecution.objects.latest("id")
    assert (entry.status, entry.error, shop.last_error) == ("error", str(failure.value), str(failure.value))
    assert (position(), SyncCursor.objects.get().held_until) == (moved_to, None)


@pytest.mark.parametrize("kind", [FaultKind.HANG, FaultKind.SLOW_BODY])
def test_a_shop_that_keeps_silent_runs_into_a_timeout(simulated, sync, monkeypatch, kind):
    monkeypatch.setattr(clients.limits, "READ_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(clients.limits, "ANSWER_TIMEOUT_SECONDS", 0.3)
    simulated.create_order()
    simulated.inject(kind, path="/api/orders/*", seconds=1.5)

    with pytest.raises(clients.TemporaryShoptetError, match="did not answer in time"):
        sync()

    assert (Order.objects.count(), position()) == (0, None)


def test_an_answer_without_end_is_cut_off(simulated, sync, monkeypatch):
    monkeypatch.setattr(clients.limits, "MAX_BODY_BYTES", 100_000)
    simulated.create_order()
    simulated.inject(FaultKind.TOO_BIG, path="/api/orders/*", size=1_000_000)

    with pytest.raises(clients.TemporaryShoptetError, match="too long"):
        sync()

    assert Order.objects.count() == 0


def test_a_shop_that_is_down_is_an_error_in_words(alice):
    shop = services.add_shop(tenant_id=alice.pk, name="Down", base_url="http://127.0.0.1:9", token="t")

    with pytest.raises(clients.TemporaryShoptetError, match="The shop cannot be reached"):
        services.fetch_new_orders(shop_id=shop.pk, holder="test", report=lambda *_: None)


@pytest.mark.parametrize(
    ("state", "error", "sentence"),
    [
        (
            TokenState.EXPIRED,
            clients.InvalidToken,
            "The shop refuses the API token. Create a new one in Shoptet and enter it here.",
        ),
        (
            TokenState.WITHOUT_RIGHTS,
            clients.NoRights,
            "The API token may not read this. Give it the right in Shoptet's administration.",
        ),
    ],
)
def test_a_refused_token_is_told_to_the_owner_and_leaks_nowhere(simulated, shop, sync, caplog, state, error, sentence):
    caplog.set_level(logging.DEBUG)
    simulated.create_order()
    simulated.set_token(simulated.token, state)

    with pytest.raises(error) as refusal:
        sync()

    shop.refresh_from_db()
    assert (shop.last_error, SnapshotExecution.objects.get().error) == (sentence, sentence)
    assert Order.objects.count() == 0
    assert simulated.token not in f"{caplog.text} {refusal.getrepr(showlocals=False)} {list(Shop.objects.values())}"

    simulated.set_token(simulated.token, TokenState.VALID)
    sync()

    shop.refresh_from_db()
    assert shop.last_error == ""
    assert_copied(simulated)


@pytest.mark.parametrize(
    ("retry_after", "seconds", "expected"),
    [("date", 60, 60), ("seconds", 60, 60), ("none", 60, 14), ("past_date", 60, 14)],
)
def test_a_busy_shop_is_left_alone_for_as_long_as_it_says(simulated, shop, sync, retry_after, seconds, expected):
    simulated.create_order()
    simulated.inject(FaultKind.TOO_MANY_REQUESTS, retry_after=retry_after, seconds=seconds)

    with pytest.raises(clients.RateLimited) as pause:
        sync()

    wait = (pause.value.retry_at - datetime.now(UTC)).total_seconds()
    assert round(wait) in {expected, expected - 1}
    shop.refresh_from_db()
    assert (shop.paused_until, SnapshotExecution.objects.get().status) == (pause.value.retry_at, "waiting")

    calls = len(simulated.requests())
    with pytest.raises(clients.RateLimited):
        sync()
    assert simulated.requests(after=calls) == []


def test_a_job_that_waited_goes_on_in_its_own_log_entry(simulated, shop, sync):
    job_id = "0199d3c1-0000-7000-8000-000000000001"
    for _ in range(60):
        simulated.create_order()
    simulated.inject(FaultKind.TOO_MANY_REQUESTS, path="/api/orders", every=2)
    with pytest.raises(clients.RateLimited):
        sync(job_id=job_id)
    Shop.objects.update(paused_until=None)

    sync(job_id=job_id)

    entry = SnapshotExecution.objects.get()
    assert (entry.status, entry.created, entry.error) == ("completed", 60, "")


def test_a_bucket_that_fills_slows_the_reader_before_it_overflows(alice):
    with SimulatedShop(options=Options(bucket_drops=20)) as small:
        for _ in range(30):
            small.create_order()
        shop = services.add_shop(tenant_id=alice.pk, name="Small", base_url=small.url, token=small.token)

        services.fetch_new_orders(shop_id=shop.pk, holder="test", report=lambda *_: None)

    assert [r.status for r in small.requests()] == [200] * 32


def test_details_are_fetched_two_at_a_time_and_never_three(alice):
    with SimulatedShop(options=Options(latency_seconds=0.05)) as slow:
        for _ in range(12):
            slow.create_order()
        shop = services.add_shop(tenant_id=alice.pk, name="Slow", base_url=slow.url, token=slow.token)

        services.fetch_new_orders(shop_id=shop.pk, holder="test", report=lambda *_: None)

    assert max(r.connections for r in slow.requests()) == 2


class Killed(BaseException):
    """What a kill looks like from inside."""


def kill_after_pages(count):
    def report(done, total, message):
        nonlocal count
        count -= 1
        if not count:
            raise Killed

    return report


def test_a_run_killed_half_way_keeps_its_pages_and_the_next_one_fetches_the_rest(simulated, sync):
    for _ in range(120):
        simulated.create_order()
    simulated.advance(60)
    with pytest.raises(Killed):
        sync(report=kill_after_pages(2))
    assert (Order.objects.count(), position()) == (50, None)
    calls = len(simulated.requests())

    sync()

    assert len(detail_requests(simulated, after=calls)) == 70
    assert_copied(simulated)


def test_a_job_killed_without_a_word_takes_its_shop_back_at_once(simulated, shop, sync):
    for _ in range(60):
        simulated.create_order()
    SyncCursor.objects.create(
        tenant=shop.tenant,
        shop=shop,
        name="orders.change_time",
        fence=7,
        holder="job:1",
        held_until=datetime.now(UTC) + HOUR,
    )

    with pytest.raises(services.AlreadyRunning):
        sync(holder="job:2")
    assert sync(holder="job:1").status == "completed"

    assert SyncCursor.objects.get().fence == 8


def test_any_mix_of_changes_and_faults_ends_in_a_faithful_copy(simulated, sync):
    chance = random.Random(20260301)
    kinds = [
        FaultKind.SERVER_ERROR,
        FaultKind.RESET,
        FaultKind.TRUNCATED_JSON,
        FaultKind.OTHER_ORDER,
        FaultKind.UNREADABLE,
        FaultKind.SHIFT_BY_INSERT,
        FaultKind.SHIFT_BY_DELETE,
        FaultKind.EMPTY_PAGE,
    ]
    for _ in range(110):
        simulated.create_order()
    for _step in range(8):
        for _ in range(chance.randrange(8)):
            codes = sorted(simulated.shop.bodies())
            change = chance.choice([simulated.create_order, simulated.delete_order, simulated.cancel_order, None])
            if change == simulated.create_order:
                change()
            elif change:
                change(chance.choice(codes))
            else:
                simulated.edit_order(chance.choice(codes), {"email": f"{chance.random()}@x.cz", "items": []})
            simulated.advance(chance.choice([0, 1, 30]))
        simulated.inject(chance.choice(kinds), times=chance.randrange(1, 5), every=chance.randrange(1, 9))
        with suppress(clients.TemporaryShoptetError):
            sync()
    simulated.clear_faults()
    simulated.advance(60)

    sync()

    assert_copied(simulated)
    assert open_parked() == []


def test_two_runs_at_once_are_one(simulated, sync):
    simulated.create_order()
    second = []

    def report(*_):
        with pytest.raises(services.AlreadyRunning):
            sync(holder="second")
        second.append("refused")

    sync(holder="first", report=report)

    assert second == ["refused"]
    assert SnapshotExecution.objects.count() == 1


def test_a_run_that_lost_its_hold_writes_neither_page_nor_cursor_nor_log(simulated, sync):
    for _ in range(120):
        simulated.create_order()

    def steal(done, *_):
        if done:
            SyncCursor.objects.update(fence=99, holder="thief")

    with pytest.raises(services.CursorLost):
        sync(report=steal)

    assert (Order.objects.count(), position()) == (50, None)
    assert SnapshotExecution.objects.get().status == "processing"
    assert SyncCursor.objects.get().holder == "thief"


def test_a_run_stops_after_its_share_and_the_next_goes_on_in_the_same_entry(simulated, sync):
    for _ in range(60):
        simulated.create_order()

    with pytest.raises(services.SyncPaused):
        sync(most_details=50)
    assert Order.objects.count() == 50
    sync()

    assert SnapshotExecution.objects.get().created == 60
    assert_copied(simulated)


def test_runs_get_past_more_unreadable_orders_than_one_of_them_asks_for(simulated, sync):
    for _ in range(120):
        simulated.create_order()
    simulated.inject(FaultKind.UNREADABLE, path="/api/orders/*0*", times=None)

    runs = 1
    while runs < 9:
        try:
            sync(most_details=50)
            break
        except services.SyncPaused:
            runs += 1
    simulated.clear_faults()

    assert (runs, SnapshotExecution.objects.get().status, Order.objects.count()) == (3, "completed", 0)
    simulated.advance(60)
    for _ in range(2):  # a hundred of what was set aside before a run
        sync()
    assert_copied(simulated)


def test_a_run_that_goes_on_reads_on_where_the_one_before_it_paused(simulated, sync):
    for _ in range(220):
        simulated.create_order()
    simulated.advance(60)
    with pytest.raises(services.SyncPaused):
        sync(most_details=100)
    asked = len(simulated.requests())

    with pytest.raises(services.SyncPaused):
        sync(most_details=100)

    assert list_pages(simulated, after=asked) == [2, 3, 4]
    sync()
    assert list_pages(simulated, after=asked) == [2, 3, 4, 4, 5, 1, 2, 3, 4, 5]
    assert_copied(simulated)


def test_a_list_that_became_shorter_since_the_pause_is_read_from_its_start(alice):
    with SimulatedShop(options=Options(missing_page_is_404=True)) as strict:
        codes = [strict.create_order() for _ in range(160)]
        shop = services.add_shop(tenant_id=alice.pk, name="Strict", base_url=strict.url, token=strict.token)
        run = {"shop_id": shop.pk, "holder": "test", "report": lambda *_: None}
        with pytest.raises(services.SyncPaused):
            services.fetch_new_orders(**run, most_details=150)
        for code in codes[10:]:
            strict.delete_order(code)

        assert services.fetch_new_orders(**run).status == "completed"

        assert list_pages(strict, after=0) == [1, 2, 3, 3, 1]


def test_an_entry_that_a_dead_run_left_open_is_gone_on_with(simulated, sync):
    simulated.create_order()
    with pytest.raises(Killed):
        sync(report=kill_after_pages(1))

    sync()

    entry = SnapshotExecution.objects.get()
    assert (entry.status, entry.created, entry.fetched) == ("completed", 1, 2)  # read again: its second was not over


def test_a_broken_page_is_logged_with_its_reason(simulated, sync, monkeypatch):
    simulated.create_order()
    monkeypatch.setattr(order_run, "CONNECTIONS", 0)  # no pool can be made of that

    with pytest.raises(ValueError, match="max_workers"):
        sync()

    assert SnapshotExecution.objects.get().error == (
        "Something broke in Backroom: ValueError('max_workers must be greater than 0')"
    )


def test_a_shop_that_is_switched_off_is_not_asked(simulated, shop, sync):
    Shop.objects.update(is_active=False)

    assert sync() is None

    assert simulated.requests() == []


def test_a_stranger_can_neither_see_nor_read_the_shop(simulated, shop, sync):
    simulated.create_order()
    sync()
    calls = len(simulated.requests())
    bob = Tenant.objects.create(name="Bob")

    with tenant_scope(bob.pk):
        with pytest.raises(Shop.DoesNotExist):
            sync()
        models = (Shop, SyncCursor, SnapshotExecution, ParkedRecord, Order, OrderItem, OrderStatus)
        assert [model.objects.count() for model in models] == [0] * 7

    assert simulated.requests(after=calls) == []


def test_foreign_money_is_counted_in_the_shops_own(simulated, sync):
    simulated.create_order({"price": {"currencyCode": "EUR", "withVat": "10.00", "exchangeRate": "0.03980000"}})

    sync()

    assert Order.objects.values_list("currency", "total_with_vat", "total_default").get() == (
        "EUR",
        Decimal("10.00"),
        Decimal("251.26"),
    )


@pytest.mark.parametrize("code", ["00123", "A/1", "č 7", "x?y=1&z#", "100%25"])
def test_codes_of_any_kind_find_their_order(simulated, sync, code):
    simulated.create_order({"code": code})

    sync()

    assert Order.objects.get().code == code

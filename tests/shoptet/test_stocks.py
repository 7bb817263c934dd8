"""Stock over HTTP: movements since the last one, once a day everything."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command

from modules.accounts.models import Tenant
from modules.inventory import services as inventory_services
from modules.inventory.domain import LevelFacts
from modules.inventory.models import StockLevel, VariantMetrics
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.tenancy import tenant_scope
from modules.shoptet import actors, clients, services
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution, SyncCursor
from modules.shoptet.services import _stocks
from tests.simulators.shoptet import FaultKind

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", (0.01, 0.01))


@pytest.fixture
def stocks(simulated):
    return simulated.shop.stocks


@pytest.fixture
def fetch(shop):
    def run(*, holder="test", report=lambda *_: None, **options):
        return services.fetch_stocks(shop_id=shop.pk, holder=holder, report=report, **options)

    return run


def levels():
    rows = StockLevel.objects.order_by("stock", "code").values_list("stock", "code", "amount", "reserved", "location")
    return [(stock, code, str(amount), str(reserved), place) for stock, code, amount, reserved, place in rows]


def last_ids():
    return dict(SyncCursor.objects.exclude(position_id=None).values_list("name", "position_id"))


def paths(simulated, after):
    return [request.path for request in simulated.requests(after=after)]


def test_a_first_reading_takes_every_stock_whole(simulated, stocks, fetch):
    stocks.titles[2] = "Pobočka"
    stocks.move("A", "5")
    stocks.move("B/1", "0.505", stock_id=2)
    stocks.tell("B/1", stock_id=2, claim="0.500", location="R7")
    stocks.tell("C", amount=None)

    entry = fetch()

    assert levels() == [("1", "A", "5.000", "0.000", ""), ("2", "B/1", "0.505", "0.500", "R7")]
    assert last_ids() == {"stocks.movements:1": 101, "stocks.movements:2": 102}
    assert (entry.status, entry.listed, entry.updated, entry.deleted) == ("completed", 3, 2, 0)


@pytest.mark.parametrize("is_newest_first", [False, True])
def test_movements_bring_the_amount_and_leave_claim_and_place(simulated, stocks, fetch, is_newest_first):
    stocks.move("A", "5")
    stocks.tell("A", claim="2.000", location="R1")
    fetch()
    stocks.is_newest_first = is_newest_first
    stocks.move("A", "-1")
    stocks.move("NEW", "7")
    stocks.move("A", "-1.5")
    calls = len(simulated.requests())

    entry = fetch()

    assert paths(simulated, calls) == ["/api/stocks", "/api/stocks/1/movements"]
    assert levels() == [("1", "A", "2.500", "2.000", "R1"), ("1", "NEW", "7.000", "0.000", "")]
    assert (last_ids(), entry.listed, entry.updated) == ({"stocks.movements:1": 104}, 3, 2)


def test_nothing_new_writes_no_level(simulated, stocks, fetch):
    stocks.move("A", "5")
    fetch()
    before = list(StockLevel.objects.values())

    assert fetch().updated == 0

    assert list(StockLevel.objects.values()) == before


def test_movements_of_many_pages_are_read_to_the_end(simulated, stocks, fetch, monkeypatch):
    fetch()
    monkeypatch.setattr(clients.limits, "STOCK_PER_PAGE", 3)
    monkeypatch.setattr(_stocks, "LEVELS_AT_ONCE", 2)
    for number in range(8):
        stocks.move(f"V{number}", "1")

    assert fetch().updated == 8

    assert StockLevel.objects.count() == 8


def test_a_list_that_ends_too_early_moves_no_cursor(simulated, stocks, fetch, monkeypatch):
    fetch()
    monkeypatch.setattr(clients.limits, "STOCK_PER_PAGE", 3)
    for number in range(8):
        stocks.move(f"V{number}", "1")
    simulated.inject(FaultKind.EMPTY_PAGE, path="/api/stocks/1/movements")

    with pytest.raises(clients.TemporaryShoptetError, match="kept changing"):
        fetch()
    assert last_ids() == {"stocks.movements:1": 0}

    fetch()
    assert StockLevel.objects.count() == 8


def test_supplies_that_move_under_the_reader_drop_nothing(simulated, stocks, fetch, monkeypatch):
    monkeypatch.setattr(clients.limits, "STOCK_PER_PAGE", 3)
    for number in range(8):
        stocks.move(f"V{number}", "1")
    fetch()
    fault = simulated.inject(FaultKind.EMPTY_PAGE, path="/api/stocks/1/supplies")

    assert fetch(is_complete=True).deleted == 0

    assert (fault.struck, StockLevel.objects.count()) == (1, 8)


def test_once_a_day_all_is_read_and_what_is_gone_is_dropped(simulated, stocks, fetch):
    for code in ("A", "B"):
        stocks.move(code, "5")
    fetch()
    stocks.forget("B")
    stocks.tell("A", claim="3.000")
    fetch()
    assert len(levels()) == 2
    SyncCursor.objects.filter(name="stocks.movements").update(
        position_at=SyncCursor.objects.get(name="stocks.movements").position_at - timedelta(days=1)
    )

    entry = fetch()

    assert levels() == [("1", "A", "5.000", "3.000", "")]
    assert entry.deleted == 1


def test_a_stock_that_is_new_is_read_whole_at_once_and_a_closed_one_is_dropped_by_the_day(simulated, stocks, fetch):
    stocks.move("A", "5")
    fetch()
    stocks.titles[2] = "Pobočka"
    stocks.move("A", "1", stock_id=2)

    fetch()
    assert len(levels()) == 2

    del stocks.titles[1]
    fetch(is_complete=True)
    assert levels() == [("2", "A", "1.000", "0.000", "")]


def test_a_complete_reading_leaves_what_a_table_told_of_other_stocks(simulated, shop, stocks, fetch):
    told = [LevelFacts(code="A", amount=Decimal(7), stock=stock) for stock in ("", "Showroom", "1")]
    inventory_services.import_levels(channel_id=shop.channel_id, levels=told, now=clock.now())
    stocks.move("B", "5")

    assert fetch(is_complete=True).deleted == 1  # of the stock that the shop tells of itself

    assert [row[:3] for row in levels()] == [("", "A", "7.000"), ("1", "B", "5.000"), ("Showroom", "A", "7.000")]


def test_a_complete_table_leaves_the_stocks_that_the_shop_tells_of(simulated, shop, stocks, fetch):
    stocks.move("B", "5")
    fetch()

    inventory_services.import_levels(
        channel_id=shop.channel_id,
        levels=[LevelFacts(code="A", amount=Decimal(7), stock="Showroom")],
        now=clock.now(),
        is_complete=True,
    )

    assert [row[:3] for row in levels()] == [("1", "B", "5.000"), ("Showroom", "A", "7.000")]


def test_what_cannot_be_read_is_set_aside_until_it_can(simulated, stocks, fetch):
    stocks.move("A", "5")
    stocks.move("B", "1")
    stocks.tell("B", amount="lots")

    assert (fetch().parked, ParkedRecord.objects.get().reason) == (1, "amount: 'lots' is not a number that fits")
    assert [row[1] for row in levels()] == ["A"]
    stocks.tell("B", amount="2.000")
    fetch(is_complete=True)

    assert ParkedRecord.objects.filter(resolved_at=None).count() == 0
    assert [row[1] for row in levels()] == ["A", "B"]


def test_a_run_that_failed_is_repeated_without_harm(simulated, stocks, fetch):
    stocks.move("A", "5")
    fetch()
    stocks.move("A", "1")
    simulated.inject(FaultKind.SERVER_ERROR, path="/api/stocks/1/movements", times=3)

    with pytest.raises(clients.TemporaryShoptetError):
        fetch()
    assert levels()[0][2] == "5.000"
    fetch()

    assert levels()[0][2] == "6.000"
    assert list(SnapshotExecution.objects.order_by("id").values_list("status", flat=True)) == [
        "completed",
        "error",
        "completed",
    ]


def test_two_at_once_are_one_and_a_stranger_has_none(simulated, stocks, fetch):
    stocks.move("A", "5")

    def report(*_):
        with pytest.raises(services.AlreadyRunning):
            fetch(holder="second")

    assert fetch(holder="first", report=report).status == "completed"
    with tenant_scope(Tenant.objects.create(name="Bob").pk):
        with pytest.raises(Shop.DoesNotExist):
            fetch()
        assert StockLevel.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_the_schedule_brings_stock_and_the_figures_of_what_changed(simulated, shop, stocks, drain, capsys):
    stocks.move("A", "5")

    actors.fetch_all_stocks.send()
    drain()
    stocks.move("A", "-2")
    call_command("shoptet_sync", "stocks", shop=str(shop.pk), now=True)
    drain()

    assert capsys.readouterr().out == "Alice's shop: 0 created, 1 updated, 0 deleted, 0 unchanged, 0 parked\n"
    assert Job.objects.get(actor="shoptet.fetch_stocks").state == "succeeded"
    assert VariantMetrics.objects.get(code="A").amount == Decimal("3.000")

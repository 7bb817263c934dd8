"""All orders against the shop's: what its log of changes forgot, and what slipped through."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from modules.accounts.models import Tenant
from modules.jobs.models import Job
from modules.kernel import clock
from modules.kernel.tenancy import tenant_scope
from modules.orders.models import Order
from modules.shoptet import actors, clients, domain, services
from modules.shoptet.models import ParkedRecord, Shop, SnapshotExecution
from tests.shoptet.conftest import YESTERDAY
from tests.simulators.shoptet import FaultKind

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", (0.01, 0.01))


@pytest.fixture
def reconcile(shop):
    def run(*, holder="test", report=lambda *_: None, **options):
        return services.reconcile_orders(shop_id=shop.pk, holder=holder, report=report, **options)

    return run


def made(simulated, *, days_ago):
    created = YESTERDAY - timedelta(days=days_ago)
    return simulated.create_order({"creationTime": created.strftime("%Y-%m-%dT%H:%M:%S%z")})


def delete_long_ago(simulated, code):
    simulated.delete_order(code)
    simulated.shop.forget_deletions()


def living():
    return sorted(Order.objects.filter(deleted_at=None).values_list("code", flat=True))


def details(simulated, after):
    lists = {"/api/orders", "/api/eshop", "/api/orders/changes"}
    return [request.path for request in simulated.requests(after=after) if request.path not in lists]


def test_an_order_deleted_long_ago_is_buried_and_every_other_is_left_alone(simulated, sync, reconcile):
    gone, *kept = (made(simulated, days_ago=days) for days in (100, 70, 40, 1))
    simulated.advance(60)
    sync()
    delete_long_ago(simulated, gone)
    sync()
    assert gone in living()
    before, calls = list(Order.objects.exclude(code=gone).order_by("id").values()), len(simulated.requests())

    entry = reconcile()

    assert (entry.status, entry.deleted, entry.fetched, entry.listed) == ("completed", 1, 1, 3)
    assert living() == sorted(kept)
    assert list(Order.objects.exclude(code=gone).order_by("id").values()) == before
    assert details(simulated, calls) == [f"/api/orders/{gone}"]


def test_an_order_that_the_list_leaves_out_and_that_answers_lives_on(simulated, sync, reconcile):
    code = made(simulated, days_ago=10)
    simulated.advance(60)
    sync()
    moved = (YESTERDAY - timedelta(days=400)).strftime("%Y-%m-%dT%H:%M:%S%z")
    simulated.edit_order(code, {"creationTime": moved}, changed_at=YESTERDAY)  # in no month that is read

    assert reconcile().deleted == 0

    assert living() == [code]
    assert Order.objects.get().created_at == YESTERDAY - timedelta(days=400)


def test_what_slipped_through_is_fetched(simulated, sync, reconcile):
    edited, kept = made(simulated, days_ago=50), made(simulated, days_ago=20)
    simulated.advance(6 * 3600)
    sync()
    simulated.edit_order(edited, {"email": "late@x.cz"}, changed_at=YESTERDAY + timedelta(hours=1))
    unseen = made(simulated, days_ago=80)
    simulated.edit_order(unseen, {}, changed_at=YESTERDAY + timedelta(hours=1))
    sync()
    assert living() == sorted([edited, kept])

    entry = reconcile()

    assert (entry.created, entry.updated) == (1, 1)
    assert living() == sorted([edited, kept, unseen])
    assert Order.objects.get(code=edited).email == "late@x.cz"


def test_a_shop_read_in_part_is_not_read_whole(simulated, sync, reconcile):
    old, new = made(simulated, days_ago=90), made(simulated, days_ago=1)
    simulated.edit_order(old, {}, changed_at=YESTERDAY - timedelta(days=90))
    sync(fallback_lookback_hours=24)

    assert reconcile().created == 0

    assert living() == [new]


def test_an_order_of_no_known_time_is_compared_too(simulated, sync, reconcile):
    gone, kept = (simulated.create_order({"creationTime": None}) for _ in range(2))
    simulated.advance(60)
    sync()
    delete_long_ago(simulated, gone)

    assert reconcile().deleted == 1

    assert living() == [kept]


@pytest.mark.parametrize("shift", [FaultKind.SHIFT_BY_INSERT, FaultKind.SHIFT_BY_DELETE, FaultKind.EMPTY_PAGE])
def test_a_list_that_moves_under_the_reader_buries_nobody(simulated, sync, reconcile, shift):
    for _ in range(60):
        simulated.create_order()
    simulated.advance(60)
    sync()
    fault = simulated.inject(shift)

    reconcile()

    assert fault.struck == 1
    assert living() == sorted(simulated.shop.bodies())


def test_what_could_not_be_read_before_is_asked_for_again(simulated, sync, reconcile):
    code = made(simulated, days_ago=5)
    simulated.advance(4 * 3600)
    simulated.inject(FaultKind.UNREADABLE, path=f"/api/orders/{code}")
    sync()
    assert living() == []

    reconcile()

    assert living() == [code]
    assert ParkedRecord.objects.filter(resolved_at=None).count() == 0


class Killed(BaseException):
    """What a kill looks like from inside."""


def windows_asked(simulated, after):
    return [request.query for request in simulated.requests(after=after) if "creationTimeTo" in request.query]


def kill_at(count):
    def report(done, _total, _text):
        if done == count:
            raise Killed

    return report


@pytest.mark.parametrize("end", ["killed", "refused", "share"])
def test_a_run_that_ended_early_goes_on_at_its_month(simulated, sync, reconcile, end):
    for days in (130, 95, 60, 25):
        made(simulated, days_ago=days)
    simulated.advance(60)
    sync()
    delete_long_ago(simulated, made(simulated, days_ago=61))
    calls = len(simulated.requests())
    if end == "killed":
        with pytest.raises(Killed):
            reconcile(report=kill_at(3))
    elif end == "refused":
        simulated.inject(FaultKind.EXPIRED_TOKEN, path="/api/orders", every=4)
        with pytest.raises(clients.InvalidToken):
            reconcile()
    else:
        simulated.edit_order(living()[1], {"email": "n@x.cz"}, changed_at=YESTERDAY + timedelta(seconds=30))
        with pytest.raises(services.SyncPaused):
            reconcile(most_details=1)
    first = windows_asked(simulated, calls)
    calls = len(simulated.requests())

    entry = reconcile()

    second = windows_asked(simulated, calls)
    assert (entry.status, len(living())) == ("completed", 4)
    assert 1 < len(second) < 6
    assert first[0] not in second
    assert first[1] not in second


def test_a_run_of_long_ago_is_not_gone_on_with(simulated, shop, sync, reconcile):
    made(simulated, days_ago=100)
    sync()
    at = clock.now() - timedelta(days=4)
    SnapshotExecution.objects.create(
        tenant=shop.tenant, shop=shop, kind="orders-reconciliation", trigger="schedule", status="error",
        started_at=at, finished_at=at, window_to=at,
    )  # fmt: skip
    calls = len(simulated.requests())

    reconcile()

    assert len(windows_asked(simulated, calls)) == 5


def test_months_reach_to_the_end_and_overlap_by_a_second():
    since, second = datetime(2026, 1, 1, tzinfo=UTC), timedelta(seconds=1)
    middle, until = since + timedelta(days=31), since + timedelta(days=40)

    assert list(domain.months(since=since, until=until)) == [
        domain.Window(since - second, middle),
        domain.Window(middle - second, until),
    ]
    assert list(domain.months(since=until, until=until)) == []


def test_two_at_once_are_one_and_a_stranger_has_none(simulated, sync, reconcile):
    simulated.create_order()
    sync()

    def report(*_):
        with pytest.raises(services.AlreadyRunning):
            reconcile(holder="second")

    assert reconcile(holder="first", report=report).status == "completed"
    with tenant_scope(Tenant.objects.create(name="Bob").pk):
        with pytest.raises(Shop.DoesNotExist):
            reconcile()
        with pytest.raises(Shop.DoesNotExist):
            services.rehearse_reconciliation(shop_id=Shop.objects.count() + 1, report=lambda *_: None)


def said(shop, **options):
    out = io.StringIO()
    call_command("shoptet_reconcile", shop=str(shop.pk), stdout=out, **options)
    return out.getvalue().strip()


def test_the_command_rehearses_and_then_does_it(simulated, shop, sync):
    gone, edited = made(simulated, days_ago=40), made(simulated, days_ago=3)
    simulated.advance(60)
    sync()
    delete_long_ago(simulated, gone)
    simulated.edit_order(edited, {"email": "new@x.cz"})
    before = list(Order.objects.values()), SnapshotExecution.objects.count()

    assert said(shop, dry_run=True) == "Alice's shop: would delete 1, would fetch 1"
    assert (list(Order.objects.values()), SnapshotExecution.objects.count()) == before

    assert said(shop) == "Alice's shop: 0 created, 1 updated, 1 deleted, 0 unchanged, 0 parked"
    assert said(shop, dry_run=True).startswith("Alice's shop: would delete 0")


def test_the_command_says_what_is_wrong(simulated, shop, sync):
    simulated.create_order()
    sync()
    simulated.inject(FaultKind.EXPIRED_TOKEN, times=None)

    with pytest.raises(CommandError, match="The shop refuses the API token"):
        said(shop, dry_run=True)


@pytest.mark.django_db(transaction=True)
def test_the_schedule_sends_a_job_for_each_shop_and_it_goes_on_by_itself(simulated, sync, drain, monkeypatch):
    monkeypatch.setattr(actors, "DETAILS_PER_JOB", 1)
    gone = [made(simulated, days_ago=days) for days in (70, 35)]
    simulated.advance(60)
    sync()
    for code in gone:
        delete_long_ago(simulated, code)

    actors.reconcile_all_orders.send()
    drain()

    assert living() == []
    states = list(Job.objects.filter(actor="shoptet.reconcile_orders").values_list("state", flat=True))
    assert len(states) > 1
    assert set(states) == {"succeeded"}
    entry = SnapshotExecution.objects.get(kind="orders-reconciliation")
    assert (entry.status, entry.deleted) == ("completed", 2)

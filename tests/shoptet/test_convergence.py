"""Whatever happens to a shop and on the way to it: after one quiet sync and a reconciliation the copy is the shop."""

from contextlib import suppress
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from modules.accounts.models import Tenant
from modules.kernel.tenancy import tenant_scope
from modules.orders.models import Order, OrderItem
from modules.shoptet import clients, services
from modules.shoptet.models import ParkedRecord, Shop
from tests.shoptet.conftest import YESTERDAY
from tests.shoptet.test_sync import assert_copied
from tests.simulators.shoptet import FaultKind, Options, SimulatedShop
from tests.simulators.shoptet.bodies import status_of

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(300)]

FAULTS = [
    *(FaultKind.EXPIRED_TOKEN, FaultKind.WITHOUT_RIGHTS, FaultKind.LOCKED, FaultKind.SERVER_ERROR),
    *(FaultKind.BAD_GATEWAY, FaultKind.UNAVAILABLE, FaultKind.RESET, FaultKind.HANG, FaultKind.CUT_BODY),
    *(FaultKind.TRUNCATED_JSON, FaultKind.OTHER_ORDER, FaultKind.UNREADABLE, FaultKind.NO_PAGINATOR),
    *(FaultKind.SHIFT_BY_INSERT, FaultKind.SHIFT_BY_DELETE, FaultKind.EMPTY_PAGE),
]
EDITS = [
    {"email": "else@x.cz", "billingAddress": {"fullName": "Jiná Paní"}},
    {"status": status_of(7), "paid": None},
    {"items": [], "price": {"withVat": "0.00", "currencyCode": "EUR", "exchangeRate": "0.03980000"}},
    {"customerGuid": "c-1", "email": None, "status": None, "shipping": None},
]
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
NTH = st.integers(0, 200)  # which of the orders that there are
_tenants = count()

STEPS = st.one_of(
    st.tuples(st.just("create"), st.integers(1, 3)),
    st.tuples(st.just("edit"), NTH, st.sampled_from(EDITS)),
    st.tuples(st.just("edit_late"), NTH, st.sampled_from(EDITS)),
    st.tuples(st.just("cancel"), NTH),
    st.tuples(st.just("delete"), NTH),
    st.tuples(st.just("create_again"), NTH),
    st.tuples(st.just("forget_deletions")),
    st.tuples(st.just("wait"), st.sampled_from([0, 1, 30, 4000])),
    st.tuples(st.just("fail"), st.sampled_from(FAULTS), st.integers(1, 9), st.integers(1, 4)),
    st.tuples(st.just("refuse"), st.sampled_from(["date", "seconds", "past_date", "none"]), st.integers(1, 9)),
    st.tuples(st.sampled_from(["sync", "refresh", "reconcile"])),
)


@pytest.fixture(scope="module")
def unlimited():
    with SimulatedShop(now=YESTERDAY, options=Options(bucket_drops=None, connections=None)) as running:
        yield running


class World:
    """A simulated shop, its copy, and what may happen to the two."""

    def __init__(self, simulated, shop):
        self.simulated, self.shop, self.deleted = simulated, shop, []

    def read(self, service):
        """Read once, with whatever faults wait; a pause that the shop asked for is over at once."""
        Shop.objects.filter(id=self.shop.pk).update(paused_until=None)
        with suppress(clients.ShoptetError):
            service(shop_id=self.shop.pk, holder="test", report=lambda *_: None)

    def sync(self):
        self.read(services.fetch_new_orders)

    def refresh(self):
        self.read(services.refresh_statuses)

    def reconcile(self):
        self.read(services.reconcile_orders)

    def create(self, orders):
        for _ in range(orders):
            self.simulated.create_order()

    def edit(self, nth, changes):
        if code := self._code(nth):
            self.simulated.edit_order(code, changes)

    def edit_late(self, nth, changes):
        """Edit an order so that the shop shows it as changed an hour ago, but after its last change."""
        if code := self._code(nth):
            shop = self.simulated.shop
            changed_at = max(shop.clock.now() - HOUR, shop.find(code).changed_at + SECOND)
            self.simulated.edit_order(code, changes, changed_at=changed_at)

    def cancel(self, nth):
        if code := self._code(nth):
            self.simulated.cancel_order(code)

    def delete(self, nth):
        if code := self._code(nth):
            self.deleted.append(code)
            self.simulated.delete_order(code)

    def create_again(self, nth):
        if self.deleted and not self.simulated.shop.find(code := self.deleted[nth % len(self.deleted)]):
            self.simulated.create_order({"code": code, "guid": f"again {nth}", "email": "again@x.cz"})

    def forget_deletions(self):
        self.simulated.shop.forget_deletions()

    def fail(self, kind, every, times):
        self.simulated.inject(kind, every=every, times=times, seconds=0.4)

    def refuse(self, retry_after, every):
        self.simulated.inject(FaultKind.TOO_MANY_REQUESTS, retry_after=retry_after, every=every)

    def wait(self, seconds):
        self.simulated.advance(seconds)

    def _code(self, nth):
        codes = sorted(self.simulated.shop.bodies())
        return codes[nth % len(codes)] if codes else None


def rows(shop):
    """Return what is stored of a shop's living orders, field by field, but for ids and when each was fetched."""
    orders = {order["id"]: order for order in Order.objects.filter(channel=shop.channel, deleted_at=None).values()}
    lines = OrderItem.objects.filter(order__in=orders).order_by("order__code", "line_number").values()
    own = {"id", "tenant_id", "channel_id", "fetched_at", "order_id"}
    parts = [*sorted(orders.values(), key=lambda order: order["code"]), *lines]
    return [{name: value for name, value in part.items() if name not in own} for part in parts]


def connected(simulated):
    tenant = Tenant.objects.create(name=f"Tenant {next(_tenants)}")
    with tenant_scope(tenant.pk):
        return services.add_shop(tenant_id=tenant.pk, name="Shop", base_url=simulated.url, token=simulated.token)


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    report_multiple_bugs=False,
)
@given(orders=st.integers(0, 60), steps=st.lists(STEPS, min_size=4, max_size=16))
def test_one_quiet_sync_and_reconciliation_make_the_copy_the_shop(unlimited, monkeypatch, orders, steps):
    simulated = unlimited
    monkeypatch.setattr(clients.limits, "PAUSES_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(clients.limits, "READ_TIMEOUT_SECONDS", 0.3)
    simulated.reset()
    shop = connected(simulated)
    with tenant_scope(shop.tenant_id):
        world = World(simulated, shop)
        world.create(orders)
        world.sync()
        for step in steps:
            getattr(world, step[0])(*step[1:])
        simulated.clear_faults()
        simulated.advance(60)
        monkeypatch.setattr(clients.limits, "READ_TIMEOUT_SECONDS", 20.0)  # a busy machine is no fault of the shop

        Shop.objects.update(paused_until=None)
        services.fetch_new_orders(shop_id=shop.pk, holder="test", report=lambda *_: None)
        services.reconcile_orders(shop_id=shop.pk, holder="test", report=lambda *_: None)

        assert_copied(simulated)
        assert ParkedRecord.objects.filter(resolved_at=None).count() == 0
        copied = rows(shop)
    assert copied == rows_read_afresh(simulated)


def rows_read_afresh(simulated):
    """Return what another tenant has who reads the quiet shop for the first time."""
    shop = connected(simulated)
    with tenant_scope(shop.tenant_id):
        services.fetch_new_orders(shop_id=shop.pk, holder="test", report=lambda *_: None)
        return rows(shop)

import dataclasses
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django_scopes.exceptions import ScopeError

from modules.kernel.tenancy import all_tenants, tenant_scope
from modules.orders import services
from modules.orders.domain import ImportResult, StatusFacts
from modules.orders.events import orders_deleted, orders_imported
from modules.orders.models import Order, OrderItem, OrderStatus, SalesChannel
from tests.orders.factories import at, line_facts, make_channel, order_facts

pytestmark = pytest.mark.django_db
EARLIER, NOON, LATER = at("2026-03-01T11:00"), at("2026-03-01T12:00"), at("2026-03-01T13:00")


@pytest.fixture
def channel():
    with all_tenants():
        alices = make_channel()
    with tenant_scope(alices.tenant_id):
        yield alices


@pytest.fixture
def heard():
    """What the two signals said, as (name, order ids)."""
    said = []
    receivers = [
        (signal, lambda name=name, **payload: said.append((name, payload["order_ids"])))
        for name, signal in (("imported", orders_imported), ("deleted", orders_deleted))
    ]
    for signal, receiver in receivers:
        signal.connect(receiver)
    yield said
    for signal, receiver in receivers:
        signal.disconnect(receiver)


def importing(channel, *orders, fetched_at=NOON):
    return services.import_orders(channel_id=channel.pk, orders=orders, fetched_at=fetched_at)


def content():
    """Every stored column of every order and line."""
    return list(Order.objects.order_by("id").values()), list(OrderItem.objects.order_by("id").values())


def physical_versions():
    """Which transaction wrote each row: an untouched row keeps its number."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT xmin, cmin, ctid FROM orders_order UNION ALL SELECT xmin, cmin, ctid FROM orders_orderitem"
        )
        return cursor.fetchall()


def test_import_orders_stores_every_fact(channel):
    facts = order_facts("00123", email=" Jana@X.cz", lines=(line_facts(1), line_facts(2, amount=Decimal("0.505"))))

    result = importing(channel, facts)

    order = Order.objects.get()
    assert (order.tenant_id, order.channel_id, order.fetched_at) == (channel.tenant_id, channel.pk, NOON)
    assert (order.email, order.email_normalized) == (" Jana@X.cz", "jana@x.cz")
    stored = {name: getattr(order, name) for name in facts.__slots__ if name != "lines"}
    assert stored == {name: getattr(facts, name) for name in stored}
    lines = [
        {name: getattr(item, name) for name in facts.lines[0].__slots__} for item in order.items.order_by("line_number")
    ]
    assert lines == [dataclasses.asdict(line) for line in facts.lines]
    assert result == ImportResult(created_ids=(order.pk,))


def test_import_orders_twice_is_once_and_writes_no_row(channel, heard):
    first = importing(channel, order_facts("A1"), order_facts("A2"))
    before = physical_versions()

    second = importing(channel, order_facts("A1"), order_facts("A2"), fetched_at=LATER)

    assert physical_versions() == before
    assert second == ImportResult(unchanged=2)
    assert heard == [("imported", list(first.order_ids))]


def test_import_orders_updates_what_changed_and_says_which(channel):
    first = importing(channel, order_facts("A1"), order_facts("A2"))

    second = importing(channel, order_facts("A1", status_id=-4, changed_at=LATER), order_facts("A2"), fetched_at=LATER)

    assert second == ImportResult(updated_ids=first.created_ids[:1], unchanged=1)
    assert list(Order.objects.order_by("code").values_list("status_id", flat=True)) == [-4, -3]


@pytest.mark.parametrize(
    ("stored", "arriving", "wins"),
    [
        ((NOON, NOON), (LATER, EARLIER), True),  # a later change wins, whenever it was fetched
        ((NOON, NOON), (EARLIER, LATER), False),
        ((NOON, NOON), (NOON, LATER), True),  # one second holds many changes: the later fetch wins
        ((NOON, NOON), (NOON, EARLIER), False),
        ((None, NOON), (EARLIER, EARLIER), True),
        ((NOON, NOON), (None, LATER), False),
    ],
)
def test_import_orders_never_overwrites_newer_by_older(channel, stored, arriving, wins):
    importing(channel, order_facts("A1", full_name="stored", changed_at=stored[0]), fetched_at=stored[1])

    importing(channel, order_facts("A1", full_name="arriving", changed_at=arriving[0]), fetched_at=arriving[1])

    assert Order.objects.get().full_name == ("arriving" if wins else "stored")


def test_import_orders_takes_the_newest_of_a_code_that_comes_twice(channel):
    newer, older = order_facts("A1", full_name="newer", changed_at=LATER), order_facts("A1", full_name="older")

    result = importing(channel, newer, older)

    assert Order.objects.get().full_name == "newer"
    assert (len(result.created_ids), result.unchanged) == (1, 1)


def test_import_orders_writes_only_the_lines_that_differ(channel):
    lines = (line_facts(1), line_facts(2), line_facts(3))
    importing(channel, order_facts("A1", lines=lines))
    ids = dict(OrderItem.objects.values_list("line_number", "id"))
    untouched = "SELECT ctid, xmin FROM orders_orderitem WHERE line_number = 1"
    with connection.cursor() as cursor:
        before = cursor.execute(untouched).fetchall()

    importing(channel, order_facts("A1", lines=(lines[0], line_facts(2, name="Other")), raw={"new": 1}))

    with connection.cursor() as cursor:
        assert cursor.execute(untouched).fetchall() == before
    assert dict(OrderItem.objects.values_list("line_number", "id")) == {1: ids[1], 2: ids[2]}
    assert list(OrderItem.objects.order_by("line_number").values_list("name", flat=True)) == ["Thing", "Other"]


def test_import_orders_takes_as_many_queries_for_fifty_orders_as_for_one(channel):
    counts = []
    for batch in (1, 3, 50):
        with CaptureQueriesContext(connection) as queries:
            importing(channel, *(order_facts(f"{batch}-{number}") for number in range(batch)))
        counts.append(len(queries))

    assert counts[1:] == [counts[0], counts[0]]
    assert Order.objects.count() == 54


def test_import_orders_keeps_line_separators_and_emoji(channel):
    importing(channel, order_facts("A1", full_name="a\u2028b\u0085c 🎁"))

    assert Order.objects.get().full_name == "a\u2028b\u0085c 🎁"


def test_import_orders_is_all_or_nothing(channel):
    importing(channel, order_facts("A1"))
    before = content()

    with pytest.raises(IntegrityError), transaction.atomic():
        importing(channel, order_facts("A1", full_name="new", lines=()), order_facts("A2", exchange_rate=Decimal(-1)))

    assert content() == before


def test_mark_deleted_leaves_a_tombstone_and_tells_once(channel, heard):
    ids = importing(channel, order_facts("A1"), order_facts("A2")).order_ids

    marked = [services.mark_deleted(channel_id=channel.pk, codes=["A1", "unknown"], deleted_at=LATER) for _ in range(2)]

    assert marked == [ids[:1], ()]
    assert list(Order.objects.order_by("code").values_list("deleted_at", flat=True)) == [LATER, None]
    assert heard == [("imported", list(ids)), ("deleted", [ids[0]])]


def test_mark_deleted_spares_an_order_that_was_fetched_later(channel):
    importing(channel, order_facts("A1"), fetched_at=LATER)

    assert services.mark_deleted(channel_id=channel.pk, codes=["A1"], deleted_at=NOON) == ()


@pytest.mark.parametrize(("fetched_at", "alive"), [(EARLIER, False), (NOON, False), (LATER, True)])
def test_import_orders_revives_a_deleted_order_only_by_a_later_fetch(channel, fetched_at, alive):
    importing(channel, order_facts("A1", changed_at=LATER), fetched_at=EARLIER)
    services.mark_deleted(channel_id=channel.pk, codes=["A1"], deleted_at=NOON)

    importing(channel, order_facts("A1", guid="another", changed_at=EARLIER), fetched_at=fetched_at)

    assert (Order.objects.get().deleted_at is None) is alive


def test_confirm_fetched_moves_forward_only(channel):
    importing(channel, order_facts("A1"), order_facts("A2"), fetched_at=NOON)

    for moment in (LATER, EARLIER):
        services.confirm_fetched(channel_id=channel.pk, codes=["A1"], fetched_at=moment)

    assert list(Order.objects.order_by("code").values_list("fetched_at", flat=True)) == [LATER, NOON]


def test_describe_channel_makes_the_statuses_exactly_those_given(channel):
    for names in (("Nová", "Stará"), ("Nová",)):
        statuses = [StatusFacts(status_id=-n, name=name, position=n, marks_paid=False) for n, name in enumerate(names)]
        services.describe_channel(channel_id=channel.pk, currency="EUR", statuses=statuses)

    assert list(OrderStatus.objects.values_list("status_id", "name")) == [(0, "Nová")]
    assert SalesChannel.objects.get().currency == "EUR"


def test_a_stranger_sees_and_touches_nothing(channel):
    importing(channel, order_facts("A1"))
    before = content()
    with all_tenants():
        bobs = make_channel(tenant="Bob", name="Bob's shop")

    with tenant_scope(bobs.tenant_id):
        assert list(Order.objects.all()) == []
        with pytest.raises(SalesChannel.DoesNotExist):
            importing(channel, order_facts("A1", full_name="Bob was here"), fetched_at=LATER)
        with pytest.raises(SalesChannel.DoesNotExist):
            services.mark_deleted(channel_id=channel.pk, codes=["A1"], deleted_at=LATER)
        services.confirm_fetched(channel_id=channel.pk, codes=["A1"], fetched_at=LATER)

    assert content() == before


def test_orders_outside_any_scope_refuse_to_be_read():
    with pytest.raises(ScopeError):
        Order.objects.all().count()

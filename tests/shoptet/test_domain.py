import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.orders.domain import OrderFacts, StoredVersion, UnreadableOrder
from modules.shoptet import domain
from tests.shoptet.bodies import item, order, price

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
known_fields = st.sampled_from([*order(), "source"])


def read(**fields):
    return domain.read_order(order(**fields), default_currency="CZK")


def test_read_order_reads_a_whole_order():
    facts = read(paid=True, items=[item(amount="2.000"), item(itemType="shipping", code=None)])

    assert (facts.code, facts.full_name, facts.status_id, facts.is_paid) == ("2021000002", "Jana Nová", -1, True)
    assert facts.created_at == datetime(2021, 9, 29, 19, 17, 22, tzinfo=UTC)
    assert facts.changed_at == datetime(2021, 10, 9, 20, 23, 34, tzinfo=UTC)
    assert (facts.total_with_vat, facts.total_without_vat, facts.vat) == (Decimal(121), Decimal(100), Decimal(21))
    assert (facts.shipping_name, facts.payment_name) == ("Osobní odběr", "")
    assert [(line.line_number, line.code, line.amount) for line in facts.lines] == [
        (1, "0021", Decimal(2)),
        (2, "", Decimal(1)),
    ]


@pytest.mark.parametrize("amount", ["0.505", 0.505, " 0.505 "])
def test_read_order_takes_amounts_as_text_and_as_numbers(amount):
    assert read(items=[item(amount=amount)]).lines[0].amount == Decimal("0.505")


@pytest.mark.parametrize(("amount", "expected"), [(None, None), ("", None), (1, Decimal(1)), ("-2.000", Decimal(-2))])
def test_read_order_takes_absent_and_negative_amounts(amount, expected):
    assert read(items=[item(amount=amount)]).lines[0].amount == expected


@pytest.mark.parametrize("code", ["00123", "A/1", "č 7", "2021-1"])
def test_read_order_keeps_a_code_as_text(code):
    assert read(code=code).code == code


@pytest.mark.parametrize("paid", [True, False, None])
def test_read_order_tells_unpaid_from_unknown(paid):
    assert read(paid=paid).is_paid is paid


@pytest.mark.parametrize("address", [None, {}, {"company": None, "city": None}])
def test_read_order_takes_an_address_of_nulls_for_none(address):
    assert read(deliveryAddress=address).delivery_address is None


def test_read_order_divides_by_the_rate_of_the_order():
    facts = read(price=price("10.00", currencyCode="EUR", exchangeRate="0.03980000"))

    assert (facts.currency, facts.exchange_rate, facts.total_default) == ("EUR", Decimal("0.0398"), Decimal("251.26"))


@pytest.mark.parametrize("rate", ["0.00000000", None, ""])
def test_read_order_does_not_guess_a_value_without_a_rate(rate):
    assert read(price=price(currencyCode="EUR", exchangeRate=rate)).total_default is None


def test_read_order_keeps_the_lines_of_a_cancelled_order():
    facts = read(status={"id": -4, "name": "Stornována"}, price=price("0.00"))

    assert (facts.is_cancelled, facts.total_with_vat, facts.lines[0].total_with_vat) == (True, Decimal(0), Decimal(121))


def test_read_order_takes_an_order_of_nulls():
    facts = domain.read_order(dict.fromkeys(order()) | {"code": "N1"}, default_currency="CZK")

    assert (facts.code, facts.created_at, facts.total_default, facts.lines) == ("N1", None, None, ())


def test_read_order_drops_what_postgresql_cannot_hold_and_keeps_the_rest():
    facts = read(billingAddress={"fullName": "a\x00b\u2028c\x85d\ud800 🎁"})

    assert facts.full_name == "ab\u2028c\x85d? 🎁"
    assert facts.raw["billingAddress"] == {"fullName": "ab\u2028c\x85d? 🎁"}


def completed(*parts):
    return [{"itemType": kind, "code": code, "amount": amount, "itemId": None} for kind, code, amount in parts]


def test_read_order_finds_the_parts_of_a_set_once_and_without_a_price():
    completion = completed(("product", "0021", "2.000"), ("product-set-item", "A", "6.000"))

    facts = read(items=[item(), item(itemType="product-set", code="SET", amount="2.000")], completion=completion)

    assert [(line.line_number, line.code, line.amount, line.total_with_vat) for line in facts.lines] == [
        (1, "0021", Decimal(1), Decimal(121)),
        (2, "SET", Decimal(2), Decimal(121)),
        (3, "A", Decimal(6), None),
    ]


def test_read_order_does_not_take_parts_twice_that_are_lines_already():
    part = ("product-set-item", "A", "6.000")

    facts = read(items=[item(), item(itemType="product-set-item", code="A")], completion=completed(part))

    assert [line.code for line in facts.lines] == ["0021", "A"]


@pytest.mark.parametrize("completion", [None, "rubbish", ["rubbish"], [{"itemType": ["rubbish"]}], {}])
def test_read_order_reads_an_order_whose_completion_is_no_list_of_parts(completion):
    assert [line.code for line in read(completion=completion).lines] == ["0021"]


def test_read_order_takes_the_purchase_price_by_its_older_name():
    assert read(items=[item(buyPrice={"withoutVat": "80.00"})]).lines[0].purchase_price_without_vat == Decimal(80)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"code": ""}, "code"),
        ({"code": None}, "code"),
        ({"code": "x" * 101}, "code"),
        ({"price": "not available"}, "price"),
        ({"price": price("12,50")}, "price.withVat"),
        ({"price": price("1e20")}, "price.withVat"),
        ({"price": price("NaN")}, "price.withVat"),
        ({"price": price(exchangeRate="-1")}, "price.exchangeRate"),
        ({"price": price(currencyCode="CZKK")}, "price.currencyCode"),
        ({"items": "none"}, "items"),
        ({"items": [item(), "line"]}, "items[1]"),
        ({"items": [item(amount=True)]}, "items[0].amount"),
        ({"creationTime": "yesterday"}, "creationTime"),
        ({"creationTime": "2026-01-01T00:00:00"}, "creationTime"),
        ({"creationTime": "0001-01-01T00:00:00+0200"}, "creationTime"),
        ({"status": {"id": 10**30}}, "status.id"),
        ({"paid": "yes"}, "paid"),
        ({"customerGuid": "g" * 101}, "customerGuid"),
    ],
)
def test_read_order_names_the_field_that_cannot_be_read(fields, field):
    with pytest.raises(UnreadableOrder) as refusal:
        read(**fields)

    assert refusal.value.field == field


def test_read_order_refuses_a_pit_of_brackets():
    pit: list[object] = []
    for _ in range(2000):
        pit = [pit]

    with pytest.raises(UnreadableOrder):
        read(notes=pit)


@given(st.one_of(json_values, st.dictionaries(known_fields, json_values).map(lambda fields: order(**fields))))
@pytest.mark.slow
def test_read_order_reads_or_refuses_whatever_comes(record):
    try:
        facts = domain.read_order(record, default_currency="CZK")
    except UnreadableOrder:
        return

    assert isinstance(facts, OrderFacts)
    assert "\\u0000" not in json.dumps(facts.raw, allow_nan=False)


@given(st.decimals("-999999999", "999999999", places=2), st.decimals("-99999", "99999", places=3))
def test_read_order_keeps_every_cent_and_gram(total, amount):
    facts = read(price=price(str(total)), items=[item(amount=str(amount))])

    assert (facts.total_with_vat, facts.total_default, facts.lines[0].amount) == (total, total, amount)


@given(st.integers(0, 4_000_000_000), st.integers(-12 * 60, 14 * 60))
def test_read_order_reads_the_instant_that_an_offset_means(seconds, offset_minutes):
    moment = datetime.fromtimestamp(seconds, timezone(timedelta(minutes=offset_minutes)))

    assert read(creationTime=moment.strftime("%Y-%m-%dT%H:%M:%S%z")).created_at == moment


def test_read_order_tells_apart_both_half_past_twos_of_the_clock_change():
    summer, winter = (read(creationTime=f"2026-10-25T02:30:00+0{hours}00").created_at for hours in (2, 1))

    assert (summer, winter) == (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("stored", "needed"),
    [
        (None, True),
        (StoredVersion(NOON, NOON + 5 * SECOND, is_deleted=False), False),
        (StoredVersion(NOON, NOON + 4 * SECOND, is_deleted=False), True),  # the second of the change was not over
        (StoredVersion(NOON - HOUR, NOON + HOUR, is_deleted=False), True),
        (StoredVersion(NOON + HOUR, NOON + HOUR, is_deleted=False), True),  # restored from the shop's backup
        (StoredVersion(None, NOON + HOUR, is_deleted=False), True),
        (StoredVersion(NOON, NOON + HOUR, is_deleted=True), True),
    ],
)
def test_needs_detail(stored, needed):
    assert domain.needs_detail(domain.ListedOrder("A1", NOON), stored) is needed


def test_needs_detail_when_the_list_does_not_say_when():
    assert domain.needs_detail(domain.ListedOrder("A1", None), StoredVersion(None, NOON, is_deleted=False)) is True


@pytest.mark.parametrize(
    ("position_at", "lookback", "expected"),
    [
        (NOON, None, NOON - 2 * HOUR),
        (NOON, 24, NOON - 2 * HOUR),
        (None, None, None),
        (None, 24, NOON - 23 * HOUR),
    ],
)
def test_plan_window_overlaps_or_falls_back(position_at, lookback, expected):
    window = domain.plan_window(position_at=position_at, shop_time=NOON + HOUR, fallback_lookback_hours=lookback)

    assert window == domain.Window(expected, NOON + HOUR)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30),
        ("Sun, 01 Mar 2026 13:00:40 GMT", 40),  # the shop's clock is an hour ahead: only the difference counts
        ("Sun, 01 Mar 2026 12:00:00 GMT", 14),
        ("0", 14),
        ("-5", 14),
        ("soon", 14),
        ("", 14),
        (None, 14),
        ("99999999999999", 900),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 900),
    ],
)
def test_retry_at_reads_dates_and_seconds_within_reason(header, seconds):
    assert domain.retry_at(header, now=NOON, shop_time=NOON + HOUR) == NOON + seconds * SECOND


@given(st.text(max_size=40))
def test_retry_at_always_finds_a_time_to_come(header):
    assert NOON < domain.retry_at(header, now=NOON, shop_time=NOON) <= NOON + domain.MAX_WAIT


@pytest.mark.parametrize("data", [None, [], {}, {"orders": []}, {"orders": {}, "paginator": {}}, {"paginator": {}}])
def test_read_page_refuses_what_is_no_page(data):
    with pytest.raises(UnreadableOrder):
        domain.read_page(data, rows="orders")


def test_read_listed_takes_an_unreadable_time_for_unknown():
    assert domain.read_listed({"code": "A1", "changeTime": "?"}) == domain.ListedOrder("A1", None)

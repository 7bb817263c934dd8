from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.orders.domain import normalized_email, value_in_default_currency


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        (" Jana@Example.COM ", "jana@example.com"),
        ("STRASSE@x.de", "strasse@x.de"),
        ("Straße@x.de", "strasse@x.de"),
        ("", ""),
        ("   ", ""),
        ("-", ""),
        ("nemá", ""),
        ("a" * 250 + "@x.cz", ""),
    ],
)
def test_normalized_email_compares_people_and_not_spellings(written, compared):
    assert normalized_email(written) == compared


@pytest.mark.parametrize(
    ("currency", "rate", "expected"),
    [
        ("CZK", "1.00000000", Decimal("10.00")),
        ("CZK", "0.04000000", Decimal("10.00")),  # the default currency is worth itself
        ("EUR", "0.03980000", Decimal("251.26")),
        ("EUR", "0", None),
        ("EUR", None, None),
    ],
)
def test_value_in_default_currency_divides_by_the_orders_own_rate(currency, rate, expected):
    value = value_in_default_currency(
        Decimal("10.00"), currency=currency, default_currency="CZK", exchange_rate=rate and Decimal(rate)
    )

    assert value == expected


def test_value_in_default_currency_of_an_unknown_amount_is_unknown():
    assert value_in_default_currency(None, currency="CZK", default_currency="CZK", exchange_rate=Decimal(1)) is None


@given(st.decimals("-9999999", "9999999", places=2), st.sampled_from(["CZK", ""]))
def test_value_in_default_currency_never_changes_an_amount_at_rate_one(amount, default_currency):
    value = value_in_default_currency(
        amount, currency="EUR", default_currency=default_currency, exchange_rate=Decimal("1.00000000")
    )

    assert value == amount

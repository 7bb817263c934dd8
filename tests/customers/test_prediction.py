"""The models against what their authors published of the CDNOW sample."""

from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import pytest

from modules.customers.domain import (
    History,
    PurchaseModel,
    ValueModel,
    fit_purchases,
    fit_values,
    purchase_log_likelihood,
)

SAMPLE = Path(__file__).parents[1] / "data" / "cdnow_sample.txt"
CALIBRATED_UNTIL = date(1997, 9, 30)  # the authors' 39 weeks
PUBLISHED = PurchaseModel(r=0.243, alpha=4.414, a=0.793, b=2.426)
PUBLISHED_VALUE = ValueModel(p=6.25, q=3.74, gamma=15.44)


@pytest.fixture(scope="module")
def purchases():
    """What each customer spent by day: purchases of one day are one."""
    spent = defaultdict(lambda: defaultdict(float))
    for line in SAMPLE.read_text(encoding="ascii").split("\n"):
        if fields := line.split():
            day = date.fromisoformat(f"{fields[2][:4]}-{fields[2][4:6]}-{fields[2][6:]}")
            spent[fields[0]][day] += float(fields[4])
    return list(spent.values())


@pytest.fixture(scope="module")
def histories(purchases):
    """The authors' summary of the first 39 weeks; value is the mean of the repeat purchases."""
    return [summary({day: spent for day, spent in days.items() if day <= CALIBRATED_UNTIL}) for days in purchases]


def summary(days):
    first, last, repeats = min(days), max(days), len(days) - 1
    values = [value for day, value in days.items() if day > first]
    week = timedelta(days=7)
    return History(
        repeats, (last - first) / week, (CALIBRATED_UNTIL - first) / week, sum(values) / repeats if repeats else None
    )


def test_the_purchase_model_is_the_published_one(histories):
    model = fit_purchases(histories)

    found = tuple(round(value, 3) for value in (model.r, model.alpha, model.a, model.b))
    assert len(histories) == 2357
    assert found == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=0.0015)
    assert round(purchase_log_likelihood(model, histories), 1) == -9582.4


def test_the_value_model_is_the_published_one(histories):
    model = fit_values(histories)

    assert sum(history.repeats > 0 for history in histories) == 946
    assert (model.p, model.q, model.gamma) == pytest.approx((6.25, 3.74, 15.44), abs=0.02)


def test_the_expected_purchases_are_the_published_ones():
    customer = History(repeats=2, recency=30.43, age=38.86)

    assert round(PUBLISHED.expected_purchases(customer, weeks=39), 3) == 1.226


def test_the_customers_of_the_sample_bought_about_as_often_as_they_were_expected_to(purchases, histories):
    until = CALIBRATED_UNTIL + timedelta(weeks=39)
    bought = sum(CALIBRATED_UNTIL < day <= until for days in purchases for day in days)

    expected = sum(PUBLISHED.expected_purchases(history, weeks=39) for history in histories)

    # The sample bought more in its second autumn than any model of steady rates can know.
    assert (bought, round(expected)) == (1882, pytest.approx(bought, rel=0.13))


def test_who_bought_once_is_alive_and_a_long_silence_after_many_purchases_means_gone():
    once, silent, fresh = History(0, 0, 20), History(20, 30, 90), History(20, 89, 90)

    chances = [PUBLISHED.chance_alive(customer) for customer in (once, silent, fresh)]

    assert chances[0] == 1.0
    assert chances[1] < 0.001
    assert chances[2] > 0.9


def test_the_expected_value_moves_from_the_mean_of_all_to_the_customers_own():
    everybodys = PUBLISHED_VALUE.p * PUBLISHED_VALUE.gamma / (PUBLISHED_VALUE.q - 1)

    values = [PUBLISHED_VALUE.expected_value(History(x, 1, 2, 100.0 if x else None)) for x in (0, 1, 5, 500)]

    assert values[0] == pytest.approx(everybodys)
    assert values == sorted(values)
    assert values[-1] == pytest.approx(100, rel=0.01)


def test_an_unknown_value_is_everybodys():
    assert PUBLISHED_VALUE.expected_value(History(3, 1, 2)) == PUBLISHED_VALUE.expected_value(History(0, 0, 2))


def test_too_few_customers_make_no_model():
    few = [History(1, 1.0, 2.0, 10.0)] * 99

    assert (fit_purchases(few), fit_values(few)) == (None, None)


def test_a_model_whose_a_is_one_divides_by_nothing():
    found = PurchaseModel(r=0.2, alpha=4, a=1.0, b=2.0).expected_purchases(History(2, 30, 39), weeks=39)
    near = PurchaseModel(r=0.2, alpha=4, a=1.0001, b=2.0).expected_purchases(History(2, 30, 39), weeks=39)

    assert found == pytest.approx(near, rel=1e-2)

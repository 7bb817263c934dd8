"""When drafts are warned of and go, when a failed change is tried again, and what a change looks like."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from modules.drafts.domain import InvalidOperation, Retention, RetryTable, as_text, check_operation

NOW = datetime(2025, 1, 13, 9, tzinfo=UTC)


def test_the_gaps_between_tries_are_those_of_the_table_and_then_it_is_over():
    table = RetryTable()

    gaps = [table.next_at(retries=number, now=NOW) for number in range(6)]

    assert [gap and (gap - NOW) // timedelta(minutes=1) for gap in gaps] == [5, 15, 60, 240, 1440, None]


def test_a_shorter_table_goes_on_with_its_last_delay():
    assert RetryTable([1, 2], 3).next_at(retries=2, now=NOW) == NOW + timedelta(minutes=2)


@pytest.mark.parametrize(("delays", "most"), [([], 5), ([0], 5), ([5, -1], 5), ([5], 0)])
def test_a_table_that_cannot_be_followed_is_refused(delays, most):
    with pytest.raises(ValueError, match="1 or more"):
        RetryTable(delays, most)


def test_the_example_of_the_description():
    """A draft of 20 December, 10:00, is warned of on 13 January that it goes on the 20th at midnight, in 7 days."""
    retention, created_at = Retention(), datetime(2024, 12, 20, 10, tzinfo=UTC)

    assert created_at < retention.warned_before(NOW)
    assert not created_at < retention.warned_before(NOW - timedelta(days=1))
    assert as_text(retention.expires_at(NOW)) == "2025-01-20T00:00:00Z"


@pytest.mark.parametrize("day", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)])
def test_a_clock_change_makes_no_week_shorter(day):
    """The promise is the same whatever the clocks on the wall do in between."""
    local = (day - timedelta(days=3)).astimezone(ZoneInfo("Europe/Prague")).replace(hour=10)

    promised = Retention().expires_at(local)

    assert (promised - local) >= timedelta(days=6, hours=14)
    assert (promised.hour, promised.minute) == (0, 0)


@pytest.mark.parametrize(("days", "warning"), [(7, 7), (3, 7), (30, 0)])
def test_a_warning_that_is_no_warning_is_refused(days, warning):
    with pytest.raises(ValueError, match="warn_days"):
        Retention(days, warning)


@pytest.mark.parametrize(
    ("operation", "payload", "field"),
    [
        ("drop_table", {}, "operation"),
        ("update_record", {"baseVersion": 1}, "recordId"),
        ("update_record", {"recordId": "x", "baseVersion": 1}, "recordId"),
        ("update_record", {"recordId": str(uuid4()), "baseVersion": True}, "baseVersion"),
        ("update_record", {"recordId": str(uuid4()), "baseVersion": 1, "status": "draft"}, "status"),
        ("create_record", {"recordId": str(uuid4()), "propertyId": str(uuid4()), "title": "x" * 201}, "title"),
        ("add_comment", {"commentId": str(uuid4()), "recordId": str(uuid4()), "text": "a\0b"}, "text"),
    ],
)
def test_an_operation_that_can_never_be_done_is_refused_by_name(operation, payload, field):
    with pytest.raises(InvalidOperation) as refused:
        check_operation(operation, payload)

    assert refused.value.field == field

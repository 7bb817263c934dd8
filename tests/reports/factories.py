"""People who have been here for long."""

from datetime import UTC, datetime

from tests.drafts import factories

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def make_member(tenant, username, **fields):
    return factories.make_member(tenant, username, **{"date_joined": LONG_AGO, **fields})

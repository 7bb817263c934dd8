"""PostgreSQL's clock in the hands of a test: what the ledger decides by, apart from the clock of this host."""

from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

_MAKE = """
    CREATE SCHEMA test_clock;
    CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql
        AS $$ SELECT current_setting('test_clock.now')::timestamptz $$;
    CREATE FUNCTION test_clock.statement_timestamp() RETURNS timestamptz LANGUAGE sql
        AS $$ SELECT current_setting('test_clock.now')::timestamptz $$;
    SET LOCAL search_path TO test_clock, pg_catalog, public"""


class DatabaseClock:
    """Stands still until the test moves it; ends with the transaction in which it was made."""

    def __init__(self, *, ahead_seconds: float = 0) -> None:
        self.now: datetime = timezone.now() + timedelta(seconds=ahead_seconds)
        with connection.cursor() as cursor:
            cursor.execute(_MAKE)
        self._set()

    def advance(self, seconds: float) -> None:
        """Let the seconds pass."""
        self.now += timedelta(seconds=seconds)
        self._set()

    def _set(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('test_clock.now', %s, TRUE)", [self.now.isoformat()])

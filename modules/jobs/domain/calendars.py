"""Days on which nobody works: public holidays of a country, and weekends."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import cache

from holidays import HolidayBase, country_holidays, list_supported_countries

SATURDAY = 5


@cache
def countries() -> list[str]:
    """Return the codes (ISO 3166-1, two letters) of the countries whose public holidays are known, in order."""
    return sorted(list_supported_countries(include_aliases=False))


def days_off(*, country: str, weekends: bool) -> Callable[[date], str]:
    """Return what tells a day's name when nobody works on it, and "" for a working day.

    `country` is one of `countries()`, or "" for none. Holidays that hold in a part of a country only do not count.
    """
    calendar = _calendar(country) if country else None

    def name(day: date) -> str:
        if calendar is not None and (found := calendar.get(day)):
            return str(found)
        return f"{day:%A}" if weekends and day.weekday() >= SATURDAY else ""

    return name


def next_working_day(day: date, off: Callable[[date], str]) -> date:
    """Return the first day after `day` that has no name in `off`."""
    day += timedelta(days=1)
    while off(day):
        day += timedelta(days=1)
    return day


@cache
def _calendar(country: str) -> HolidayBase:
    return country_holidays(country, language="en_US")

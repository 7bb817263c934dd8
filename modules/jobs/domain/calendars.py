"""Days on which nobody works: public holidays of a country, and weekends."""

import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import cache

WEEKEND = {5: "Saturday", 6: "Sunday"}
DAY = timedelta(days=1)

DayName = Callable[[date], str]


@cache
def countries() -> Mapping[str, str]:
    """Return the countries whose public holidays are known: code (ISO 3166-1, two letters) to name, by code."""
    from holidays.registry import COUNTRIES  # here, since loading it takes 0.3 s and most schedules need none

    spaced = {code: re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name) for name, code, *_others in COUNTRIES.values()}
    return dict(sorted(spaced.items()))


def days_off(*, country: str, weekends: bool, language: str = "en") -> DayName:
    """Return what tells a day's name when nobody works on it, and "" for a working day.

    `country` is one of `countries()`, or "" for none. Holidays that hold in a part of a country only do not count.
    Their names are in `language` where the country has it, else in English; those of weekdays are in English.
    """

    def name(day: date) -> str:
        holiday = _holidays(country, day.year, language).get(day, "") if country else ""
        return holiday or (WEEKEND.get(day.weekday(), "") if weekends else "")

    return name


def next_working_day(day: date, off: DayName) -> date:
    """Return the first day after `day` that has no name in `off`."""
    day += DAY
    while off(day):
        day += DAY
    return day


@cache  # whole years that never change: the library's own calendar fills itself while it is read, by any thread
def _holidays(country: str, year: int, language: str) -> Mapping[date, str]:
    from holidays import country_holidays

    return dict(country_holidays(country, years=year, language={"en": "en_US"}.get(language, language)))

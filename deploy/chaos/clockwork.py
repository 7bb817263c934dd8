"""R11: schedules under a virtual clock: both nights of the clock change, jumps, an outage of a week, three schedulers.

`python -m deploy.chaos.clockwork SEED FILE` does it on the database of DATABASE_URL, which must be empty, and
writes what it found to the file, as JSON.
"""

import json
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django
from django.core.management import call_command
from django.db import connection

MINUTE = timedelta(minutes=1)
SCHEDULERS = 3
PRAGUE = "Europe/Prague"


def at(text: str) -> datetime:
    """Return a time of 2026 in UTC from "month-day hour:minute"."""
    return datetime.strptime(f"2026-{text}", "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    """What the schedulers' clock shows, look by look, and the due times (UTC) that must have fired, exactly these."""

    name: str
    looks: Sequence[datetime]
    expected: dict[str, list[str]]
    catch_up: str = "all"


def around(start: str, end: str) -> list[datetime]:
    """Return the minutes about each full and half hour from `start` to `end`, the first and the last included."""
    minutes = every_minute(start, end)
    return [minute for minute in minutes if minute.minute % 30 in {0, 1, 29} or minute in {minutes[0], minutes[-1]}]


def every_minute(start: str, end: str) -> list[datetime]:
    """Return each minute from `start` to `end`, both included."""
    first, last = at(start), at(end)
    return [first + MINUTE * number for number in range(int((last - first) / MINUTE) + 1)]


# The due times are written down by hand from the calendar: Prague is UTC+1, and UTC+2 from 29 March 01:00 UTC
# to 25 October 01:00 UTC; both days are Sundays.
SPRING = Case(
    "29 March, 02:00-03:00 does not exist",
    around("03-28 22:50", "03-29 06:10"),
    {
        "30 2 * * *": ["03-29 01:00"],  # right after the gap
        "0 3 * * *": ["03-29 01:00"],
        "0 0 * * 0": ["03-28 23:00"],
        "0 8 * * 7": ["03-29 06:00"],
        "0 8 * * sun": ["03-29 06:00"],
        "0 8 * * 0,6": ["03-29 06:00"],
        "0 8 * * 1": [],
        "0 * * * *": [f"03-{day} {hour:02}:00" for day, hour in ((28, 23), *((29, hour) for hour in range(7)))],
    },
)
AUTUMN = Case(
    "25 October, 02:00-03:00 comes twice",
    around("10-24 21:50", "10-25 07:10"),
    {
        "30 2 * * *": ["10-25 00:30"],  # the first of the two
        "0 3 * * *": ["10-25 02:00"],
        "0 0 * * 0": ["10-24 22:00"],
        "0 8 * * 7": ["10-25 07:00"],
        "*/30 2 * * *": ["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30"],
    },
)
_JUMPY = [
    *every_minute("06-01 08:00", "06-01 08:10"),
    *every_minute("06-01 08:21", "06-01 08:30"),  # ten minutes forward
    *every_minute("06-01 08:20", "06-01 08:40"),  # ten minutes back
]
JUMPS = Case(
    "the clock jumps 10 minutes forward and back",
    _JUMPY,
    {"*/5 * * * *": [f"06-01 08:{minute:02}" for minute in range(5, 45, 5)], "15 * * * *": ["06-01 08:15"]},
)
_WEEK = [at("05-04 12:00"), at("05-11 12:00"), at("05-11 12:01")]
OUTAGES = [
    Case("a week without schedulers, all", _WEEK, {"0 6 * * *": [f"05-{day:02} 04:00" for day in range(5, 12)]}, "all"),
    Case("a week without schedulers, one", _WEEK, {"0 6 * * *": ["05-11 04:00"]}, "one"),
    Case("a week without schedulers, none", _WEEK, {"0 6 * * *": []}, "none"),
]
CASES = [SPRING, AUTUMN, JUMPS, *OUTAGES]


class Killed(Exception):
    """A scheduler died between two statements."""


def main(arguments: list[str]) -> int:
    """Run every case; write {"fired": how many, "wrong": [what was wrong]}; return 0."""
    django.setup()
    call_command("migrate", verbosity=0)
    rng = random.Random(int(arguments[0]))  # noqa: S311 -- a repeatable plan is the purpose
    results = [_play(case, rng) for case in CASES]
    found = {"fired": sum(fired for fired, _ in results), "wrong": [line for _, wrong in results for line in wrong]}
    Path(arguments[1]).write_text(json.dumps(found), encoding="utf-8")
    return 0


def _play(case: Case, rng: random.Random) -> tuple[int, list[str]]:
    """Let three schedulers look at the case's clock; return how many due times fired, and what was wrong."""
    from modules.jobs.models import Job, JobSchedule, ScheduleFiring  # not above: Django must be set up first

    JobSchedule.objects.all().delete()
    Job.objects.all().delete()
    for cron in case.expected:
        JobSchedule.objects.create(
            key=cron,
            actor="jobs.prune_jobs",
            default_cron=cron,
            default_timezone=PRAGUE,
            default_options={},
            overlap="allow",
            catch_up=case.catch_up,
            evaluated_until=case.looks[0],
        )
    with ThreadPoolExecutor(SCHEDULERS) as pool:
        for look in case.looks:
            _look(pool, look, lives=_lives(rng))
        _look(pool, case.looks[-1], lives=[True])  # whoever was dead at the last look comes back
    fired = ScheduleFiring.objects.filter(outcome="fired").order_by("due_at")
    times = {cron: list(fired.filter(schedule__key=cron).values_list("due_at", flat=True)) for cron in case.expected}
    wanted = {cron: [at(text) for text in texts] for cron, texts in case.expected.items()}
    wrong = [f"{case.name}: {cron}: {_text(times[cron])}" for cron in wanted if times[cron] != wanted[cron]]
    sent = sum(len(due) for due in times.values())
    jobs = Job.objects.count()
    return sent, wrong + ([] if jobs == sent else [f"{case.name}: {sent} due times fired, {jobs} jobs"])


def _text(times: Sequence[datetime]) -> str:
    return ", ".join(f"{time:%m-%d %H:%M}" for time in times) or "never"


def _lives(rng: random.Random) -> list[bool]:
    """Return for each scheduler whether it survives this look; one in four dies in the middle of it."""
    return [rng.random() > 0.25 for _ in range(SCHEDULERS)]


def _look(pool: ThreadPoolExecutor, now: datetime, *, lives: Sequence[bool]) -> None:
    """Let the schedulers look at the clock, all at once."""
    for look in [pool.submit(_scheduler, now, is_alive=is_alive) for is_alive in lives]:
        look.result()


def _scheduler(now: datetime, *, is_alive: bool) -> None:
    """Be a scheduler for one look; a dying one never gets to its sixth statement."""
    from modules.jobs import services

    with suppress(Killed), connection.execute_wrapper(_watch(None if is_alive else 5)):
        services.fire_due_schedules(now=now)


def _watch(dies_after: int | None) -> Callable[..., object]:
    """Return a wrapper of statements that raises after so many; None never does."""
    left: Iterator[int] = iter(range(dies_after)) if dies_after is not None else iter(int, 1)

    def wrapper(execute: Callable[..., object], *arguments: object) -> object:
        if next(left, None) is None:
            raise Killed
        return execute(*arguments)

    return wrapper


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`manage.py job_schedules`: what runs by itself, when next and why then, and what came of the last times."""

import json
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modules.jobs import selectors, services
from modules.jobs.domain import CALENDAR, InvalidSchedule, outlook
from modules.jobs.models import JobSchedule
from modules.jobs.registry import InvalidArguments, UnknownActor
from modules.kernel import clock


class Command(BaseCommand):
    help = "List schedules, or show one with its rules, its next runs and its last ones; or run it now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("schedule", nargs="?", metavar="KEY", help="only this one")
        parser.add_argument("--limit", type=int, help="rows at most (default: 100, for one schedule 10)")
        parser.add_argument("--json", action="store_true", help="one JSON object for each schedule")
        parser.add_argument("--run", action="store_true", help="send its job now, whatever its times")

    def handle(self, *_args: Any, **options: Any) -> None:
        key, as_json, limit = options["schedule"], options["json"], options["limit"]
        if key is None and options["run"]:
            raise CommandError("Name the schedule: job_schedules KEY --run")
        if key is None:
            self._list(limit=_most(limit, default=100), as_json=as_json)
        elif options["run"]:
            self._tell([_run(_schedule(key), now=clock.now())])
        else:
            row = one_row(_schedule(key), now=clock.now(), limit=_most(limit, default=10))
            self._tell([json.dumps(row)] if as_json else _lines(row))

    def _list(self, *, limit: int, as_json: bool) -> None:
        now = clock.now()
        rows = [schedule_row(one, now=now) for one in selectors.schedules(limit=limit)]
        self._tell([json.dumps(row) if as_json else _line(row) for row in rows])

    def _tell(self, lines: list[str]) -> None:
        for line in lines:
            self.stdout.write(line)


def _most(limit: int | None, *, default: int) -> int:
    return default if limit is None else max(limit, 0)


def _schedule(key: str) -> JobSchedule:
    try:
        return selectors.get_schedule(key)
    except JobSchedule.DoesNotExist:
        raise CommandError(f"There is no schedule {key!r}; `manage.py job_schedules` lists them.") from None


def _run(schedule: JobSchedule, *, now: datetime) -> str:
    try:
        return str(services.run_schedule_now(key=schedule.key, now=now))
    except (UnknownActor, InvalidArguments) as error:
        raise CommandError(f"This schedule cannot run: {error}") from None


def schedule_row(schedule: JobSchedule, *, now: datetime) -> dict[str, Any]:
    """Return what is told of a schedule, ready for JSON; times are in its own zone."""
    return {
        "key": schedule.key,
        "actor": schedule.actor,
        "cron": schedule.effective_cron,
        "timezone": schedule.effective_timezone,
        "enabled": schedule.runs,
        "next": _local(selectors.next_run(schedule, now=now), schedule),
        "last": _local(schedule.last_fired_at, schedule),
        "waits": _local(schedule.waiting_due_at, schedule),
        "problem": schedule.problem,
    }


def one_row(schedule: JobSchedule, *, now: datetime, limit: int) -> dict[str, Any]:
    """Return the same with the rules, at most `limit` due times ahead and as many that have been."""
    rules = {name: getattr(schedule, name) for name in ("overlap", "catch_up", *CALENDAR)}
    firings = [
        {"due": _local(one.due_at, schedule), "outcome": one.outcome, "reason": one.reason}
        for one in selectors.newest_firings(schedule, limit=limit)
    ]
    return {**schedule_row(schedule, now=now), **rules, "ahead": _ahead(schedule, now, limit), "firings": firings}


def _ahead(schedule: JobSchedule, now: datetime, limit: int) -> list[dict[str, Any]]:
    try:
        due = outlook(schedule.timetable, after=now, count=max(limit, 1))[:limit]
    except InvalidSchedule:
        return []
    timezone = schedule.effective_timezone
    return [
        {"due": _local(one.at, schedule), "runs": one.runs, "note": services.due_note(one, timezone=timezone)}
        for one in due
    ]


def _local(at: datetime | None, schedule: JobSchedule) -> str | None:
    return at.astimezone(_zone(schedule.effective_timezone)).isoformat(timespec="seconds") if at else None


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):  # a problem of the schedule, which is to be shown
        return UTC


def _line(row: dict[str, Any]) -> str:
    state = row["next"] or ("off" if not row["enabled"] else "no next run")
    return f"{row['key']:<36}  {row['cron']:<16}  {state:<25}  {row['problem']}".rstrip()


def _lines(row: dict[str, Any]) -> list[str]:
    ahead, firings = row.pop("ahead"), row.pop("firings")
    return [
        *(f"{name:<16} {value}" for name, value in row.items() if value not in ("", None)),
        "next:",
        *(f"  {one['due']} {'' if one['runs'] else '-- '}{one['note']}".rstrip() for one in ahead),
        "last:",
        *(f"  {one['due']} {one['outcome']} {one['reason']}".rstrip() for one in firings),
    ]

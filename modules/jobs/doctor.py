"""What `jobs_doctor` looks at: is the ledger as the code believes, does the broker hold what the ledger says."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection

from modules.jobs import clients, health, selectors, services
from modules.jobs.domain import allowed_steps
from modules.kernel import clock

MOST_CLOCKS_DIFFER_SECONDS = 2.0
MOST_PASSES = 50  # of the dispatcher: each moves some hundreds of jobs


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, and the way out: what `--fix` does, or what a person must do."""

    what: str
    remedy: str
    is_fixable: bool = False


Check = Callable[[], list[Finding]]


def examine() -> dict[str, list[Finding]]:
    """Return what each check found; when the database or the broker is away, that alone."""
    away = health.run_checks(health.READY_CHECKS)
    found = {name: [Finding(reason, _BASICS[name]) for reason in reasons] for name, reasons in away.items()}
    return found if any(found.values()) else {**found, **{name: check() for name, check in CHECKS.items()}}


def repair() -> None:
    """Do all that `--fix` can; safe to repeat, and while everything runs."""
    for queue in clients.broken_lanes(_queues()):
        clients.mend_lane(queue)
    services.fire_due_schedules(now=clock.now())
    for _ in range(MOST_PASSES):
        done = services.dispatch()
        if not (done.rescued or done.quarantined or done.timed_out or done.promoted or done.rung or done.settled):
            break


_BASICS = {
    "database": "Start PostgreSQL, or set DATABASE_URL.",
    "broker": "Start Redis or RabbitMQ, or set BROKER_URL; jobs are kept meanwhile.",
    "migrations": "Run `manage.py migrate`.",
}


def _queues() -> list[str]:
    pools: Mapping[str, list[str]] = settings.JOBS["POOLS"]
    return [queue for queues in pools.values() for queue in queues]


def _lanes() -> list[Finding]:
    remedy = "It is put aside, under its name with .found."
    return [Finding(reason, remedy, True) for reason in health.broken_lanes()]


_MISPLACED = {
    "abandoned": ("run in a worker that is dead", "They are queued again."),
    "overdue": ("run past their time limit", "They are timed out and tried again."),
    "asleep": ("should have been woken", "They are queued."),
    "unheard": ("were rung for, but no lane has their bell", "They are rung for again."),
}


def _ledger() -> list[Finding]:
    if health.broken_lanes():
        return []  # the lanes come first: who is unheard can be said when they are lanes again
    imbalance = selectors.ledger_imbalance()
    return [
        Finding(f"{count} jobs {what}.", remedy, True)
        for name, (what, remedy) in _MISPLACED.items()
        if (count := imbalance[name])
    ]


def _workers() -> list[Finding]:
    served = selectors.served_queues(now=clock.now())
    remedy = "Start a worker: `dramatiq config.workers --queues {}`."
    return [
        Finding(f"No living worker serves {queue}.", remedy.format(queue)) for queue in _queues() if queue not in served
    ]


def _schedules() -> list[Finding]:
    most = settings.JOBS["HEALTH"]["SCHEDULE_LAG_SECONDS"]
    late = {key: lag for key, lag in selectors.schedule_lags(now=clock.now()).items() if lag > most}
    remedy = "What is due is sent; is the scheduler (`periodiq config.workers`) running?"
    return [Finding(f"{key} is {lag:.0f} s late.", remedy, True) for key, lag in sorted(late.items())]


def _code() -> list[Finding]:
    unfit = sum(1 for _job, problem in selectors.check_unfinished() if problem)
    remedy = "`manage.py jobs_preflight` names them."
    return [Finding(f"{unfit} unfinished jobs do not fit this code.", remedy)] if unfit else []


def _guard() -> list[Finding]:
    """Compare the steps that the database lets jobs take with those that the code takes."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT prosrc FROM pg_proc JOIN pg_trigger ON pg_trigger.tgfoid = pg_proc.oid
            WHERE tgrelid = 'jobs_job'::regclass AND tgname = 'jobs_guard_state' AND tgenabled <> 'D'"""
        )
        row = cursor.fetchone()
    known = set(re.findall(r"'(\w+>\w+)'", row[0])) if row else set()
    if known == {f"{source}>{target}" for source, target in allowed_steps()}:
        return []
    what = "lets jobs take other steps than the code does" if row else "does not guard the states of jobs"
    return [Finding(f"The database {what}.", "Migrate to this code's version: `manage.py migrate jobs`.")]


def _clocks() -> list[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        told: datetime = cursor.fetchone()[0]
    apart = (clock.now() - told).total_seconds()
    if abs(apart) <= MOST_CLOCKS_DIFFER_SECONDS:
        return []
    which = "ahead of" if apart > 0 else "behind"
    return [Finding(f"This host's clock is {abs(apart):.0f} s {which} PostgreSQL's.", "Let NTP set both clocks.")]


CHECKS: Mapping[str, Check] = {
    "lanes": _lanes,
    "ledger": _ledger,
    "workers": _workers,
    "schedules": _schedules,
    "code": _code,
    "guard": _guard,
    "clocks": _clocks,
}

"""A week that never was: what `make run` fills an empty ledger with, so that the console has something to show.

Its jobs carry the tag `demo`; a failed one that is replayed runs like any other. `make run EMPTY=1` leaves it out.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from psycopg.types.json import Jsonb

from modules.jobs import services
from modules.jobs.domain import Outcome, State, due_times, fingerprint
from modules.jobs.models import Job, JobSchedule, ScheduleFiring
from modules.kernel import clock
from modules.kernel.tenancy import all_tenants
from modules.shoptet.models import Shop

DAYS = 7  # as long as the ledger keeps jobs that have ended
SEED = 2026  # the same week for everybody
TAG = "demo"
RETRIED, CANCELLED = 0.03, 0.005  # shares of the jobs
DEAD = 110  # dead letters, nearly all of the last two days
PAUSED_QUEUE, WAITING = "integrations", 12
FIRINGS = 24  # of each schedule, as many as its strip shows
LATE = "customers.recalculate_metrics"  # the schedule that has missed its time

Arguments = dict[str, Any]
Row = dict[str, Any]
"""By column."""


class Life(NamedTuple):
    """A job that has ended, and its runs."""

    job: Row
    runs: list[Row]


@dataclass(frozen=True)
class Trouble:
    """An error, and its share of the dead letters."""

    error: str
    message: str
    place: str
    share: float

    @property
    def facts(self) -> dict[str, str]:
        """Return the columns that job and attempt have in common."""
        return {"error_type": self.error, "error_message": self.message}

    @property
    def fingerprint(self) -> str:
        """Return what its dead letters are grouped by."""
        return fingerprint(self.error, self.message, self.place)

    @property
    def traceback(self) -> str:
        """Return what Python would have printed."""
        path, line, name = self.place.split(":")
        return (
            f'Traceback (most recent call last):\n  File "{path}", line {line}, in {name}\n{self.error}: {self.message}'
        )


@dataclass(frozen=True)
class Work:
    """One kind of job: how many a day, how long one takes, and what goes wrong."""

    actor: str
    queue: str
    a_day: int
    seconds: float
    arguments: Callable[[random.Random, int, int], Arguments]
    """Of chance, the tenant and the shop."""
    trouble: Trouble
    max_attempts: int = 4
    only_by_day: bool = field(default=True)


WORKS = (
    Work(
        "shoptet.fetch_new_orders",
        "snapshots-download",
        96,
        4.0,
        lambda _chance, _tenant, shop: {"shop_id": shop, "trigger": "schedule"},
        Trouble("ReadTimeout", "The shop did not answer in 30 s", "modules/shoptet/clients.py:214:_send", 0.50),
        only_by_day=False,
    ),
    Work(
        "notifications.send_email",
        "emails",
        520,
        0.6,
        lambda chance, _tenant, _shop: {"mail_id": 900_000 + chance.randrange(90_000)},
        Trouble(
            "SMTPServerDisconnected",
            "Connection unexpectedly closed",
            "modules/notifications/clients.py:88:deliver",
            0.30,
        ),
    ),
    Work(
        "inventory.recalculate_variant_metrics",
        "default",
        1_150,
        0.08,
        lambda chance, tenant, _shop: {
            "tenant_id": tenant,
            "channel_id": 1,
            "codes": [f"P-{chance.randrange(10_000):04}"],
        },
        Trouble("DeadlockDetected", "deadlock detected", "modules/inventory/services.py:131:recalculate", 0.10),
    ),
    Work(
        "customers.attach_orders",
        "default",
        900,
        0.12,
        lambda chance, tenant, _shop: {"tenant_id": tenant, "order_ids": [900_000 + chance.randrange(9_000)]},
        Trouble(
            "StatementTimeout", "canceling statement due to timeout", "modules/customers/services.py:96:link", 0.07
        ),
    ),
    Work(
        "shoptet.refresh_statuses",
        "snapshots-download",
        24,
        9.0,
        lambda _chance, _tenant, shop: {"shop_id": shop, "trigger": "schedule"},
        Trouble("InvalidToken", "The shop refuses the API token", "modules/shoptet/clients.py:190:_check", 0.03),
        only_by_day=False,
    ),
    Work(
        "customers.recalculate_chunk",
        "customers",
        110,
        1.4,
        lambda chance, tenant, _shop: {"tenant_id": tenant, "customer_ids": [chance.randrange(1, 2_000)]},
        Trouble("LockTimeout", "canceling statement due to lock timeout", "modules/customers/services.py:241:lock", 0),
    ),
)


def fill() -> int:
    """Fill a ledger without jobs with a week of the first shop's; return how many, 0 for a ledger that has some."""
    with all_tenants():
        shop = Shop.objects.order_by("id").first()
    if shop is None or Job.objects.exists():
        return 0
    tenant_id, shop_id = shop.tenant_id, shop.pk
    chance, now = random.Random(SEED), clock.now()  # noqa: S311 -- nothing secret depends on it
    week = sorted(_week(chance, now), key=lambda planned: planned[1])
    dead = _deaths(chance, week, now)
    lives = [
        _life(chance, work, at, arguments=work.arguments(chance, tenant_id, shop_id), dies=number in dead)
        for number, (work, at) in enumerate(week)
    ]
    runs = sorted((run for life in lives for run in life.runs), key=itemgetter("ended_at"))
    with transaction.atomic():
        _copy("jobs_job", [{**life.job, "tenant_id": tenant_id} for life in lives])
        _copy("jobs_attempt", runs)
        _fire(chance, now)
        _hold_back(tenant_id, now)
    return len(lives)


def _week(chance: random.Random, now: datetime) -> Iterator[tuple[Work, datetime]]:
    for work in WORKS:
        for _number in range(work.a_day * DAYS):
            at = now - timedelta(days=DAYS) * chance.random()
            while work.only_by_day and chance.random() > _bustle(at):
                at = now - timedelta(days=DAYS) * chance.random()
            yield work, at - timedelta(minutes=2)  # what is younger may still run


def _bustle(at: datetime) -> float:
    """Return how busy a shop is at that time, from nearly 0 at night to 1 in the evening."""
    hour = timezone.localtime(at).hour + at.minute / 60
    return 0.05 + 0.95 * max(0.0, math.sin(math.pi * (hour - 5) / 19)) if hour > 5 else 0.05


def _deaths(chance: random.Random, week: list[tuple[Work, datetime]], now: datetime) -> set[int]:
    """Return the places of the jobs that become dead letters, by the shares of their troubles."""
    found: set[int] = set()
    for work in WORKS:
        recent = [place for place, (kind, at) in enumerate(week) if kind is work and now - at < timedelta(days=2)]
        found.update(chance.sample(recent, min(len(recent), round(DEAD * work.trouble.share))))
    return found


def _life(chance: random.Random, work: Work, at: datetime, *, arguments: Arguments, dies: bool) -> Life:
    """Return a job that has ended, with its runs."""
    lot = chance.random()
    if not dies and lot < CANCELLED:
        ended = at + timedelta(seconds=chance.uniform(1, 60))
        return Life(_job(work, _id_of(chance, at), at, arguments, state=State.CANCELLED, finished_at=ended), [])
    failures = work.max_attempts if dies else int(lot < CANCELLED + RETRIED)
    job_id = _id_of(chance, at)
    runs = list(_runs(chance, work, job_id, at, failures=failures, succeeds=not dies))
    facts = {
        "state": State.FAILED if dies else State.SUCCEEDED,
        "attempt": len(runs),
        "fence": len(runs),
        "started_at": runs[-1]["started_at"],
        "finished_at": runs[-1]["ended_at"],
        **(work.trouble.facts if dies else {}),
        "fingerprint": work.trouble.fingerprint if dies else "",
    }
    return Life(_job(work, job_id, at, arguments, **facts), runs)


def _job(work: Work, job_id: UUID, at: datetime, arguments: Arguments, **facts: Any) -> Row:
    known = {"id": job_id, "actor": work.actor, "queue": work.queue, "arguments": Jsonb(arguments), "tags": [TAG]}
    return {**_NO_JOB, **known, "run_at": at, "created_at": at, "max_attempts": work.max_attempts, **facts}


def _runs(
    chance: random.Random, work: Work, job_id: UUID, at: datetime, *, failures: int, succeeds: bool
) -> Iterator[Row]:
    start = at + timedelta(seconds=chance.expovariate(1 / 0.4))
    for number in range(1, failures + succeeds + 1):
        end = start + timedelta(seconds=work.seconds * chance.lognormvariate(0, 0.5))
        times = {"started_at": start, "ended_at": end, "number": number, "log": ""}
        run = {"job_id": job_id, "worker_id": chance.choice(_WORKERS), **times}
        if number <= failures:
            yield {**run, "outcome": Outcome.FAILED, **work.trouble.facts, "traceback": work.trouble.traceback}
        else:
            yield {**run, "outcome": Outcome.SUCCEEDED, "error_type": "", "error_message": "", "traceback": ""}
        start = end + timedelta(seconds=15 * 2 ** (number - 1) * chance.uniform(0.75, 1.25))


def _copy(table: str, rows: Sequence[Row]) -> None:
    columns = ", ".join(rows[0])
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(list(row.values()))


_NO_JOB: Row = {
    "tenant_id": None,
    "priority": 0,
    "attempt": 0,
    "crashes": 0,
    "fence": 0,
    "started_at": None,
    "unique_until": "finish",
    "progress_message": "",
    "error_type": "",
    "error_message": "",
    "fingerprint": "",
}
"""What the database has no default for."""

_WORKERS = [UUID(int=number << 80 | 0x7 << 76 | 0b10 << 62) for number in range(1, 5)]  # long gone


def _id_of(chance: random.Random, at: datetime) -> UUID:
    """Return an id of that time; ids begin with it."""
    stamp = int(at.timestamp() * 1_000)
    return UUID(int=stamp << 80 | 0x7 << 76 | chance.getrandbits(12) << 64 | 0b10 << 62 | chance.getrandbits(62))


def _fire(chance: random.Random, now: datetime) -> None:
    """Give each schedule its last runs, and let one of them have missed its time."""
    lives, firings, last = [], [], {}
    for schedule in JobSchedule.objects.filter(is_declared=True):
        times = due_times(schedule.timetable, after=now - timedelta(days=DAYS), until=now)[-FIRINGS:]
        for due_at in times if schedule.key != LATE else times[:-1]:
            lives.append(_scheduled(chance, schedule, due_at))
            last[schedule.pk] = firing = _firing(schedule, due_at, job_id=lives[-1].job["id"])
            firings.append(firing)
        if schedule.key == LATE and times:
            firings.append(_firing(schedule, times[-1], outcome=ScheduleFiring.Outcome.MISSED))
    if not firings:
        return
    _copy("jobs_job", [life.job for life in lives])
    _copy("jobs_attempt", [run for life in lives for run in life.runs])
    _copy("jobs_schedulefiring", firings)
    for schedule_id, row in last.items():
        found = JobSchedule.objects.filter(pk=schedule_id)
        found.update(last_job_id=row["job_id"], last_fired_at=row["fired_at"])


def _scheduled(chance: random.Random, schedule: JobSchedule, due_at: datetime) -> Life:
    work = Work(schedule.actor, "default", 0, 2.0, lambda _chance, _tenant, _shop: {}, WORKS[0].trouble)
    job_id, at = _id_of(chance, due_at), due_at + timedelta(seconds=chance.uniform(0.2, 2))
    runs = list(_runs(chance, work, job_id, at, failures=0, succeeds=True))
    times = {"started_at": runs[-1]["started_at"], "finished_at": runs[-1]["ended_at"]}
    facts = {**times, "state": State.SUCCEEDED, "attempt": 1, "fence": 1, "tags": [TAG, f"schedule:{schedule.key}"]}
    return Life({**_job(work, job_id, at, schedule.effective_options, **facts), "tenant_id": None}, runs)


def _firing(
    schedule: JobSchedule, due_at: datetime, *, job_id: UUID | None = None, outcome: str = ScheduleFiring.Outcome.FIRED
) -> Row:
    times = {"due_at": due_at, "fired_at": due_at + timedelta(seconds=1)}
    return {"schedule_id": schedule.pk, **times, "outcome": outcome, "job_id": job_id, "reason": ""}


def _hold_back(tenant_id: int, now: datetime) -> None:
    """Pause a queue in which jobs wait, so that there is something to ask "why" about."""
    services.pause(
        kind="queue", value=PAUSED_QUEUE, reason="The supplier's server is moving.", paused_by="jana", now=now
    )
    for _number in range(WAITING):
        services.enqueue(
            "inventory.recalculate_tenant",
            kwargs={"tenant_id": tenant_id},
            queue=PAUSED_QUEUE,
            tenant_id=tenant_id,
            tags=[TAG],
        )

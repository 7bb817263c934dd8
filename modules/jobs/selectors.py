"""Questions to the ledger."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery

from modules.jobs import clients
from modules.jobs.clients import BrokerDown
from modules.jobs.domain import ALIVE, DEAD_LETTERS, WAITING, InvalidSchedule, State, Tally, next_times
from modules.jobs.models import (
    MADE,
    Alert,
    Attempt,
    Batch,
    Bookmark,
    Job,
    JobChange,
    JobSchedule,
    Pause,
    Replay,
    RunTotal,
    ScheduleFiring,
    Worker,
)
from modules.jobs.registry import InvalidArguments, UnknownActor, get_spec

CHUNK = 1_000  # rows that are held in memory at once
MOST_UNHEARD = 10_000  # bells that are looked for


@dataclass(frozen=True)
class QueueFigures:
    """One queue now: jobs by state, and since when its oldest ready job waits."""

    queue: str
    states: dict[str, int]
    oldest_queued_at: datetime | None


@dataclass(frozen=True)
class StateCounts:
    """How many jobs there are in each state, every state named, also with 0."""

    counts: dict[str, int]
    estimated: tuple[str, ...] = ()
    """The states whose count is the database's estimate, as of its last ANALYZE."""


EXACT_BELOW = 100_000  # rows, which are counted in some 20 ms


def job_states(*, exact_below: int = EXACT_BELOW) -> StateCounts:
    """Return how many jobs there are in each state; in a ledger of `exact_below` rows or more, old ones by estimate.

    What waits, runs or is dead is always counted, by its partial index. What succeeded or was cancelled, which is
    nearly all and in no index of its own, would be read row by row.
    """
    total, shares = _statistics()
    if total is None or total < exact_below:
        found = Job.objects.order_by().values_list("state").annotate(count=Count("*"))
        return StateCounts(dict.fromkeys(map(str, State), 0) | dict(found))
    counted = Counter[str]()
    for row in queue_states():
        counted[row.state] += row.count
    counted.update(dict(dead_letters().order_by().values_list("state").annotate(count=Count("*"))))
    old, known = max(0, total - counted.total()), sum(shares.get(state, 0) for state in _OLD)
    guessed = {state: round(old * shares.get(state, 0) / known) if known else 0 for state in _OLD}
    return StateCounts({str(state): guessed.get(state, counted[state]) for state in State}, _OLD)


_OLD = (str(State.SUCCEEDED), str(State.CANCELLED))


def _statistics() -> tuple[int | None, dict[str, float]]:
    """Return about how many jobs there are and each state's share, as the planner sees it; None before an ANALYZE."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT CASE WHEN reltuples >= 0 AND relpages > 0
                    THEN reltuples / relpages * pg_relation_size(oid) / current_setting('block_size')::int END,
                most_common_vals::text::text[], most_common_freqs
            FROM pg_class LEFT JOIN pg_stats ON schemaname = relnamespace::regnamespace::text
                AND tablename = relname AND attname = 'state'
            WHERE oid = 'jobs_job'::regclass"""
        )
        total, states, shares = cursor.fetchone()
    if total is None or states is None:
        return None, {}
    return round(total), dict(zip(states, shares, strict=True))


def queue_figures() -> list[QueueFigures]:
    """Return a row for each queue with unfinished jobs, in order of name."""
    states: dict[str, Counter[str]] = {}
    oldest: dict[str, datetime] = {}
    for row in queue_states():
        states.setdefault(row.queue, Counter())[row.state] = row.count
        if row.state == State.QUEUED:
            oldest[row.queue] = row.oldest_at
    return [QueueFigures(queue, dict(states[queue]), oldest.get(queue)) for queue in sorted(states)]


@dataclass(frozen=True)
class QueueState:
    """The unfinished jobs of one queue in one state, and the earliest time at which one of them could start."""

    queue: str
    state: str
    count: int
    oldest_at: datetime


_WAITING = ", ".join(f"'{state}'" for state in WAITING)

# Each part is worded as one of the partial indexes, so that ended jobs, however many, are not read.
_QUEUE_STATES = " UNION ALL ".join(
    f"SELECT queue, state, count(*) AS jobs, min(run_at) AS oldest FROM jobs_job WHERE {part} GROUP BY queue, state"
    for part in (
        f"state = '{State.QUEUED}' AND dispatched_at IS NULL AND crashes = 0",
        f"state = '{State.QUEUED}' AND dispatched_at IS NOT NULL AND crashes = 0",
        f"state = '{State.QUEUED}' AND crashes > 0",
        f"state IN ({_WAITING})",
        f"state = '{State.RUNNING}'",
    )
)


def queue_states() -> list[QueueState]:
    """Return a row for each queue and unfinished state that has jobs, in order of queue and state."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT queue, state, sum(jobs), min(oldest) FROM ({_QUEUE_STATES}) AS part GROUP BY 1, 2 ORDER BY 1, 2"
        )
        return [QueueState(queue, state, int(count), oldest) for queue, state, count, oldest in cursor.fetchall()]


def ready_jobs() -> dict[str, QueueState]:
    """Return, by queue, the jobs that wait for nothing but a worker; queues without any are left out."""
    return {row.queue: row for row in queue_states() if row.state == State.QUEUED}


def living_workers(*, now: datetime) -> list[Worker]:
    """Return the worker processes whose lease has not run out, in order of start."""
    return list(Worker.objects.filter(lease_until__gt=now, stopped_at__isnull=True).order_by("started_at", "id"))


def workers_by_pool(*, now: datetime) -> dict[str, int]:
    """Return how many living workers serve at least one queue of each pool of the settings."""
    workers = living_workers(now=now)
    pools: dict[str, list[str]] = settings.JOBS["POOLS"]
    return {
        name: sum(not set(queues).isdisjoint(worker.queues) for worker in workers) for name, queues in pools.items()
    }


def served_queues(*, now: datetime) -> set[str]:
    """Return the queues that a living worker listens to."""
    return {queue for worker in living_workers(now=now) for queue in worker.queues}


def schedule_lags(*, now: datetime) -> dict[str, float]:
    """Return for each schedule that runs by how many seconds its oldest unevaluated time has passed, 0 if none has.

    The scheduler's own minute is in it as `jobs.tick`, once it has ticked. A schedule whose line cannot be
    followed is left out: it has a problem, not a lag.
    """
    lags = {}
    for schedule in JobSchedule.objects.order_by("key"):
        with suppress(InvalidSchedule):
            if schedule.runs:
                due = upcoming(schedule, after=schedule.evaluated_until, count=1)
                lags[schedule.key] = max((now - due[0]).total_seconds(), 0.0) if due else 0.0
    ticked_at = Bookmark.objects.values_list("ticked_at", flat=True).first()
    if ticked_at is not None:
        lags["jobs.tick"] = max((now - ticked_at - timedelta(minutes=1)).total_seconds(), 0.0)
    return lags


def stuck_schedules() -> list[str]:
    """Return the keys of the schedules that should run and cannot, or whose last time was missed, in order."""
    last = ScheduleFiring.objects.filter(schedule=OuterRef("pk")).order_by("-due_at").values("outcome")[:1]
    found = JobSchedule.objects.annotate(last=Subquery(last)).order_by("key")
    return [one.key for one in found if one.runs and (one.problem or one.last == ScheduleFiring.Outcome.MISSED)]


def long_runs(*, started_before: datetime, limit: int) -> list[Job]:
    """Return at most `limit` running jobs that started before then, the oldest first."""
    return list(Job.objects.filter(state=State.RUNNING, started_at__lt=started_before).order_by("started_at")[:limit])


def quarantined_jobs() -> dict[str, int]:
    """Return how many jobs of each actor are in quarantine; actors without any are left out."""
    return dict(_by_actor(dead_letters().filter(state=State.QUARANTINED)))


def dead_letters_since(since: datetime) -> int:
    """Return how many jobs became dead letters from `since` on and still are."""
    return dead_letters().filter(finished_at__gte=since).count()


def dead_letters_by_actor() -> dict[str, int]:
    """Return how many dead letters each actor has; actors without any are left out."""
    return dict(_by_actor(dead_letters()))


def _by_actor(jobs: "QuerySet[Job]") -> Iterable[tuple[str, int]]:
    return jobs.order_by("actor").values_list("actor").annotate(count=Count("id"))


def ledger_imbalance() -> dict[str, int | None]:
    """Return how many jobs are not where they should be, by what is wrong; all 0 when the dispatcher does its work.

    `abandoned` run in a worker that is dead, `overdue` run past their deadline, `asleep` should have been
    woken, `unheard` have a bell that is in no lane (None when the broker is away).
    """
    with connection.cursor() as cursor:
        cursor.execute(_IMBALANCE, {"seconds": settings.JOBS["BELL_SECONDS"] * 3})
        abandoned, overdue, asleep = cursor.fetchone()
    return {"abandoned": abandoned, "overdue": overdue, "asleep": asleep, "unheard": _unheard()}


# One dispatcher's pass takes half a second; what is still wrong after some seconds is not being repaired.
_GRACE = "clock_timestamp() - make_interval(secs => %(seconds)s)"
_IMBALANCE = f"""SELECT
    (SELECT count(*) FROM jobs_job WHERE state = '{State.RUNNING}' AND NOT EXISTS (
        SELECT 1 FROM jobs_worker WHERE jobs_worker.id = worker_id AND lease_until > {_GRACE})),
    (SELECT count(*) FROM jobs_job WHERE state = '{State.RUNNING}' AND deadline_at < {_GRACE}),
    (SELECT count(*) FROM jobs_job
        WHERE state IN ({_WAITING}) AND run_at < {_GRACE})"""


# Whether somebody stopped what a job is, whoever it is for, or what it uses.
PAUSED = """EXISTS (SELECT 1 FROM jobs_pause pause WHERE (pause.kind, pause.value) IN (
    ('queue', jobs_job.queue), ('actor', jobs_job.actor),
    ('tenant', jobs_job.tenant_id::text), ('resource', jobs_job.resource)))"""

# Nobody has to hear a job that is paused: its bell is rung when somebody resumes it.
_RUNG_AND_STALE = f"""SELECT queue, id || ':' || fence FROM jobs_job
    WHERE state = '{State.QUEUED}' AND dispatched_at < {_GRACE} AND NOT {PAUSED} LIMIT {MOST_UNHEARD}"""


def _unheard() -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(_RUNG_AND_STALE, {"seconds": settings.JOBS["BELL_SECONDS"] * 3})
        rows = cursor.fetchall()
    # A job may wait in a lane that is not its queue's: those whose worker died are run apart.
    pools: dict[str, list[str]] = settings.JOBS["POOLS"]
    lanes = {queue for queue, _ in rows} | {queue for pool in pools.values() for queue in pool} if rows else set()
    try:
        heard = {key for queue in lanes for key in clients.lane(queue)}
    except BrokerDown:
        return None
    return sum(key not in heard for _, key in rows)


def newest_rung(queue: str, *, limit: int, is_apart: bool) -> list[str]:
    """Return the keys of the queue's bells that rang last and that no worker has answered, the oldest first.

    `is_apart`: it is the queue that runs the crashed jobs of all others.
    """
    here = Q(queue=queue) | Q(crashes__gt=0) if is_apart else Q(queue=queue)
    rung = Job.objects.filter(here, state=State.QUEUED, dispatched_at__isnull=False)
    newest = rung.order_by("-dispatched_at", "-id").values_list("id", "fence")[:limit]
    return [f"{job_id}:{fence}" for job_id, fence in reversed(list(newest))]


def run_totals() -> list[RunTotal]:
    """Return every counted run since the beginning, a row for each actor, queue and outcome, in that order."""
    return list(RunTotal.objects.order_by("actor", "queue", "outcome"))


def open_alerts() -> "QuerySet[Alert]":
    """Return the incidents that are not over, with their rules, oldest first."""
    return Alert.objects.filter(closed_at__isnull=True).select_related("rule").order_by("opened_at", "id")


def is_quiet() -> bool:
    """Return whether no job waits or runs."""
    return not Job.objects.filter(state__in=ALIVE).exists()


def dead_letters() -> "QuerySet[Job]":
    """Return the failed and quarantined jobs, newest first."""
    return Job.objects.filter(state__in=DEAD_LETTERS).order_by("-finished_at", "-id")


def newest_jobs(*, limit: int, **conditions: str) -> list[Job]:
    """Return the newest jobs whose columns have these values."""
    return list(Job.objects.filter(**conditions).order_by("-id")[:limit])


def check_unfinished() -> Iterator[tuple[Job, str]]:
    """Yield every unfinished job, oldest first, with why this code's actors would refuse it or its chain, or ""."""
    jobs = Job.objects.filter(state__in=ALIVE).only("id", "state", "actor", "arguments", "chain").order_by("id")
    for job in jobs.iterator(chunk_size=CHUNK):
        yield job, _misfit([{"actor": job.actor, "arguments": job.arguments}, *(job.chain or ())])


def check_callbacks() -> Iterator[tuple[Batch, str, str]]:
    """Yield every callback that an open batch has yet to send, oldest batch first, with its name and why not, or ""."""
    batches = Batch.objects.filter(finished_at__isnull=True).only("id", "callbacks", "sent").order_by("id")
    for batch in batches.iterator(chunk_size=CHUNK):
        for name in sorted(batch.callbacks.keys() - batch.sent.keys()):
            callback = batch.callbacks[name]
            yield batch, name, _misfit([callback, *callback.get("chain", ())])


def _misfit(requests: Iterable[dict[str, Any]]) -> str:
    try:
        for request in requests:
            get_spec(request["actor"]).bind((), request["arguments"])
    except (UnknownActor, InvalidArguments) as error:
        return str(error.args[0])
    return ""


def get_job(job_id: UUID) -> Job:
    """Return the job; raises Job.DoesNotExist."""
    return Job.objects.get(id=job_id)


def newest_batches(*, limit: int) -> list[Batch]:
    """Return the newest batches, newest first."""
    return list(Batch.objects.order_by("-id")[:limit])


def get_batch(batch_id: UUID) -> Batch:
    """Return the batch; raises Batch.DoesNotExist."""
    return Batch.objects.get(id=batch_id)


def batch_tallies(batches: Iterable[Batch]) -> dict[UUID, Tally]:
    """Return how far each batch is, by its id, from one query for all of them."""
    found = {batch.id: batch for batch in batches}
    counts: dict[UUID, Counter[str]] = {batch_id: Counter() for batch_id in found}
    rows = Job.objects.filter(batch_id__in=found).order_by().values_list("batch_id", "state")
    for batch_id, state, count in rows.annotate(count=Count("*")):
        if batch_id is not None:
            counts[batch_id][state] = count
    return {batch_id: _tally(counts[batch_id], batch) for batch_id, batch in found.items()}


def _tally(members: Counter[str], batch: Batch) -> Tally:
    return Tally(
        waiting=members[State.SCHEDULED] + members[State.QUEUED] + members[State.RETRYING],
        running=members[State.RUNNING],
        succeeded=members[State.SUCCEEDED] + batch.pruned_succeeded,
        failed=members[State.FAILED] + members[State.QUARANTINED] + batch.pruned_failed,
        cancelled=members[State.CANCELLED] + batch.pruned_cancelled,
    )


def batch_members(batch_id: UUID, *, limit: int) -> list[Job]:
    """Return the newest members, newest first, without their payloads."""
    found = Job.objects.filter(batch_id=batch_id).order_by("-id")
    return list(found.defer("arguments", "result", "checkpoint", "chain")[:limit])


def newest_replays(*, limit: int) -> list[Replay]:
    """Return the newest replays in steps, newest first."""
    return list(Replay.objects.order_by("-id")[:limit])


def get_replay(replay_id: int) -> Replay:
    """Return the replay; raises Replay.DoesNotExist."""
    return Replay.objects.get(id=replay_id)


def job_changes(job_id: UUID, *, limit: int) -> list[JobChange]:
    """Return the newest changes of a job's arguments, newest first."""
    return list(JobChange.objects.filter(job_id=job_id).order_by("-id")[:limit])


def get_tenant_job(job_id: UUID, *, tenant_id: int) -> Job:
    """Return the tenant's job; raises Job.DoesNotExist, for another's too."""
    return Job.objects.get(id=job_id, tenant_id=tenant_id)


def tenant_jobs(*, tenant_id: int, before: UUID | None, limit: int, **conditions: Any) -> list[Job]:
    """Return the tenant's jobs that fulfill the conditions (lookups of Job), newest first, without their payloads.

    A page goes on where `before`, the last id of the page before, ended: jobs that came since shift nothing.
    """
    found = Job.objects.filter(tenant_id=tenant_id, **conditions).order_by("-id")
    if before is not None:
        found = found.filter(id__lt=before)
    return list(found.defer("arguments", "result", "checkpoint", "chain")[:limit])


def attempts(job_id: UUID, *, limit: int) -> list[Attempt]:
    """Return the newest runs of a job, oldest first, without logs and tracebacks."""
    newest = Attempt.objects.filter(job_id=job_id).order_by("-number").defer("log", "traceback")[:limit]
    return list(reversed(newest))


def attempts_of(job_ids: Sequence[UUID], *, limit: int) -> dict[UUID, list[Attempt]]:
    """Return the newest `limit` runs of each job, oldest first, tracebacks included, from one query for all."""
    found: dict[UUID, list[Attempt]] = {job_id: [] for job_id in job_ids}
    # A run's number is the fence it ran under.
    newest = Attempt.objects.filter(job_id__in=found, number__gt=F("job__fence") - limit)
    for attempt in newest.order_by("job_id", "number").defer("log"):
        found[attempt.job_id].append(attempt)
    return found


@dataclass(frozen=True)
class ActorFigures:
    """One actor's jobs of one tenant."""

    actor: str
    active: int = 0
    waiting: int = 0
    delayed: int = 0
    failed: int = 0
    """Dead letters now, whatever their age."""
    failed_today: int = 0
    """Of those that ended in the last 24 hours."""
    succeeded_today: int = 0
    throughput: int = 0
    """Jobs that succeeded in the last hour."""

    @property
    def failed_rate(self) -> float:
        """Return the percentage that failed, of the last 24 hours' jobs; 0 when none ended."""
        ended = self.failed_today + self.succeeded_today
        return round(100 * self.failed_today / ended, 1) if ended else 0.0


def actor_figures(*, tenant_id: int, now: datetime) -> dict[str, ActorFigures]:
    """Return the figures of each actor that has jobs of the tenant to count."""
    dead, succeeded = Q(state__in=DEAD_LETTERS), Q(state=State.SUCCEEDED)
    today, hour = Q(finished_at__gte=now - timedelta(days=1)), Q(finished_at__gte=now - timedelta(hours=1))
    alive = Q(finished_at__isnull=True)
    counts = (
        Job.objects.filter(alive | today | dead, tenant_id=tenant_id)
        .order_by()
        .values("actor")
        .annotate(
            active=Count("id", filter=Q(state=State.RUNNING)),
            waiting=Count("id", filter=Q(state=State.QUEUED)),
            delayed=Count("id", filter=Q(state__in=WAITING)),
            failed=Count("id", filter=dead),
            failed_today=Count("id", filter=dead & today),
            succeeded_today=Count("id", filter=succeeded & today),
            throughput=Count("id", filter=succeeded & hour),
        )
    )
    return {row["actor"]: ActorFigures(**row) for row in counts}


def paused_gates() -> set[tuple[str, str]]:
    """Return what is paused: its kind and its value, like ("queue", "low")."""
    return set(Pause.objects.values_list("kind", "value"))


def count_tenant_jobs(*, tenant_id: int) -> int:
    """Return how many jobs of the tenant the ledger holds."""
    return Job.objects.filter(tenant_id=tenant_id).count()


def has_live_workers(*, now: datetime) -> bool:
    """Return whether some worker process holds its lease."""
    return Worker.objects.filter(lease_until__gt=now).exists()


def schedules(*, limit: int) -> list[JobSchedule]:
    """Return at most `limit` schedules, by key."""
    return list(JobSchedule.objects.order_by("key")[:limit])


def get_schedule(key: str) -> JobSchedule:
    """Return the schedule; raises JobSchedule.DoesNotExist."""
    return JobSchedule.objects.get(key=key)


def newest_firings(schedule: JobSchedule, *, limit: int) -> list[ScheduleFiring]:
    """Return what came of the schedule's last due times, newest first, at most `limit`."""
    return list(ScheduleFiring.objects.filter(schedule=schedule).order_by("-id")[:limit])


def tenant_schedules(*, tenant_id: int) -> "QuerySet[JobSchedule]":
    """Return the schedules that the tenant made, oldest first."""
    return JobSchedule.objects.filter(tenant_id=tenant_id, is_declared=False).order_by("id")


def get_tenant_schedule(public_id: UUID, *, tenant_id: int) -> JobSchedule:
    """Return the tenant's schedule; raises JobSchedule.DoesNotExist, for another's too."""
    return tenant_schedules(tenant_id=tenant_id).get(key=f"{MADE}{public_id}")


def upcoming(schedule: JobSchedule, *, after: datetime, count: int) -> list[datetime]:
    """Return the schedule's next times at which it runs, in UTC; raises InvalidSchedule."""
    return next_times(schedule.timetable, after=after, count=count)


def next_run(schedule: JobSchedule, *, now: datetime) -> datetime | None:
    """Return when the schedule runs next; None when it is off, cannot be followed, or runs no more."""
    if not schedule.runs:
        return None
    try:
        return next(iter(upcoming(schedule, after=now, count=1)), None)
    except InvalidSchedule:
        return None

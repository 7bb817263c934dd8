"""How many jobs are where."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Q, QuerySet

from modules.jobs.domain import DEAD_LETTERS, WAITING, State
from modules.jobs.models import Job, RunTotal
from modules.jobs.selectors._jobs import dead_letters


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


def queue_figures(*, tenant_ids: list[int] | None = None) -> list[QueueFigures]:
    """Return a row for each queue with unfinished jobs, in order of name; of some tenants' jobs, or of all."""
    states: dict[str, Counter[str]] = {}
    oldest: dict[str, datetime] = {}
    for row in queue_states(tenant_ids=tenant_ids):
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


WAITING_STATES = ", ".join(f"'{state}'" for state in WAITING)

# Each part, and what state it is of, is worded as one of the partial indexes, so that ended jobs, however many, are not
# read.
UNFINISHED: tuple[tuple[str, str], ...] = (
    (f"state = '{State.QUEUED}' AND dispatched_at IS NULL AND crashes = 0", State.QUEUED),
    (f"state = '{State.QUEUED}' AND dispatched_at IS NOT NULL AND crashes = 0", State.QUEUED),
    (f"state = '{State.QUEUED}' AND crashes > 0", State.QUEUED),
    (f"state IN ({WAITING_STATES})", ""),
    (f"state = '{State.RUNNING}'", State.RUNNING),
)
_QUEUE_STATES = " UNION ALL ".join(
    f"SELECT queue, state, count(*) AS jobs, min(run_at) AS oldest FROM jobs_job WHERE {part}"
    " AND (%(tenants)s::bigint[] IS NULL OR tenant_id = ANY(%(tenants)s)) GROUP BY queue, state"
    for part, _state in UNFINISHED
)


def queue_states(*, tenant_ids: list[int] | None = None) -> list[QueueState]:
    """Return a row for each queue and unfinished state that has jobs, in order of queue and state."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT queue, state, sum(jobs), min(oldest) FROM ({_QUEUE_STATES}) AS part GROUP BY 1, 2 ORDER BY 1, 2",
            {"tenants": tenant_ids},
        )
        return [QueueState(queue, state, int(count), oldest) for queue, state, count, oldest in cursor.fetchall()]


def ready_jobs() -> dict[str, QueueState]:
    """Return, by queue, the jobs that wait for nothing but a worker; queues without any are left out."""
    return {row.queue: row for row in queue_states() if row.state == State.QUEUED}


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


def run_totals() -> list[RunTotal]:
    """Return every counted run since the beginning, a row for each actor, queue and outcome, in that order."""
    return list(RunTotal.objects.order_by("actor", "queue", "outcome"))


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


def count_tenant_jobs(*, tenant_id: int) -> int:
    """Return how many jobs of the tenant the ledger holds."""
    return Job.objects.filter(tenant_id=tenant_id).count()

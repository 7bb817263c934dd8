"""Replay in steps: 5 dead letters, then 50, then all the others; it stops when the cause returns."""

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet

from modules.jobs.domain import DEAD_LETTERS, ENDED, MOST_IN_FLIGHT, may_release
from modules.jobs.models import Job, Replay, ReplayedJob
from modules.jobs.services._control import release_dead_letters
from modules.kernel import clock
from modules.kernel.secrets import mask_text

log = logging.getLogger("backroom.jobs")

START_LOCK = 0x72706C79
MAX_TEXT = 300  # characters of what people write


class NothingToReplay(Exception):
    """No dead letter matches, or a running replay has them all."""


def start_replay(*, jobs: "QuerySet[Job]", what: str, by: str, reason: str = "") -> Replay:
    """Choose every dead letter of a query, release the first few, and return the replay as it then is.

    Which jobs belong to it is decided once, here; those that fail later do not join, nor do those that wait in a
    replay that runs: two people who start the same let 5 go, not 10. Of several causes, each is among the first to be
    tried. `what` says in words which jobs they are. Raises NothingToReplay.
    """
    with transaction.atomic():
        _start_alone()
        started = Replay.objects.create(
            what=mask_text(what)[:MAX_TEXT], reason=reason[:MAX_TEXT], started_by=by, started_at=clock.now()
        )
        total, tenant_ids = _choose(started.pk, jobs)
        if not total:
            raise NothingToReplay
        Replay.objects.filter(pk=started.pk).update(total=total, waiting=total, tenant_ids=tenant_ids)
    log.info("replay=%s begins with %d jobs by %s", started.pk, total, by)
    _pass_safely(started.pk)  # should this process die first, the next pass of any worker begins it
    started.refresh_from_db()
    return started


def _start_alone() -> None:
    """Wait for whoever starts a replay at this moment, so that each sees what the other has chosen."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [START_LOCK])


_CHOOSE = """
    WITH chosen AS MATERIALIZED (
        SELECT id, fingerprint, tenant_id FROM ({query}) AS dead
        WHERE NOT EXISTS (
            SELECT 1 FROM jobs_replayedjob member JOIN jobs_replay ON jobs_replay.id = member.replay_id
            WHERE member.job_id = dead.id AND member.released_fence IS NULL AND member.outcome = ''
                AND jobs_replay.state = 'running')),
    kept AS (
        INSERT INTO jobs_replayedjob (replay_id, job_id, fingerprint, outcome)
        SELECT %s, id, fingerprint, '' FROM chosen
        ORDER BY row_number() OVER (PARTITION BY fingerprint ORDER BY id), id)
    SELECT count(*), CASE WHEN bool_and(tenant_id IS NOT NULL) THEN array_agg(DISTINCT tenant_id) END FROM chosen"""


def _choose(replay_id: int, jobs: "QuerySet[Job]") -> tuple[int, list[int] | None]:
    """Make members of the query's dead letters; return how many, and whose, None when some are nobody's."""
    dead = jobs.filter(state__in=DEAD_LETTERS).order_by().values("id", "fingerprint", "tenant_id")
    try:
        sql, params = dead.query.get_compiler(connection=connection).as_sql()
    except EmptyResultSet:
        return 0, None
    with connection.cursor() as cursor:
        cursor.execute(_CHOOSE.format(query=sql), [*params, replay_id])
        count, tenant_ids = cursor.fetchone()
    return int(count), tenant_ids


def continue_replays() -> int:
    """Settle what has ended, and release what is next, of every replay; return how many changed.

    Safe to repeat and to run in many processes: a pass is one transaction under the lock of the replay's row.
    """
    active = Replay.objects.filter(Q(state=Replay.State.RUNNING) | Q(in_flight__gt=0)).order_by("id")
    return sum(_pass_safely(replay_id) for replay_id in active.values_list("id", flat=True))


def _pass_safely(replay_id: int) -> bool:
    try:
        return _pass(replay_id)
    except (OperationalError, InterfaceError):
        raise  # the database is away: nothing that a single replay could have caused
    except Exception:
        log.exception("replay=%s cannot go on now; the others do", replay_id)
        return False


@transaction.atomic
def _pass(replay_id: int) -> bool:
    found = Replay.objects.select_for_update(skip_locked=True).filter(id=replay_id).first()
    if found is None:
        return False  # somebody else is at it
    before = _counts(found)
    failures = _settle(found)
    if found.state == Replay.State.RUNNING and failures and found.waiting:
        _stop_for(found, failures[0])
    if found.state == Replay.State.RUNNING:
        _release(found)
        _end_if_done(found)
    if before == _counts(found):
        return False
    found.save()
    log.info("replay=%s %s %s", found.pk, found.state, found.stopped_for or "goes on")
    return True


def _counts(found: Replay) -> tuple[int | str, ...]:
    return found.state, found.waiting, found.in_flight


@dataclass(frozen=True)
class _Settled:
    outcome: str
    job_id: UUID
    error: str


_ENDED = ", ".join(f"'{state}'" for state in ENDED)
_SETTLE = f"""
    WITH ended AS (
        SELECT member.id AS member_id, job.error_type, job.error_message, CASE
                WHEN job.id IS NULL THEN 'gone'
                WHEN job.state IN ('succeeded', 'cancelled') THEN job.state
                WHEN job.fingerprint = member.fingerprint THEN 'same_cause'
                ELSE 'other_cause' END AS outcome
        FROM jobs_replayedjob member LEFT JOIN jobs_job job ON job.id = member.job_id
        WHERE member.replay_id = %s AND member.released_fence IS NOT NULL AND member.outcome = ''
            AND (job.id IS NULL OR job.state IN ({_ENDED})))
    UPDATE jobs_replayedjob SET outcome = ended.outcome FROM ended WHERE id = member_id
    RETURNING ended.outcome, job_id, error_type || ': ' || error_message"""
_COUNTED = {"same_cause": "failed", "other_cause": "failed"}


def _settle(found: Replay) -> list[_Settled]:
    """Note how the released jobs ended that have; return those that failed, the ones of the old cause first."""
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, [found.pk])
        settled = [_Settled(*row) for row in cursor.fetchall()]
    for counter, count in Counter(_COUNTED.get(one.outcome, one.outcome) for one in settled).items():
        _shift(found, "in_flight", counter, count)
    failures = [one for one in settled if _COUNTED.get(one.outcome)]
    return sorted(failures, key=lambda one: one.outcome, reverse=True)


def _shift(found: Replay, source: str, target: str, count: int) -> None:
    setattr(found, source, getattr(found, source) - count)
    setattr(found, target, getattr(found, target) + count)


def _stop_for(found: Replay, failure: _Settled) -> None:
    found.state, found.ended_at = Replay.State.STOPPED, clock.now()
    found.stopped_for, found.stopped_job_id = failure.outcome, failure.job_id
    found.stopped_note = mask_text(failure.error)[:500]


def _release(found: Replay) -> None:
    """Queue the next members again; those that are no dead letters any more are passed over."""
    count = min(may_release(released=found.released - found.ramp_from, in_flight=found.in_flight), found.waiting)
    if not count:
        return
    candidates = _candidates(found.pk)
    chosen = [job_id for job_id, is_dead in candidates if is_dead][:count]
    fences = {job.id: job.fence for job in release_dead_letters(chosen)}
    lost = [job_id for job_id, is_dead in candidates if not is_dead or (job_id in chosen and job_id not in fences)]
    members = ReplayedJob.objects.filter(replay=found)
    _note_released(found.pk, fences)
    members.filter(job_id__in=lost).update(outcome=ReplayedJob.Outcome.GONE)
    _shift(found, "waiting", "in_flight", len(fences))
    _shift(found, "waiting", "gone", len(lost))


def _candidates(replay_id: int) -> list[tuple[UUID, bool]]:
    """Return the next members' jobs, and whether each is a dead letter still."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT member.job_id, coalesce(job.state = ANY(%s), FALSE)
            FROM jobs_replayedjob member LEFT JOIN jobs_job job ON job.id = member.job_id
            WHERE member.replay_id = %s AND member.released_fence IS NULL AND member.outcome = ''
            ORDER BY member.id LIMIT %s""",
            [[str(state) for state in DEAD_LETTERS], replay_id, MOST_IN_FLIGHT],
        )
        return [(job_id, bool(is_dead)) for job_id, is_dead in cursor.fetchall()]


def _note_released(replay_id: int, fences: dict[UUID, int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE jobs_replayedjob member SET released_fence = released.fence
            FROM unnest(%s::uuid[], %s::int[]) AS released(job_id, fence)
            WHERE member.replay_id = %s AND member.job_id = released.job_id""",
            [list(fences), list(fences.values()), replay_id],
        )


def _end_if_done(found: Replay) -> None:
    if not found.waiting and not found.in_flight:
        found.state, found.ended_at = Replay.State.DONE, clock.now()


def stop_replay(replay_id: int, *, by: str) -> bool:
    """Release no more until somebody resumes it; what is released goes on. Return whether it ran."""
    running = Replay.objects.filter(id=replay_id, state=Replay.State.RUNNING)
    return bool(
        running.update(
            state=Replay.State.STOPPED,
            ended_at=clock.now(),
            stopped_for=Replay.Stop.ASKED,
            stopped_note=by,
            stopped_job_id=None,
        )
    )


def resume_replay(replay_id: int) -> bool:
    """Go on with the jobs that were not released, carefully: 5, 50, the rest; return whether it had stopped.

    Jobs that failed again stay among the dead letters.
    """
    stopped = Replay.objects.filter(id=replay_id, state=Replay.State.STOPPED)
    resumed = stopped.update(
        state=Replay.State.RUNNING,
        ended_at=None,
        stopped_for="",
        stopped_note="",
        stopped_job_id=None,
        ramp_from=F("total") - F("waiting") - F("gone"),
    )
    if resumed:
        _pass_safely(replay_id)
    return bool(resumed)


def cancel_replay(replay_id: int) -> bool:
    """End it: what was not released stays among the dead letters, what was goes on. Return whether it had not ended."""
    open_ones = Replay.objects.filter(id=replay_id, state__in=[Replay.State.RUNNING, Replay.State.STOPPED])
    return bool(open_ones.update(state=Replay.State.CANCELLED, ended_at=clock.now()))


def prune_replays(*, ended_before: datetime, limit: int = 10_000) -> int:
    """Delete replays that ended, or stopped, before then, at most `limit` members at once; return how many rows went.

    Safe to repeat: call again until it returns less than `limit`.
    """
    ended = Replay.objects.filter(ended_at__lt=ended_before, in_flight=0)
    ended.filter(state=Replay.State.STOPPED).update(state=Replay.State.CANCELLED)  # nobody resumes half of one
    old = ended.filter(state__in=[Replay.State.DONE, Replay.State.CANCELLED])
    with connection.cursor() as cursor:
        cursor.execute(
            """DELETE FROM jobs_replayedjob WHERE id = ANY(ARRAY(
                SELECT id FROM jobs_replayedjob WHERE replay_id = ANY(%s) LIMIT %s))""",
            [list(old.values_list("id", flat=True)[:limit]), limit],
        )
        members = int(cursor.rowcount)
    if members == limit:
        return members
    replays, _ = old.filter(jobs__isnull=True).delete()
    return members + replays

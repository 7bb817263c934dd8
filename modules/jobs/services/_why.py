"""Why isn't it running? Every gate between a job and a worker, which one holds it, and what would release it."""

from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from modules.jobs import clients, selectors
from modules.jobs.clients import BrokerDown, LaneBroken
from modules.jobs.domain import ENDED, WAITING, State
from modules.jobs.models import Job, Pause
from modules.jobs.services._bells import QUARANTINE
from modules.jobs.services._gates import Candidate, Gates, Key, read_gates
from modules.kernel import clock

MOST_COUNTED = 10_000  # jobs before one; nobody waits better for knowing more


@dataclass(frozen=True)
class Reason:
    """One thing that holds a job back, and what ends it; texts for people."""

    what: str
    release: str


def why(job_id: UUID) -> list[Reason]:
    """Return what keeps the job from running, the strongest first; never empty. Raises Job.DoesNotExist."""
    job = Job.objects.get(id=job_id)
    if job.state in ENDED:
        return [Reason(_("It ended: %s.") % job.get_state_display(), _("Replay it if it failed."))]
    if job.state == State.RUNNING and job.started_at:
        return [Reason(_("It runs since %s.") % clock.shown(job.started_at), _("Its end, or its cancellation."))]
    if job.state in WAITING:
        return [Reason(_("It is not due before %s.") % clock.shown(job.run_at), _("That time."))]
    return _why_queued(job)


def _why_queued(job: Job) -> list[Reason]:
    gates = read_gates()
    candidate = Candidate(job.id, job.fence, job.actor, job.queue, job.tenant_id, job.resource, job.priority)
    reasons = [_paused(key) for key in candidate.gates() if key in gates.paused]
    reasons += [_limited(key, gates) for key in candidate.gates() if key not in gates.paused and gates.is_shut(key)]
    queue = QUARANTINE if job.crashes and _threads(QUARANTINE) else job.queue
    if not _threads(queue):
        reasons.append(Reason(_("No living worker serves the queue %s.") % queue, _("Start one.")))
    try:
        clients.lane(queue)
    except LaneBroken:
        what = _("The lane of the queue %s is no lane: something else has its name in Redis.") % queue
        reasons.append(Reason(what, _("The next pass of a dispatcher puts it aside.")))
    except BrokerDown as error:
        reasons.append(Reason(_("The broker cannot be reached: %s.") % error, _("The broker's return.")))
    return [*reasons, _turn(job)]


def _paused(key: Key) -> Reason:
    pause = Pause.objects.get(kind=key[0], value=key[1])
    what = _("The %(kind)s %(value)s is paused since %(time)s by %(who)s. %(reason)s") % {
        "kind": pause.get_kind_display().lower(),
        "value": pause.value,
        "time": clock.shown(pause.paused_at),
        "who": pause.paused_by or _("somebody"),
        "reason": pause.reason,
    }
    return Reason(what.strip(), f"queue_resume --{key[0]} {key[1]}")


def _limited(key: Key, gates: Gates) -> Reason:
    what = _("The limit of the %(kind)s %(value)s is used up: %(count)s in flight.") % {
        "kind": key[0],
        "value": key[1],
        "count": gates.in_flight[key],
    }
    return Reason(what, _("The end of one of them, or the next start that the rate allows."))


def _turn(job: Job) -> Reason:
    if job.dispatched_at:
        return Reason(_("Its bell rang at %s.") % clock.shown(job.dispatched_at), _("A free thread of a worker."))
    earlier = Q(priority__lt=job.priority) | Q(priority=job.priority, id__lt=job.id)
    count = Job.objects.filter(selectors.in_state(State.QUEUED), earlier, queue=job.queue)[:MOST_COUNTED].count()
    shown = number_format(count, force_grouping=True) + ("+" if count == MOST_COUNTED else "")
    return Reason(_("%s jobs of its queue are before it.") % shown, _("Their start; more threads make it shorter."))


def _threads(queue: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT coalesce(sum(threads), 0) FROM jobs_worker
            WHERE lease_until > clock_timestamp() AND %s = ANY(queues)""",
            [queue],
        )
        return int(cursor.fetchone()[0])

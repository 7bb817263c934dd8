"""Replays in steps of a tenant's failed jobs: 5 of them, 50, the rest; stopped when one fails again."""

from collections.abc import Callable

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query

from modules.jobs import selectors, services
from modules.jobs.api._requests import KeyHeader, address, answer, caller_of, tenant_of
from modules.jobs.api._router import router
from modules.jobs.api._schemas import ReplayCounts, ReplayFilter, ReplayIn, ReplayOut, ReplayPage
from modules.jobs.models import Job, Replay
from modules.jobs.registry import actors_called
from modules.jobs.services import Answer, NothingToReplay
from modules.kernel.problems import Problem
from modules.kernel.rest import refuse_unknown


@router.post("/replays", response={202: ReplayOut}, summary="Retry failed jobs in steps")
def start_replay(request: HttpRequest, payload: ReplayIn, key: KeyHeader = None) -> HttpResponse:
    """Run failed jobs again: 5 first, when they ended well 50, then the rest; it stops when one fails again.

    All conditions hold together; without any, every failed job is chosen. `409` when there is none.
    """
    return answer(request, lambda: _start(request, payload), key=key, payload=payload)


def _start(request: HttpRequest, payload: ReplayIn) -> Answer:
    try:
        started = services.start_replay(
            jobs=_chosen(payload, tenant_id=tenant_of(request)),
            what=payload.in_words(),
            by=caller_of(request),
            reason=payload.reason,
        )
    except NothingToReplay:
        raise Problem(409, _("None of these jobs has failed, or a replay that runs has them all.")) from None
    return _told(request, started.pk, status=202)


def _chosen(payload: ReplayIn, *, tenant_id: int) -> "QuerySet[Job]":
    jobs = selectors.dead_letters().filter(tenant_id=tenant_id)
    if payload.type is not None:
        jobs = jobs.filter(actor__in=actors_called(payload.type))
    if payload.jobs is not None:
        jobs = jobs.filter(id__in=payload.jobs)
    if payload.same_cause_as is not None:
        cause = selectors.dead_letters().filter(tenant_id=tenant_id, id=payload.same_cause_as).first()
        if cause is None:
            told = _("No failed job of yours has this id.")
            raise Problem(422, told, errors={"sameCauseAs": told})
        jobs = jobs.filter(fingerprint=cause.fingerprint)
    return jobs


@router.get("/replays", response=ReplayPage, summary="List replays")
def list_replays(request: HttpRequest, wanted: Query[ReplayFilter]) -> ReplayPage:
    """List the replays that the tenant began, newest first."""
    refuse_unknown(request, list(ReplayFilter.model_fields))
    found = selectors.tenant_replays(tenant_id=tenant_of(request), before=wanted.cursor, limit=wanted.limit + 1)
    page = found[: wanted.limit]
    return ReplayPage(
        replays=[_out(one) for one in page], next_cursor=page[-1].pk if len(found) > wanted.limit else None
    )


@router.get("/replays/{int:replay_id}", response=ReplayOut, summary="Look at a replay", url_name="replay")
def get_replay(request: HttpRequest, replay_id: int) -> ReplayOut:
    """Show how far a replay is, and why it stopped."""
    return _out(_replay(request, replay_id))


@router.post("/replays/{int:replay_id}/stop", response={200: ReplayOut}, summary="Stop a replay")
def stop_replay(request: HttpRequest, replay_id: int, key: KeyHeader = None) -> HttpResponse:
    """Release no more jobs until it is resumed; `409` when it does not run."""
    act = _acting(request, replay_id, lambda: services.stop_replay(replay_id, by=caller_of(request)))
    return answer(request, act, key=key)


@router.post("/replays/{int:replay_id}/resume", response={200: ReplayOut}, summary="Resume a replay")
def resume_replay(request: HttpRequest, replay_id: int, key: KeyHeader = None) -> HttpResponse:
    """Go on with the jobs that were not released, 5 first again; `409` when it has not stopped."""
    return answer(request, _acting(request, replay_id, lambda: services.resume_replay(replay_id)), key=key)


@router.delete("/replays/{int:replay_id}", response={200: ReplayOut}, summary="End a replay")
def cancel_replay(request: HttpRequest, replay_id: int) -> HttpResponse:
    """Leave the jobs that were not released among the failed ones for good; `409` when it has ended."""
    return answer(request, _acting(request, replay_id, lambda: services.cancel_replay(replay_id)), key=None)


def _acting(request: HttpRequest, replay_id: int, act: Callable[[], bool]) -> Callable[[], Answer]:
    """Return what does `act` to the tenant's own replay and tells how it is then."""

    def acted() -> Answer:
        found = _replay(request, replay_id)
        if not act():
            told = _("The replay is %(state)s; this cannot be done with it.")
            raise Problem(409, told % {"state": found.state})
        return _told(request, replay_id, status=200)

    return acted


def _told(request: HttpRequest, replay_id: int, *, status: int) -> Answer:
    body = _out(_replay(request, replay_id)).model_dump_json(by_alias=True)
    return Answer(status=status, body=body, location=address(request, "replay", replay_id=replay_id))


def _replay(request: HttpRequest, replay_id: int) -> Replay:
    try:
        return selectors.get_tenant_replay(replay_id, tenant_id=tenant_of(request))
    except Replay.DoesNotExist:
        raise Problem(404, _("There is no such replay.")) from None


def _out(found: Replay) -> ReplayOut:
    return ReplayOut(
        id=found.pk,
        what=found.what,
        reason=found.reason,
        state=Replay.State(found.state),
        stopped_for=Replay.Stop(found.stopped_for) if found.stopped_for else None,
        stopped_note=found.stopped_note or None,
        stopped_job_id=str(found.stopped_job_id) if found.stopped_job_id else None,
        step=found.step,
        total=found.total,
        counts=ReplayCounts(**{name: getattr(found, name) for name in ReplayCounts.model_fields}),
        started_at=found.started_at,
        ended_at=found.ended_at,
    )

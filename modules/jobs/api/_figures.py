"""How a tenant's jobs do, by type."""

from typing import Annotated

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query

from modules.jobs import selectors
from modules.jobs.api._requests import tenant_of
from modules.jobs.api._router import router
from modules.jobs.api._schemas import Figures, FiguresList, Health, HealthFigures, Text
from modules.jobs.registry import actors_called, all_specs, api_name, open_specs
from modules.jobs.selectors import ActorFigures
from modules.kernel import clock
from modules.kernel.rest import refuse_unknown

UNWELL_PERCENT = 10.0  # of the last 24 hours' jobs; source: seed 4's "monitor high failure rates", the figure is ours


@router.get("/queues/metrics", response=FiguresList, summary="Metrics of each type")
def queue_metrics(request: HttpRequest, wanted: Annotated[Text | None, Query(alias="type")] = None) -> FiguresList:
    """Show what runs, waits and failed, for each type or for one."""
    refuse_unknown(request, ["type"])
    return FiguresList(metrics=_figures(tenant_of(request), wanted))


@router.get("/health/check", response=Health, exclude_none=True, summary="Health of the tenant's jobs")
def check_health(request: HttpRequest) -> Health:
    """Say `healthy`, or `degraded` with the reasons: no worker, a pause, or a type of which over 10 % failed."""
    tenant_id = tenant_of(request)
    figures = _figures(tenant_id, None)
    reasons = _reasons(figures)
    return Health(
        status="degraded" if reasons else "healthy",
        queues=len(figures),
        total_jobs=selectors.count_tenant_jobs(tenant_id=tenant_id),
        metrics=[HealthFigures(**row.model_dump(include=set(HealthFigures.model_fields))) for row in figures],
        reasons=reasons or None,
    )


def _figures(tenant_id: int, wanted: str | None) -> list[Figures]:
    """Return a row for each type that can be sent or has jobs, in order of name."""
    found = selectors.actor_figures(tenant_id=tenant_id, now=clock.now())
    paused = selectors.paused_gates()
    actors = found.keys() | {spec.name for spec in open_specs()}
    if wanted is not None:
        actors &= set(actors_called(wanted))
    rows = [
        _row(found.get(actor) or ActorFigures(actor), is_paused=bool(paused & _gates(actor, tenant_id)))
        for actor in actors
    ]
    return sorted(rows, key=lambda row: row.name)


def _gates(actor: str, tenant_id: int) -> set[tuple[str, str]]:
    gates = {("actor", actor), ("tenant", str(tenant_id))}
    queues = {("queue", spec.queue) for spec in all_specs() if spec.name == actor}
    return gates | queues


def _row(figures: ActorFigures, *, is_paused: bool) -> Figures:
    return Figures(
        name=api_name(figures.actor),
        active=figures.active,
        waiting=figures.waiting,
        delayed=figures.delayed,
        failed=figures.failed,
        failed_rate=figures.failed_rate,
        paused=is_paused,
        throughput=figures.throughput,
    )


def _reasons(figures: list[Figures]) -> list[str]:
    told = _("%(rate)s %% of %(name)s failed in the last 24 hours.")
    failing = [row for row in figures if row.failed_rate > UNWELL_PERCENT]
    reasons = [told % {"rate": row.failed_rate, "name": row.name} for row in failing]
    reasons += [_("%(name)s is paused.") % {"name": row.name} for row in figures if row.paused]
    return reasons if selectors.has_live_workers(now=clock.now()) else [_("No worker is running."), *reasons]

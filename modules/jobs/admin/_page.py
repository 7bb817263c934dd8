"""One job's page: what happened and when, what it was asked, what went wrong."""

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from modules.jobs import services
from modules.jobs.admin._arguments import changes_of
from modules.jobs.admin._states import LOOKS, job_link, outcome_badge, short, state_badge
from modules.jobs.domain import ENDED, WAITING, State
from modules.jobs.models import Attempt, Batch, Job, Worker
from modules.kernel import clock
from modules.kernel.console import (
    Fact,
    Step,
    code,
    crumb,
    duration,
    first_line,
    json_block,
    long_moment,
    muted,
    of_visible_tenants,
    progress_bar,
    tenant_names,
    text_block,
)
from modules.kernel.secrets import mask_text

MAX_ATTEMPTS = 20  # shown; the newest ones explain the job


@dataclass(frozen=True)
class Run:
    """One attempt as the page shows it."""

    number: int
    badge: Any
    worker: Any
    started: Any
    took: str
    error_type: str
    error_line: str
    traceback: Any
    log: Any


def job_page(job: Job) -> dict[str, Any]:
    """Return everything that jobs/job.html shows."""
    attempts = list(job.attempts.order_by("-number")[:MAX_ATTEMPTS])
    workers = Worker.objects.in_bulk({attempt.worker_id for attempt in attempts})
    runs = [_run(attempt, workers.get(attempt.worker_id)) for attempt in attempts]
    return {
        "state": state_badge(job),
        "error": (job.error_type, mask_text(job.error_message)) if job.error_type else None,
        "steps": _steps(job),
        "progress": progress_bar(job.progress_done, job.progress_total, job.progress_message),
        "runs": runs,
        "why": services.why(job.pk) if job.state in {State.QUEUED, *WAITING} else [],
        "facts": [fact for fact in _facts(job) if fact.value not in ("", None)],
        "arguments": json_block(job.arguments),
        "changes": changes_of(job),
        "result": json_block(job.result) if job.result is not None else "",
        "checkpoint": json_block(job.checkpoint) if job.checkpoint is not None else "",
    }


def _steps(job: Job) -> list[Step]:
    """Return created, due, started, ended, with what passed between them."""
    waited = duration(job.started_at - job.run_at) if job.started_at and job.started_at > job.run_at else ""
    steps = [Step(_("Created"), "add_circle", "gray", job.created_at)]
    if (job.run_at - job.created_at).total_seconds() > 1 and job.state not in ENDED:
        steps.append(Step(_("Due"), "schedule", "gray", job.run_at))
    if job.started_at:
        label = _("Started") if job.fence == 1 else _("Start %(number)d") % {"number": job.fence}
        note = _("waited %(time)s") % {"time": waited} if waited and job.fence == 1 else ""
        steps.append(Step(label, "play_circle", "blue", job.started_at, note))
    return [*steps, *_last_step(job)]


def _last_step(job: Job) -> list[Step]:
    icon, tone = LOOKS[job.state]
    word = job.get_state_display()
    if job.state == State.RUNNING and job.started_at:
        note = _("for %(time)s") % {"time": duration(clock.now() - job.started_at)}
        return [Step(word, icon, tone, None, note)]
    if job.finished_at is None:
        return [Step(word, icon, tone, None, "")]
    took = duration(job.finished_at - job.started_at) if job.started_at else ""
    return [Step(word, icon, tone, job.finished_at, _("took %(time)s") % {"time": took} if took else "")]


def _run(attempt: Attempt, worker: Worker | None) -> Run:
    return Run(
        number=attempt.number,
        badge=outcome_badge(attempt),
        worker=_worker_link(worker) if worker else muted(short(attempt.worker_id)),
        started=long_moment(attempt.started_at),
        took=duration(attempt.ended_at - attempt.started_at),
        error_type=attempt.error_type,
        error_line=first_line(attempt.error_message, length=300),
        traceback=text_block(attempt.traceback) if attempt.traceback else "",
        log=text_block(attempt.log) if attempt.log else "",
    )


def _facts(job: Job) -> list[Fact]:
    return [
        Fact(_("id"), code(job.id)),
        Fact(_("queue"), job.queue),
        Fact(_("priority"), job.priority),
        Fact(_("tenant"), tenant_names().get(job.tenant_id, job.tenant_id) if job.tenant_id else ""),
        Fact(_("attempt"), f"{job.attempt} / {job.max_attempts}"),
        Fact(_("worker crashes"), job.crashes or ""),
        Fact(_("tags"), _tags(job)),
        Fact(_("sent by"), _cause(job)),
        Fact(_("sent in a batch"), _batch(job)),
        Fact(_("what follows"), _chain(job)),
        Fact(_("unique key"), code(job.unique_key) if job.unique_key else ""),
        Fact(_("key is held until"), long_moment(job.unique_expires_at) if _holds_on(job) else ""),
        Fact(_("not before"), long_moment(job.run_at) if job.state not in ENDED else ""),
        Fact(_("must end by"), long_moment(job.deadline_at) if job.state == State.RUNNING else ""),
        Fact(_("cancel requested"), long_moment(job.cancel_requested_at) if job.cancel_requested_at else ""),
        Fact(_("worker"), _worker(job)),
        Fact(_("same cause"), _same_cause(job)),
    ]


def _holds_on(job: Job) -> bool:
    return bool(job.unique_key and job.unique_expires_at and job.unique_expires_at > clock.now())


def _tags(job: Job) -> Any:
    url = reverse("admin:jobs_job_changelist")
    return format_html_join(" ", '<a class="bk-tag" href="{}?q={}">{}</a>', ((url, tag, tag) for tag in job.tags))


def _cause(job: Job) -> Any:
    if job.cause_id is None:
        return ""
    cause = of_visible_tenants(Job.objects.filter(id=job.cause_id)).only("id", "actor").first()
    return job_link(cause.id, f"{cause.actor} {short(cause.id)}") if cause else muted(short(job.cause_id))


def _batch(job: Job) -> Any:
    if job.batch_id is None:
        return ""
    found = of_visible_tenants(Batch.objects.filter(id=job.batch_id)).only("id", "name").first()
    if found is None:
        return muted(short(job.batch_id))
    url = reverse("admin:jobs_batch_change", args=[found.id])
    return format_html('<a class="bk-link" href="{}">{}</a>', url, found.name)


def _chain(job: Job) -> Any:
    """Return the jobs that this one's success sends, in their order, secrets hidden."""
    lines = ((link["actor"], crumb(link["arguments"])) for link in job.chain or ())
    return format_html_join("", '<div>→ {} <span class="bk-muted">{}</span></div>', lines)


def _worker(job: Job) -> Any:
    worker = Worker.objects.filter(id=job.worker_id).first() if job.worker_id else None
    return _worker_link(worker) if worker else ""


def _worker_link(worker: Worker) -> SafeString:
    url = reverse("admin:jobs_worker_change", args=[worker.pk])
    return format_html('<a class="bk-link" href="{}">{}</a>', url, worker)


def _same_cause(job: Job) -> Any:
    if not job.fingerprint:
        return ""
    url = reverse("admin:jobs_failedjob_changelist")
    return format_html('<a class="bk-link" href="{}?fingerprint={}">{}</a>', url, job.fingerprint, job.fingerprint)

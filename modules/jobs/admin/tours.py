"""Three steps that show a newcomer what the console is for; each is done by doing it."""

from dataclasses import dataclass

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from modules.jobs.models import Dismissal, JobSchedule, Pause, Replay
from modules.kernel import clock
from modules.kernel.console import visible_tenant_ids

NAME = "tour"


@dataclass(frozen=True)
class TourStep:
    """What to do, where, and whether this reader has done it."""

    title: str
    text: str
    url: str
    is_done: bool


def tour(request: HttpRequest) -> list[TourStep]:
    """Return the steps, none for who may not take them or has sent the tour away."""
    if not request.user.has_perm("jobs.change_job") or visible_tenant_ids() is not None:
        return []
    if Dismissal.objects.filter(user_id=int(request.user.pk or 0), what=NAME).exists():
        return []
    return _steps(request)


@require_POST
def dismiss(request: HttpRequest) -> HttpResponse:
    """Show this reader no tour any more."""
    Dismissal.objects.get_or_create(user_id=int(request.user.pk or 0), what=NAME, defaults={"at": clock.now()})
    return HttpResponseRedirect(reverse("admin:index"))


def _steps(request: HttpRequest) -> list[TourStep]:
    of_schedules = ContentType.objects.get_for_model(JobSchedule)
    return [
        TourStep(
            _("Replay what failed"),
            _("Failures are grouped by cause. Take the largest, press “Replay 5, then all”, and watch it go."),
            reverse("admin:jobs_failedjob_changelist"),
            Replay.objects.filter(started_by=request.user.get_username()).exists(),
        ),
        TourStep(
            _("Change a schedule and run it"),
            _("Open one, change its cron line, look at its next runs, press “Run now”, and follow the job."),
            reverse("admin:jobs_jobschedule_changelist"),
            LogEntry.objects.filter(user_id=int(request.user.pk or 0), content_type=of_schedules).exists(),
        ),
        TourStep(
            _("Ask why a job does not run"),
            _("A queue stands still. The page of a job that waits says why; the page of queues lets it go on."),
            f"{reverse('admin:jobs_job_changelist')}?state=queued",
            not Pause.objects.exists(),
        ),
    ]

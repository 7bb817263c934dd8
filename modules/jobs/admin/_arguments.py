"""The form that gives a waiting or failed job other arguments, and what its page shows of such changes."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from modules.jobs import selectors, services
from modules.jobs.admin._schedules import OptionsField, PrettyEncoder
from modules.jobs.admin._states import job_url
from modules.jobs.domain import DEAD_LETTERS
from modules.jobs.models import Job, JobChange
from modules.jobs.registry import InvalidArguments, UnknownActor
from modules.jobs.services import CannotChange
from modules.kernel.console import TextareaWidget, TextWidget, crumb, long_moment
from modules.kernel.secrets import mask

MAX_CHANGES = 20  # shown on a job's page, the newest ones


class ArgumentsForm(forms.Form):
    """All arguments, secrets hidden, and why they change."""

    arguments = OptionsField(
        label=gettext_lazy("Arguments"),
        required=False,  # an empty object is a value, and nothing at all is refused below
        widget=TextareaWidget(attrs={"rows": 12}),
        encoder=PrettyEncoder,
    )
    reason = forms.CharField(label=gettext_lazy("Why"), max_length=300, widget=TextWidget)

    def clean_arguments(self) -> dict[str, Any]:
        """Return the arguments; refuses what is no JSON object."""
        arguments = self.cleaned_data["arguments"]
        if not isinstance(arguments, dict):
            raise forms.ValidationError(_('Write a JSON object, for example {"hours": 24}.'))
        return arguments


def change_arguments_view(admin: Any, request: HttpRequest, object_id: str) -> HttpResponseBase:
    """Show the form, or change the arguments, and replay the job when that is asked for too."""
    if not admin.has_act_permission(request):
        raise PermissionDenied
    job: Job | None = admin.get_object(request, object_id)
    if job is None:
        raise Http404
    if job.state not in services.CHANGEABLE:
        messages.warning(request, _("This job runs or has ended; its arguments stay."))
        return HttpResponseRedirect(job_url(job.pk))
    form = ArgumentsForm(request.POST or None, initial={"arguments": mask(job.arguments)})
    if request.method == "POST" and form.is_valid() and _change(admin, request, job, form):
        return HttpResponseRedirect(job_url(job.pk))
    context = {
        **admin.admin_site.each_context(request),
        "title": _("Change the arguments of %(actor)s") % {"actor": job.actor},
        "opts": admin.opts,
        "original": job,
        "form": form,
        "is_dead": job.state in DEAD_LETTERS,
        "back": job_url(job.pk),
    }
    return TemplateResponse(request, "jobs/arguments.html", context)


def _change(admin: Any, request: HttpRequest, job: Job, form: ArgumentsForm) -> bool:
    """Return whether the page is done with; else the form says what is wrong."""
    given = form.cleaned_data
    try:
        noted = services.change_arguments(
            job_id=job.pk, arguments=given["arguments"], by=request.user.get_username(), reason=given["reason"]
        )
    except (InvalidArguments, UnknownActor) as error:
        form.add_error("arguments", str(error.args[0]))
        return False
    except CannotChange:
        messages.warning(request, _("This job runs or has ended; its arguments stay."))
        return True
    _tell(admin, request, job, noted)
    return True


def _tell(admin: Any, request: HttpRequest, job: Job, noted: JobChange | None) -> None:
    if noted is None:
        messages.warning(request, _("The arguments are as they were."))
    else:
        admin.log_change(request, job, _("Changed the arguments: %(reason)s") % {"reason": noted.reason})
        messages.success(request, _("The arguments are changed."))
    if "replay" in request.POST and services.replay([job.pk]):
        messages.success(request, _("The job is queued again."))


@dataclass(frozen=True)
class Change:
    """One change as the job's page shows it."""

    at: SafeString | str
    by: str
    reason: str
    lines: list[tuple[str, str, str]]
    """Argument, before, after."""


def changes_of(job: Job) -> list[Change]:
    """Return the newest changes of a job's arguments, newest first."""
    return [
        Change(long_moment(one.changed_at), one.changed_by, one.reason, _lines(one.before, one.after))
        for one in selectors.job_changes(job.pk, limit=MAX_CHANGES)
    ]


def _lines(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str]]:
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [(name, _shown(before, name), _shown(after, name)) for name in names]


def _shown(arguments: dict[str, Any], name: str) -> str:
    return crumb(arguments[name]) if name in arguments else "–"

"""Buttons of a page that change something: always a POST with a token, a permission and an entry in the log."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class ButtonSpec:
    """What a button says and when it is shown."""

    label: Any
    icon: str
    shown_for: Callable[[Any], bool]
    question: Any = ""
    """Asked before the click counts; empty for what can be undone."""


class HasButtons(Protocol):
    """A ModelAdmin with buttons."""

    model: Any
    opts: Any
    admin_site: Any

    def has_act_permission(self, request: HttpRequest) -> bool: ...
    def get_object(self, request: HttpRequest, object_id: str) -> Any: ...
    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any: ...


def button(
    label: Any, *, icon: str, shown_for: Callable[[Any], bool] = lambda _row: True, question: Any = ""
) -> Callable[[F], F]:
    """Make a button of a method `(request, row) -> None` that calls one service and tells the reader what happened.

    `shown_for(row)` hides it where it makes no sense, and refuses the press of a page that is out of date; the service
    behind refuses by itself what changes between the two.
    """

    def decorate(method: F) -> F:
        method.spec = ButtonSpec(label, icon, shown_for, question)  # type: ignore[attr-defined]
        return method

    return decorate


def press(admin: HasButtons, request: HttpRequest, object_id: str, name: str) -> HttpResponseBase:
    """Answer the POST of one button; a row that the reader may not see does not exist."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not admin.has_act_permission(request):
        raise PermissionDenied
    row = admin.get_object(request, object_id)
    if row is None:
        raise Http404
    method = getattr(admin, name)
    if method.spec.shown_for(row):
        method(request, row)
        admin.log_change(request, row, str(method.spec.label))
    else:
        text = _("%(button)s is not offered any more: this has changed since the page was shown. Nothing was done.")
        messages.warning(request, text % {"button": method.spec.label})
    return HttpResponseRedirect(_back(admin, request, row))


def shown_buttons(admin: HasButtons, request: HttpRequest, row: Any, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return what the template needs of the buttons that this reader may press now."""
    if not admin.has_act_permission(request):
        return []
    specs = [(name, getattr(admin, name).spec) for name in names]
    place = f"{admin.admin_site.name}:{admin.opts.app_label}_{admin.opts.model_name}"
    return [
        {"url": reverse(f"{place}_{name}", args=[row.pk]), "spec": spec} for name, spec in specs if spec.shown_for(row)
    ]


def note_bulk(request: HttpRequest, model: Any, *, what: str, count: int, why: str = "") -> None:
    """Keep who did something to many rows at once, to which ones and why, and tell them."""
    said = [text for text in (request.GET.urlencode()[:1_000], why) if text]
    LogEntry.objects.create(
        user_id=int(request.user.pk or 0),
        content_type=ContentType.objects.get_for_model(model),
        object_id=None,
        object_repr=what[:200],
        action_flag=CHANGE,
        change_message=json.dumps([{"changed": {"fields": said}}]) if said else "",
    )
    messages.add_message(request, messages.SUCCESS if count else messages.WARNING, what)


def _back(admin: HasButtons, request: HttpRequest, row: Any) -> str:
    if admin.get_object(request, str(row.pk)) is None:  # a replayed job has left the page of failures
        return reverse(f"{admin.admin_site.name}:{admin.opts.app_label}_{admin.opts.model_name}_changelist")
    return reverse(f"{admin.admin_site.name}:{admin.opts.app_label}_{admin.opts.model_name}_change", args=[row.pk])

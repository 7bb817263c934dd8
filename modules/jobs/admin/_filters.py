"""The filters of job lists. Their choices come from memory: a DISTINCT over all jobs would read all jobs."""

from typing import Any, ClassVar

from django.contrib.admin import SimpleListFilter
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from modules.jobs import selectors
from modules.jobs.domain import DEAD_LETTERS
from modules.jobs.models import FailedJob, Job, ReplayedJob
from modules.jobs.registry import all_specs
from modules.kernel.console import tenant_names


class ColumnFilter(SimpleListFilter):
    """A filter by one column's exact value."""

    column: ClassVar[str]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the rows with the chosen value."""
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


class NamedFilter(ColumnFilter):
    """A filter by a name that few of a million jobs may have."""

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the jobs with the chosen name; dead letters are few and have their own index."""
        if queryset.model is FailedJob:
            return super().queryset(request, queryset)
        return queryset.filter(selectors.with_column(**{self.column: self.value()})) if self.value() else queryset


class StateFilter(ColumnFilter):
    title = _("state")
    parameter_name = column = "state"

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the jobs in the chosen state."""
        return queryset.filter(selectors.in_state(self.value() or "")) if self.value() else queryset

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return every state."""
        return list(Job.State.choices)


class DeadStateFilter(StateFilter):
    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return the states of dead letters."""
        return [(state, word) for state, word in Job.State.choices if state in DEAD_LETTERS]


class QueueFilter(NamedFilter):
    title = _("queue")
    parameter_name = column = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return the queues that some pool of workers serves."""
        return [(queue, queue) for queue in selectors.known_queues()]


class ActorFilter(NamedFilter):
    title = _("actor")
    parameter_name = column = "actor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return the actors that the code has, and the chosen one that it may have had."""
        names = {spec.name for spec in all_specs()} | ({chosen} if (chosen := _chosen(self)) else set())
        return [(name, name) for name in sorted(names)]


class CauseFilter(ColumnFilter):
    """Jobs that failed for one cause; chosen by a link beside the error, so the list offers nothing else."""

    title = _("cause")
    parameter_name = column = "fingerprint"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return the chosen cause."""
        return [(chosen, chosen)] if (chosen := _chosen(self)) else []


class BatchFilter(ColumnFilter):
    """The members of one batch; chosen by a link on the batch's page."""

    title = _("batch")
    parameter_name = "batch"
    column = "batch_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return the chosen batch."""
        return [(chosen, chosen)] if (chosen := _chosen(self)) else []

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the members; none for what is no id."""
        try:
            return super().queryset(request, queryset)
        except ValidationError:
            return queryset.none()


class ReplayFilter(ColumnFilter):
    """The members of one replay; chosen by a link on the replay's page."""

    title = _("replay")
    parameter_name = "replay"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return the chosen replay."""
        return [(chosen, f"#{chosen}")] if (chosen := _chosen(self)) else []

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the members; none for what is no number."""
        value = self.value()
        if not value:
            return queryset
        if not value.isdecimal() or len(value) > 18:
            return queryset.none()
        return queryset.filter(id__in=ReplayedJob.objects.filter(replay_id=int(value)).values("job_id"))


class TenantFilter(SimpleListFilter):
    title = _("tenant")
    parameter_name = "tenant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        """Return the tenants in the reader's scope."""
        return [(str(tenant_id), name) for tenant_id, name in tenant_names().items()]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """Return the rows of the chosen tenant."""
        value = self.value() or ""
        return queryset.filter(tenant_id=int(value)) if value.isdecimal() else queryset


def _chosen(found: SimpleListFilter) -> str:
    """Return the value from the address; `value()` works before the choices are known, too."""
    return str(found.used_parameters.get(str(found.parameter_name)) or "")

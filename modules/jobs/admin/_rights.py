"""Who may look and act where a screen's rights are those of jobs."""

from typing import Any

from django.http import HttpRequest

from modules.kernel.console import ReadOnlyAdmin


class WithRightsOfJobs(ReadOnlyAdmin):
    """A screen for whoever may look at jobs, with buttons for whoever may change them."""

    def has_act_permission(self, request: HttpRequest) -> bool:
        """Return whether the reader may press buttons: whoever may cancel and replay jobs."""
        return request.user.has_perm("jobs.change_job")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the reader may look: whoever may look at jobs, or act."""
        return request.user.has_perm("jobs.view_job") or self.has_act_permission(request)

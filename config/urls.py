"""Where each address leads."""

from django.contrib import admin
from django.urls import include, path
from django.utils.translation import gettext_lazy as _
from django.views.generic import RedirectView

from config.api import api
from modules.accounts.admin.switch import choose_tenant
from modules.accounts.api import MemberToken
from modules.jobs import health, metrics
from modules.notifications.api import live_events

admin.site.index_template = "console/home.html"
admin.site.index_title = _("Overview")

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/")),
    path("i18n/", include("django.conf.urls.i18n")),  # the language switch
    path("admin/jobs/", include("modules.jobs.urls")),
    path("admin/tenant/", admin.site.admin_view(choose_tenant), name="choose_tenant"),
    path("admin/", admin.site.urls),
    path("api/v1/", api.urls),
    path("api/events", live_events(MemberToken()), name="live-events"),
    path("webhooks/shoptet/", include("modules.shoptet.urls")),
    path("", include("modules.notifications.urls")),
    path("exports/", include("modules.reports.urls")),
    path("metrics", metrics.export),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("health/jobs", health.jobs),
]

"""Where each address leads."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from modules.jobs import health, metrics

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
    path("metrics", metrics.export),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("health/jobs", health.jobs),
]

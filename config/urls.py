"""Where each address leads."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

admin.site.index_template = "console/home.html"

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/")),
    path("i18n/", include("django.conf.urls.i18n")),  # the language switch
    path("admin/", admin.site.urls),
]

"""Where the links of exports lead."""

from django.urls import path

from modules.reports.api import download

app_name = "reports"
urlpatterns = [path("<str:token>", download, name="download")]

"""Where shops reach us."""

from django.urls import path

from modules.shoptet.api import install, receive, receive_addon_event

app_name = "shoptet"
urlpatterns = [
    path("<uuid:public_id>", receive, name="webhook"),
    path("addons/<uuid:public_id>/install", install, name="addon_install"),
    path("addons/<uuid:public_id>/events", receive_addon_event, name="addon_events"),
]

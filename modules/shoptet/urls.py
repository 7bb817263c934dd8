"""Where shops reach us."""

from django.urls import path

from modules.shoptet.api import receive

app_name = "shoptet"
urlpatterns = [path("<uuid:public_id>", receive, name="webhook")]

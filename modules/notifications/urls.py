"""Where readers of mails and their provider reach us."""

from django.urls import path

from modules.notifications.api import receive_ses, unsubscribe

app_name = "notifications"
urlpatterns = [
    path("unsubscribe/<str:token>", unsubscribe, name="unsubscribe"),
    path("api/webhooks/ses", receive_ses, name="ses"),
]

"""The console's pages that are no list of rows."""

from django.contrib import admin
from django.urls import path

from modules.jobs.admin import queues, tours, wall

urlpatterns = [
    path("queues/", admin.site.admin_view(queues.show), name="jobs_queues"),
    path("queues/pause/", admin.site.admin_view(queues.pause), name="jobs_pause"),
    path("queues/resume/", admin.site.admin_view(queues.resume), name="jobs_resume"),
    path("queues/limit/", admin.site.admin_view(queues.limit), name="jobs_limit"),
    path("tour/dismiss/", admin.site.admin_view(tours.dismiss), name="jobs_dismiss_tour"),
    path("wall/", admin.site.admin_view(wall.show), name="jobs_wall"),
    path("queues/unlimit/", admin.site.admin_view(queues.unlimit), name="jobs_unlimit"),
]

"""Pages that keep themselves fresh, and what every page may load."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from modules.jobs.models import RunMinute
from modules.kernel import clock
from tests.admin.factories import make_batch, make_job, make_schedule, make_worker
from tests.admin.pages import detail, listing


@pytest.mark.parametrize("page", ["home", "queues", "job", "batch", "worker"])
def test_a_page_that_changes_by_itself_says_what_to_refresh(root, page):
    address = {
        "home": lambda: "/admin/",
        "queues": lambda: reverse("jobs_queues"),
        "job": lambda: detail("jobs_job", make_job("running", worker_id=make_worker().pk)),
        "batch": lambda: detail("jobs_batch", make_batch()),
        "worker": lambda: detail("jobs_worker", make_worker()),
    }[page]()

    body = root.get(address).content.decode()

    assert len(re.findall(r"<[^>]+ data-live=", body)) == 1
    assert body.count("data-live-pill") == 1


def test_a_form_is_never_replaced_while_somebody_fills_it_in(root):
    body = root.get(detail("jobs_jobschedule", make_schedule("tests.note"))).content.decode()

    assert " data-live=" not in body


@pytest.mark.parametrize(
    ("address", "may_style"), [("/admin/login/", True), ("/health/live", False), ("/api/v1/docs", False)]
)
def test_pages_load_nothing_from_outside(client, db, address, may_style):
    policy = client.get(address).headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))

    assert (rules["default-src"], rules["object-src"], rules["frame-ancestors"]) == ("'self'", "'none'", "'none'")
    assert ("style-src" in rules, "http" in policy) == (may_style, False)


@pytest.mark.parametrize("name", ["jobs_job", "shoptet_shop", "jobs_jobschedule"])
def test_no_page_of_the_console_has_a_script_of_its_own(root, name):
    body = root.get(listing(name)).content.decode()
    scripts = re.findall(r"<script\b([^>]*)>(.*?)</script>", body, flags=re.DOTALL)

    assert [text for attributes, text in scripts if text.strip() and "application/json" not in attributes] == []
    assert re.findall(r'\son(?:click|change|load|submit)="', body) == []


def test_the_home_page_draws_the_last_hour_for_readers_of_all(root, viewer):
    minute = clock.now().replace(second=0, microsecond=0)
    row = {"actor": "tests.note", "queue": "low", "seconds": 1.0, "buckets": []}
    RunMinute.objects.create(**row, minute_at=minute - timedelta(minutes=1), outcome="succeeded", count=7)
    RunMinute.objects.create(**row, minute_at=minute - timedelta(minutes=2), outcome="failed", count=2)

    assert "in the last hour: 9, failed: 2" in root.get("/admin/").content.decode()
    assert "in the last hour" not in viewer.get("/admin/").content.decode()

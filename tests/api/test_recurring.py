"""Recurring jobs: made by tenants, left alone by deploys."""

from datetime import timedelta

import pytest
import time_machine

from modules.jobs import services
from modules.jobs.models import Job, JobSchedule
from modules.kernel import clock
from tests.api.within import within

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(db):
    with within() as place:
        yield place


BODY = {"type": "report-generation", "data": {"reportType": "analytics"}, "cron": "0 2 * * *", "timezone": "UTC"}


@pytest.fixture
def made(alice):
    return alice.http.post("/jobs/recurring", json=BODY).json()


def test_it_is_listed_and_shown(alice, made):
    assert alice.http.get("/jobs/recurring").json() == {"recurring": [made]}
    assert alice.http.get(f"/jobs/recurring/{made['id']}").json() == made


def test_it_keeps_the_rules_of_the_calendar_and_shows_them(alice):
    rules = {
        "overlap": "queue",
        "catchUp": "none",
        "skippedHour": "skip",
        "doubledHour": "both",
        "onDayOff": "move",
        "country": "CZ",
        "areWeekendsOff": True,
    }

    with time_machine.travel("2026-12-23T12:00:00Z", tick=False):
        made = alice.http.post("/jobs/recurring", json={**BODY, **rules}).json()

    assert {name: made[name] for name in rules} == rules
    assert (made["waitingSince"], made["nextRunAt"]) == (None, "2026-12-28T02:00:00Z")
    schedule = JobSchedule.objects.get(is_declared=False)
    assert (schedule.overlap, schedule.catch_up, schedule.timetable.country) == ("queue", "none", "CZ")


def test_it_fires_for_its_tenant_and_shows_its_last_job(alice, made):
    now = clock.now() + timedelta(days=1)
    sent = [services.fire_due_schedules(now=now) for _ in range(2)]

    job = Job.objects.get()
    assert sent == [[job.id], []]
    assert (job.tenant_id, job.arguments["report_type"]) == (alice.tenant.pk, "analytics")
    assert alice.http.get(f"/jobs/recurring/{made['id']}").json()["lastJobId"] == str(job.id)


def test_a_deploy_leaves_it_alone(made):
    before = JobSchedule.objects.filter(is_declared=False).values().get()

    services.sync_schedules(now=clock.now())

    assert JobSchedule.objects.filter(is_declared=False).values().get() == before


def test_deleted_it_is_gone_and_fires_no_more(alice, made):
    path = f"/jobs/recurring/{made['id']}"

    answers = [alice.http.delete(path), alice.http.delete(path), alice.http.get(path)]

    assert [answer.status_code for answer in answers] == [204, 404, 404]
    assert services.fire_due_schedules(now=clock.now() + timedelta(days=1)) == []


def test_a_declared_schedule_cannot_be_deleted():
    services.sync_schedules(now=clock.now())
    declared = JobSchedule.objects.get(key="jobs.prune")

    with pytest.raises(ValueError, match=r"jobs\.prune is declared in code"):
        services.delete_schedule(declared)

    assert JobSchedule.objects.filter(key="jobs.prune").exists()


@pytest.mark.slow
def test_what_cannot_run_any_more_says_why(alice, made):
    JobSchedule.objects.update(actor="tests.gone")
    services.fire_due_schedules(now=clock.now() + timedelta(days=1))

    found = alice.http.get("/jobs/recurring").json()["recurring"][0]

    assert (found["type"], found["problem"][:32]) == ("tests.gone", "No actor is called 'tests.gone';")

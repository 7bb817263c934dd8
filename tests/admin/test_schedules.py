"""Schedules: what the code says, what an operator changes, what comes next."""

from datetime import timedelta

import pytest
import time_machine

from modules.jobs.models import Job, JobSchedule, ScheduleFiring
from modules.kernel import clock
from tests.admin.factories import make_firing, make_job, make_schedule
from tests.admin.pages import detail, listing, press, told, words

AT_NOON = "2026-03-27T11:00:00Z"  # a Friday; the clocks of Prague go forward on the 29th


def form(**changes):
    unchanged = {"cron": "", "timezone": "", "options": "", "is_enabled": "", "overlap": "skip", "catch_up": "one"}
    unchanged |= {"skipped_hour": "next", "doubled_hour": "first", "on_day_off": "run", "country": ""}
    return unchanged | changes


def errors(response):
    return response.context["adminform"].form.errors


def test_the_list_shows_what_counts_in_the_schedules_own_zone(root):
    make_schedule(cron="30 4 * * *", timezone="Europe/Warsaw", problem="It is broken.")

    with time_machine.travel(AT_NOON, tick=False):
        text = words(root.get(listing("jobs_jobschedule")))

    parts = ["30 4 * * *", "Europe/Warsaw", "code: 0 3 * * *", "Sat 28 March 04:30", "in 16 h", "It is broken."]
    assert [part for part in parts if part not in text] == []


def test_the_list_shows_the_last_job_and_its_state(root):
    job = make_job("failed")
    make_schedule(last_job_id=job.pk, last_fired_at=job.created_at)

    response = root.get(listing("jobs_jobschedule"))

    assert f"/admin/jobs/job/{job.pk}/change/" in response.content.decode()


def test_the_form_names_the_codes_defaults(root):
    schedule = make_schedule()

    text = words(root.get(detail("jobs_jobschedule", schedule)))

    parts = ["as in the code: 0 3 * * *", "as in the code: Europe/Prague", 'as in the code: word="night"']
    assert [part for part in parts if part not in text] == []


def test_the_form_shows_the_next_ten_runs_over_the_clock_change(root):
    schedule = make_schedule()

    with time_machine.travel(AT_NOON, tick=False):
        response = root.get(detail("jobs_jobschedule", schedule))

    runs = [(run["at"].split("datetime=")[1][1:26], run["shifted"]) for run in response.context["preview"]]
    assert runs[:3] == [
        ("2026-03-28T02:00:00+00:00", False),
        ("2026-03-29T01:00:00+00:00", True),
        ("2026-03-30T01:00:00+00:00", False),
    ]
    assert len(runs) == 10


def test_a_saved_change_moves_the_preview_and_counts_from_now(root):
    schedule = make_schedule(problem="old")
    changes = form(cron="15 6 * * 1", timezone="UTC", options='{"word": "dawn"}', is_enabled="no", overlap="allow")

    with time_machine.travel(AT_NOON, tick=False):
        response = root.post(detail("jobs_jobschedule", schedule), {**changes, "_continue": "1"}, follow=True)

    schedule.refresh_from_db()
    saved = (schedule.cron, schedule.timezone, schedule.options, schedule.is_enabled, schedule.overlap)
    assert saved == ("15 6 * * 1", "UTC", {"word": "dawn"}, False, "allow")
    assert (schedule.evaluated_until.isoformat(), schedule.problem) == ("2026-03-27T11:00:00+00:00", "")
    assert "2026-03-30T06:15:00+00:00" in response.context["preview"][0]["at"]


def test_the_preview_says_why_nothing_runs_and_where_it_was_moved(root):
    schedule = make_schedule()
    changes = form(on_day_off="move", country="CZ", are_weekends_off="on", cron="0 6 * * 4")

    with time_machine.travel("2025-12-20T11:00:00Z", tick=False):
        response = root.post(detail("jobs_jobschedule", schedule), {**changes, "_continue": "1"}, follow=True)

    schedule.refresh_from_db()
    assert (schedule.on_day_off, schedule.country, schedule.are_weekends_off) == ("move", "CZ", True)
    assert "Christmas Day, moved to Mon 29 Dec. 06:00" in words(response)
    assert [run["runs"] for run in response.context["preview"]][:3] == [False, True, False]


@pytest.mark.parametrize(
    ("language", "notes"),
    [
        ("en", ["left out: Saturday", "left out: Sunday", "left out: Statehood Day"]),
        ("cs", ["vynecháno: sobota", "vynecháno: neděle", "vynecháno: Den české státnosti"]),
    ],
)
def test_the_preview_names_days_off_in_the_readers_language(root, language, notes):
    schedule = make_schedule(on_day_off="skip", country="CZ", are_weekends_off=True)
    root.post("/i18n/setlang/", {"language": language, "next": "/admin/"})

    with time_machine.travel("2026-09-25T11:00:00Z", tick=False):
        response = root.get(detail("jobs_jobschedule", schedule))

    runs = response.context["preview"]
    assert [run["note"] for run in runs if not run["runs"]][:3] == notes
    assert sum(run["runs"] for run in runs) == 10


@pytest.mark.parametrize(
    ("policy", "day", "notes"),
    [
        ({}, "2026-03-28", ["instead of 02:30, which the clocks skip", ""]),
        ({"skipped_hour": "skip"}, "2026-03-28", ["left out: the clocks skip 02:30", ""]),
        ({}, "2026-10-24", ["the first 02:30 of two", ""]),
        ({"doubled_hour": "second"}, "2026-10-24", ["the second 02:30 of two", ""]),
        ({"doubled_hour": "both"}, "2026-10-24", ["the first 02:30 of two", "the second 02:30 of two", ""]),
    ],
)
def test_the_preview_says_what_the_nights_of_the_clock_change_do(root, policy, day, notes):
    schedule = make_schedule(cron="30 2 * * *", **policy)

    with time_machine.travel(f"{day}T11:00:00Z", tick=False):
        response = root.get(detail("jobs_jobschedule", schedule))

    assert [run["note"] for run in response.context["preview"]][: len(notes)] == notes
    assert [note for note in notes if note not in words(response)] == []


def test_the_list_shows_days_off_and_the_run_that_waits(root):
    make_schedule(on_day_off="move", country="CZ", overlap="queue", waiting_due_at="2026-03-27T10:00:00Z")

    text = words(root.get(listing("jobs_jobschedule")))

    assert [part for part in ("moved from days off", "one waits for the last one's end") if part not in text] == []


def test_a_saved_change_of_the_rules_is_kept_and_lets_nothing_wait(root):
    schedule = make_schedule(waiting_due_at="2026-03-27T10:00:00Z")
    rules = {"overlap": "queue", "skipped_hour": "skip", "doubled_hour": "both", "on_day_off": "skip", "country": "PL"}

    root.post(detail("jobs_jobschedule", schedule), form(**rules))

    schedule.refresh_from_db()
    assert {name: getattr(schedule, name) for name in rules} == rules
    assert schedule.waiting_due_at is None


def test_empty_fields_go_back_to_the_code(root):
    schedule = make_schedule(cron="1 1 * * *", timezone="UTC", options={"word": "x"}, is_enabled=False)

    root.post(detail("jobs_jobschedule", schedule), form())

    schedule.refresh_from_db()
    assert (schedule.cron, schedule.timezone, schedule.options, schedule.is_enabled) == ("", "", None, None)


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"cron": "61 * * * *"}, "cron", "The cron line '61 * * * *' is wrong"),
        ({"cron": "every day"}, "cron", "The cron line 'every day' is wrong"),
        ({"timezone": "Europe/Atlantis"}, "timezone", "Select a valid choice."),
        ({"options": "{word: 1}"}, "options", "Enter a valid JSON."),
        ({"options": '["word"]'}, "options", "Write a JSON object"),
        (
            {"options": '{"word": "a", "wrong": 1}'},
            "options",
            "tests.note: got an unexpected keyword argument 'wrong'.",
        ),
        ({"options": "{}"}, "options", "tests.note: missing a required argument: 'word'."),
        ({"on_day_off": "move"}, "on_day_off", "No day is off"),
        (
            {"cron": "0 6 * * 7", "on_day_off": "skip", "are_weekends_off": "on"},
            "on_day_off",
            "Every run falls on a day off",
        ),
        ({"country": "CZ"}, "on_day_off", "Say what becomes"),
        ({"country": "XX", "on_day_off": "skip"}, "country", "Select a valid choice."),
    ],
)
def test_what_cannot_run_is_refused_at_its_field(root, changes, field, message):
    schedule = make_schedule()

    response = root.post(detail("jobs_jobschedule", schedule), form(**changes))

    assert list(errors(response)) == [field]
    assert errors(response)[field][0].startswith(message)
    schedule.refresh_from_db()
    assert (schedule.cron, schedule.timezone, schedule.options) == ("", "", None)


def test_an_actor_that_is_gone_is_told_above_the_form(root):
    schedule = make_schedule(actor="tests.gone")

    response = root.post(detail("jobs_jobschedule", schedule), form())

    assert list(errors(response)) == ["__all__"]


def test_a_refused_change_keeps_the_preview_of_what_is_saved(root):
    schedule = make_schedule()

    with time_machine.travel(AT_NOON, tick=False):
        response = root.post(detail("jobs_jobschedule", schedule), form(cron="rubbish"))

    assert "2026-03-28T02:00:00+00:00" in response.context["preview"][0]["at"]


@pytest.mark.parametrize(
    ("cron", "first"), [("15 6 * * *", "2026-03-28T05:15:00+00:00"), ("61 * * * *", "2026-03-28T03:30:00+00:00")]
)
def test_a_mistake_elsewhere_shows_the_runs_of_the_typed_line_or_else_of_the_saved_one(root, cron, first):
    schedule = make_schedule(cron="30 4 * * *")

    with time_machine.travel(AT_NOON, tick=False):
        response = root.post(detail("jobs_jobschedule", schedule), form(cron=cron, options="{broken"))

    assert first in response.context["preview"][0]["at"]


def test_run_now_sends_the_job_with_the_options_that_count(root):
    schedule = make_schedule(options={"word": "now"})

    response = root.post(press("jobs_jobschedule", schedule, "run_now"), follow=True)

    job = Job.objects.get()
    assert (job.actor, job.arguments, job.tags) == ("tests.note", {"word": "now"}, ["schedule:tests.nightly"])
    assert told(response) == [f"tests.nightly runs now: job …{str(job.pk)[-8:]}."]


def test_run_now_says_why_it_cannot(root):
    schedule = make_schedule(actor="tests.gone")

    response = root.post(press("jobs_jobschedule", schedule, "run_now"), follow=True)

    assert told(response)[0].startswith("This schedule cannot run: No actor is called 'tests.gone'")
    assert (Job.objects.count(), ScheduleFiring.objects.count()) == (0, 0)


def test_run_now_needs_a_post(root):
    schedule = make_schedule()

    assert root.get(press("jobs_jobschedule", schedule, "run_now")).status_code == 405
    assert Job.objects.count() == 0


@pytest.mark.parametrize("who", ["viewer", "operator", "clerk"])
def test_staff_of_one_tenant_neither_change_nor_run_what_runs_for_all(request, who):
    client = request.getfixturevalue(who)
    schedule = make_schedule()

    answers = [
        client.post(press("jobs_jobschedule", schedule, "run_now")).status_code,
        client.post(detail("jobs_jobschedule", schedule), form(cron="1 1 * * *")).status_code,
    ]

    assert answers == [403, 403]
    assert (Job.objects.count(), JobSchedule.objects.get().cron) == (0, "")


def test_nobody_adds_or_deletes_a_schedule(root):
    schedule = make_schedule()

    answers = [
        root.get("/admin/jobs/jobschedule/add/").status_code,
        root.post(f"/admin/jobs/jobschedule/{schedule.pk}/delete/", {"post": "yes"}).status_code,
    ]

    assert answers == [403, 403]
    assert JobSchedule.objects.count() == 1


def test_the_runs_of_one_schedule_are_newest_first(root):
    mine, other = make_schedule("tests.mine"), make_schedule("tests.other")
    first = make_firing(mine)
    second = make_firing(mine, outcome="overlapped", reason="Job 1 has not ended.")
    make_firing(other)

    response = root.get(listing("jobs_schedulefiring", f"?schedule__id__exact={mine.pk}"))

    assert [row.pk for row in response.context["cl"].result_list] == [second.pk, first.pk]
    assert "Job 1 has not ended." in words(response)


def test_the_last_runs_are_a_strip_with_words_of_the_jobs_that_the_reader_may_see(root, viewer, alice, bob):
    schedule, now = make_schedule("tests.nightly"), clock.now()
    times = {"started_at": now - timedelta(seconds=90), "finished_at": now}
    theirs = make_job("failed", tenant_id=bob.pk, **times)
    seen = make_job("succeeded", tenant_id=alice.pk, **times)
    make_firing(schedule, due_at=now - timedelta(days=2), job_id=theirs.pk)
    make_firing(schedule, due_at=now - timedelta(days=1), job_id=seen.pk)
    make_firing(schedule, due_at=now, outcome="missed")

    for address in (listing("jobs_jobschedule"), detail("jobs_jobschedule", schedule)):
        body, limited = root.get(address).content.decode(), viewer.get(address).content.decode()
        assert 'aria-label="3 runs, gone wrong or missed: 2"' in body
        assert [word in body for word in (": Failed, 1 min 30 s", ": Succeeded, 1 min 30 s", ": Missed")] == [True] * 3
        assert ": Failed" not in limited
        assert 'aria-label="3 runs, gone wrong or missed: 1"' in limited


def test_only_the_newest_runs_are_drawn(root, monkeypatch):
    monkeypatch.setattr("modules.jobs.admin._strips.RUNS", 2)
    schedule = make_schedule("tests.nightly")
    for days in range(4):
        make_firing(schedule, due_at=clock.now() - timedelta(days=days), outcome="missed" if days > 1 else "holiday")

    assert 'aria-label="2 runs, gone wrong or missed: 0"' in root.get(listing("jobs_jobschedule")).content.decode()

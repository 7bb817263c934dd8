"""What the admin on call types."""

import json
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection

from modules.jobs import selectors, services
from modules.jobs.models import Batch, Job
from modules.jobs.services import batch, chain, keep_watch
from modules.kernel import clock
from tests.admin.factories import make_firing, make_schedule
from tests.support.actors import fail, note

pytestmark = pytest.mark.django_db(transaction=True)


def run(*words):
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.fixture
def dead(drain):
    """Three dead letters of two causes."""
    for message in ("the shop is closed", "the shop is closed", "no such order"):
        fail.send(kind="permanent", message=message)
    drain()
    return list(Job.objects.filter(state="failed").order_by("id"))


def states():
    return sorted(Job.objects.values_list("state", flat=True))


def test_a_job_is_sent_by_hand_and_runs(drain, effects):
    job_id = run("job_run", "tests.note", "--args", '{"word": "by hand"}').strip()

    assert drain() == 1
    assert effects == ["by hand"]
    assert str(Job.objects.get().id) == job_id


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["tests.nothing"], "jobs_actors"),
        (["tests.note", "--args", '{"word": 1}'], "'word' does not fit"),
        (["tests.note", "--args", "{word"], "no JSON"),
        (["tests.note", "--args", "[1]"], "JSON object"),
    ],
)
def test_a_job_that_cannot_be_sent_says_why_and_sends_nothing(words, error):
    with pytest.raises(CommandError, match=error):
        run("job_run", *words)

    assert not Job.objects.exists()


def test_the_newest_jobs_come_first_and_only_those_asked_for(dead):
    note.send(word="waiting")

    listed = [json.loads(line) for line in run("jobs_list", "--json", "--state", "failed", "--limit", "2").splitlines()]

    assert [row["id"] for row in listed] == [str(job.id) for job in reversed(dead[1:])]
    assert run("jobs_list").splitlines()[0].split()[-2:] == ["default", "tests.note"]


def test_dead_letters_of_one_cause_run_again_and_the_others_stay(dead):
    cause = dead[0].fingerprint

    assert cause in run("queue_failed")
    assert run("queue_retry", "--fingerprint", cause) == "2 jobs are queued again.\n"
    assert states() == ["failed", "queued", "queued"]


def test_named_jobs_and_a_filter_are_refused_together(dead):
    with pytest.raises(CommandError, match="not both"):
        run("queue_retry", str(dead[0].id), "--actor", "tests.fail")

    assert states() == ["failed"] * 3


def test_a_forgotten_dead_letter_is_off_the_list_with_its_history_kept(dead):
    waiting = note.send(word="alive").message_id

    with pytest.raises(CommandError, match="1 of them are no dead letters"):
        run("queue_forget", str(dead[0].id), waiting)

    assert states() == ["cancelled", "failed", "failed", "queued"]
    assert dead[0].attempts.count() == 1


def test_a_flush_says_first_and_then_discards_what_was_asked_for(dead):
    assert run("queue_flush", "--dry-run") == "3 would be discarded.\n"
    assert run("queue_flush", "--actor", "tests.note") == "0 discarded.\n"
    assert run("queue_flush", "--hours", "1") == "0 discarded.\n"
    assert states() == ["failed"] * 3

    assert run("queue_flush") == "3 discarded.\n"
    assert states() == ["cancelled"] * 3


def test_a_preflight_names_each_waiting_job_that_the_new_code_would_refuse(dead):
    fits = note.send(word="fits").message_id
    renamed, retyped, gone = (note.send(word="old").message_id for _ in range(3))
    Job.objects.filter(id=renamed).update(arguments={"text": "old"})
    Job.objects.filter(id=retyped).update(arguments={"word": 7})
    Job.objects.filter(id=gone).update(actor="tests.removed")
    out = StringIO()

    with pytest.raises(CommandError, match="job_cancel"):
        call_command("jobs_preflight", stdout=out)

    said = out.getvalue()
    assert all(job_id in said for job_id in (renamed, retyped, gone))
    assert fits not in said
    assert said.endswith("4 unfinished jobs checked, 3 do not fit.\n")


def test_a_preflight_over_fitting_jobs_is_quiet():
    note.send(word="fits")

    assert run("jobs_preflight").splitlines() == [
        "0 callbacks of open batches checked, 0 do not fit.",
        "1 unfinished jobs checked, 0 do not fit.",
    ]


@pytest.fixture
def batches(drain):
    """A finished batch with a failure, and one that waits."""
    with batch("done", on_finish=note.request(word="end")) as done:
        done.send(note.request(word="a"), fail.request(kind="permanent"))
    drain()
    with batch("waiting") as waiting:
        waiting.send(note.request(word="b"))
    return done.id, waiting.id


def test_batches_are_listed_newest_first_with_their_progress(batches):
    done, waiting = batches

    first, second = run("job_batches").splitlines()
    assert (first.split()[0], "running" in first, "0/1" in first) == (str(waiting), True, True)
    assert second.endswith("failed     2/2 (1 failed or cancelled)  done")
    rows = [json.loads(line) for line in run("job_batches", "--json", "--limit", "2").splitlines()]
    assert [(row["id"], row["state"], row["succeeded"], row["failed"], row["total"]) for row in rows] == [
        (str(waiting), "running", 0, 0, 1),
        (str(done), "failed", 1, 1, 2),
    ]


def test_a_batch_is_shown_with_its_members_by_state_and_its_callbacks(batches):
    text = run("job_batch", str(batches[0]))

    good, bad = (Job.objects.get(batch_id=batches[0], state=state).id for state in ("succeeded", "failed"))
    assert f"succeeded:\n  {good} tests.note\n" in text
    assert f"failed:\n  {bad} tests.fail PermanentError\n" in text
    assert f"on finish      tests.note {Job.objects.get(arguments__word='end').id}" in text


def test_a_batch_is_cancelled_by_hand(batches):
    assert run("job_batch", str(batches[1]), "--cancel").startswith("1 cancelled or asked to stop.\n")
    assert Job.objects.get(batch_id=batches[1]).state == "cancelled"


def test_a_batch_that_is_not_there_is_no_success():
    with pytest.raises(CommandError, match="no such batch"):
        run("job_batch", str(uuid4()))


def test_what_waits_for_a_job_is_shown_and_checked_before_a_deploy():
    job_id = chain(note.request(word="a"), note.request(word="b"))

    assert "then           tests.note {'word': 'b'}" in run("job_show", str(job_id))
    assert "1 unfinished jobs checked, 0 do not fit." in run("jobs_preflight")
    job = Job.objects.get()
    job.chain[0]["arguments"] = {"wrod": "b"}
    job.save()
    with pytest.raises(CommandError):
        run("jobs_preflight")


def test_a_preflight_looks_at_what_open_batches_have_yet_to_send(drain):
    with batch("ended", on_finish=note.request(word="gone")) as ended:
        ended.send(note.request(word="a"))
    drain()
    ready = note.request(word="new")
    with batch("open", on_success=ready, on_finish=fail.request(), on_first_failure=note.request(word="x")) as opened:
        opened.send(note.request(word="b"))
    assert run("jobs_preflight").startswith("3 callbacks of open batches checked, 0 do not fit.\n")

    callbacks = {**Batch.objects.get(id=opened.id).callbacks}
    callbacks["success"]["arguments"] = {"wrod": "new"}
    callbacks["first_failure"]["actor"] = "tests.removed"
    callbacks["finish"]["chain"] = [callbacks["success"]]
    Batch.objects.filter(id=opened.id).update(callbacks=callbacks, sent={"first_failure": str(uuid4())})
    Batch.objects.filter(id=ended.id).update(callbacks=callbacks)
    out = StringIO()
    with pytest.raises(CommandError, match="until these batches have ended"):
        call_command("jobs_preflight", stdout=out)

    first, second, *rest = out.getvalue().splitlines()
    assert first.startswith(f"batch {opened.id} finish tests.note: ")
    assert second.startswith(f"batch {opened.id} success tests.note: ")
    assert rest[0] == "2 callbacks of open batches checked, 2 do not fit."


def test_pruning_by_hand_takes_old_batches_along(batches):
    assert run("queue_prune", "--hours", "0") == "3 jobs deleted, 1 batches without any left.\n"


def test_pruning_goes_on_in_chunks_until_nothing_old_is_left_and_says_how_far_it_is(drain):
    for name in "abc":
        with batch(name) as opened:
            opened.send(note.request(word=name))
    drain()
    out, progress = StringIO(), StringIO()

    call_command("queue_prune", "--hours", "0", "--chunk", "2", stdout=out, stderr=progress)

    assert out.getvalue() == "3 jobs deleted, 3 batches without any left.\n"
    assert progress.getvalue() == "2 jobs deleted, going on.\n2 batches deleted, going on.\n"
    assert (Job.objects.count(), Batch.objects.count()) == (0, 0)
    with pytest.raises(CommandError, match="1 or more"):
        run("queue_prune", "--chunk", "0")


@pytest.fixture
def every_state(dead, drain):
    """Three dead letters, two jobs that succeeded, two cancelled, one scheduled, one queued."""
    for word in "ab":
        note.send(word=word)
    drain()
    services.cancel([note.send(word=word).message_id for word in "xy"])
    note.send_with_options(kwargs={"word": "d"}, delay=timedelta(hours=1))
    note.send(word="e")


EVERY_STATE = {
    "scheduled": 1,
    "queued": 1,
    "running": 0,
    "retrying": 0,
    "succeeded": 2,
    "failed": 3,
    "cancelled": 2,
    "quarantined": 0,
}


def test_the_figures_of_a_ledger_are_exact_while_it_is_small(every_state):
    told = json.loads(run("queue_stats", "--json"))

    assert (told["states"], told["estimated"]) == (EVERY_STATE, [])
    assert run("queue_stats").splitlines()[4].split() == ["succeeded", "2"]


def test_a_big_ledgers_figures_are_counted_but_for_old_jobs(every_state, django_assert_num_queries):
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE jobs_job")

    with django_assert_num_queries(3):
        found = selectors.job_states(exact_below=9)
    assert (found.estimated, found.counts) == (("succeeded", "cancelled"), EVERY_STATE)

    note.send(word="since then")
    assert selectors.job_states(exact_below=9).counts["queued"] == 2
    assert selectors.job_states(exact_below=100).estimated == ()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["default,nowhere"], "no queue 'nowhere'; there are: high, default"),
        (["default", "--threads", "0"], "1 or more"),
    ],
)
def test_nobody_serves_a_queue_that_there_is_not(words, error):
    with pytest.raises(CommandError, match=error):
        run("queue_consume", *words)


def test_dead_letters_are_replayed_in_steps_and_followed(dead, drain):
    said = run("queue_retry", "--fingerprint", dead[0].fingerprint, "--ramp", "--reason", "the shop is open")
    number = said.split()[1].rstrip(":")
    row = json.loads(run("job_replays", number, "--json"))

    assert said == f"Replay {number}: 2 of 2 jobs are queued again. `job_replays {number}` tells how far it is.\n"
    assert (row["what"], row["reason"], row["in_flight"]) == (
        f"fingerprint {dead[0].fingerprint}",
        "the shop is open",
        2,
    )
    assert states() == ["failed", "queued", "queued"]
    drain()

    keep_watch(now=clock.now())
    assert "done  step 1  2/2 (2 failed again)  fingerprint" in run("job_replays")


def test_a_replay_in_steps_is_stopped_resumed_and_cancelled_by_hand(dead):
    number = run("queue_retry", "all", "--ramp").split()[1].rstrip(":")

    assert ": asked, " in run("job_replays", number, "--stop")
    assert "running" in run("job_replays", number, "--resume")
    assert "cancelled" in run("job_replays", number, "--cancel")
    with pytest.raises(CommandError, match="leaves nothing to resume"):
        run("job_replays", number, "--resume")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["queue_retry", "--ramp"], "queue_retry all"),
        (["queue_retry", "all", "--reason", "x"], "add --ramp"),
        (["queue_retry", "all", "--ramp"], "None of these is a dead letter that no running replay has"),
        (["job_replays", "--stop"], "Name the replay"),
        (["job_replays", "7"], "There is no replay 7"),
    ],
)
def test_a_replay_that_cannot_be_says_why(words, error):
    with pytest.raises(CommandError, match=error):
        run(*words)


def test_arguments_are_changed_by_hand_and_shown(dead):
    job_id = str(dead[0].id)

    said = run("job_change", job_id, "--args", '{"message": "password=s3cr3t"}', "--reason", "a typo")

    assert said.splitlines()[1] == "after   {'message': 'password=••••'}"
    assert Job.objects.get(id=job_id).arguments == {"message": "password=s3cr3t"}
    assert ": a typo {" in run("job_show", job_id)
    assert "s3cr3t" not in run("job_show", job_id)
    unchanged = run("job_change", job_id, "--args", '{"message": "password=••••"}', "--reason", "again")
    assert unchanged == "They are as they were.\n"


@pytest.mark.parametrize(
    ("arguments", "error"), [('{"kind": 1}', "'kind' does not fit"), ("[1]", "JSON object"), ("{", "no JSON")]
)
def test_arguments_that_do_not_fit_change_nothing(dead, arguments, error):
    before = dead[0].arguments

    with pytest.raises(CommandError, match=error):
        run("job_change", str(dead[0].id), "--args", arguments, "--reason", "x")

    assert Job.objects.get(id=dead[0].id).arguments == before


def test_a_job_that_is_not_there_or_has_ended_takes_no_arguments(dead, drain):
    done = note.send(word="a").message_id
    drain()

    for job_id, error in ((str(uuid4()), "no such job"), (done, "The job is succeeded")):
        with pytest.raises(CommandError, match=error):
            run("job_change", job_id, "--args", '{"word": "b"}', "--reason", "x")


@pytest.fixture
def schedule():
    rules = {"on_day_off": "move", "country": "CZ", "are_weekends_off": True}
    make_schedule("tests.off", is_enabled=False)
    return make_schedule("tests.weekly", default_cron="0 6 * * 4", **rules)


@time_machine.travel("2026-12-20T12:00:00Z", tick=False)
def test_schedules_are_listed_with_their_next_run(schedule):
    lines = run("job_schedules").splitlines()
    rows = [json.loads(line) for line in run("job_schedules", "--json", "--limit", "2").splitlines()]

    assert [line.split()[0] for line in lines] == ["tests.off", "tests.weekly"]
    assert [(row["key"], row["enabled"], row["next"]) for row in rows] == [
        ("tests.off", False, None),
        ("tests.weekly", True, "2026-12-28T06:00:00+01:00"),
    ]


@time_machine.travel("2026-12-20T12:00:00Z", tick=False)
def test_a_schedule_is_shown_with_its_rules_what_comes_and_what_was(schedule):
    make_firing(schedule, due_at="2026-12-17T05:00:00Z", outcome="overlapped", reason="Job 1 has not ended.")

    lines = run("job_schedules", "tests.weekly", "--limit", "3").splitlines()

    assert "on_day_off       move" in lines
    assert lines[lines.index("next:") :] == [
        "next:",
        "  2026-12-24T06:00:00+01:00 -- Christmas Eve, moved to Mon 28 Dec. 06:00",
        "  2026-12-28T06:00:00+01:00",
        "  2026-12-31T06:00:00+01:00",
        "last:",
        "  2026-12-17T06:00:00+01:00 overlapped Job 1 has not ended.",
    ]


def test_a_schedule_is_run_by_hand(schedule):
    job_id = run("job_schedules", "tests.weekly", "--run").strip()

    assert (str(Job.objects.get().id), Job.objects.get().actor) == (job_id, "tests.note")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["tests.nobody"], "lists them"),
        (["--run"], "Name the schedule"),
        (["tests.gone", "--run"], "cannot run: No actor is called"),
    ],
)
def test_a_schedule_that_cannot_be_shown_or_run_is_no_success(words, told):
    make_schedule("tests.gone", actor="tests.gone")

    with pytest.raises(CommandError, match=told):
        run("job_schedules", *words)

    assert Job.objects.count() == 0


def test_a_schedule_that_nobody_can_follow_is_shown_with_its_problem():
    make_schedule("tests.odd", timezone="Mars/Base", cron="61 * * * *", last_fired_at="2026-12-17T05:00:00Z")

    row = json.loads(run("job_schedules", "tests.odd", "--json"))

    assert (row["cron"], row["next"], row["ahead"]) == ("61 * * * *", None, [])
    assert row["last"] == "2026-12-17T05:00:00+00:00"

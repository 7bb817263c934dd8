import logging
import threading
from datetime import timedelta
from email import message_from_string
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from modules.jobs import domain, events, services
from modules.jobs.engine import runner
from modules.jobs.models import Alert, AlertRule, Attempt, Bookmark, Job, JobSchedule, ScheduleFiring, Worker
from modules.kernel import clock
from tests.support.actors import fail, note

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def rule():
    """Have one rule of a kind, and no others."""

    def make(kind, *, channels=(), **params):
        AlertRule.objects.all().delete()
        return AlertRule.objects.create(
            key=f"tests.{kind}", kind=kind, default_params=params, default_channels=list(channels)
        )

    return make


def evaluate(now=None):
    """Return what is open after a look, as {subject: value}."""
    services.count_runs()
    services.evaluate_alerts(now=now or clock.now())
    return open_alerts()


def open_alerts():
    return {alert.subject: alert.last_value for alert in Alert.objects.filter(closed_at__isnull=True)}


def messages():
    jobs = Job.objects.filter(actor="jobs.notify").order_by("id")
    return [(job.arguments["event"], job.arguments["channel"]) for job in jobs]


def send(count, **options):
    return [note.send_with_options(kwargs={"word": str(number)}, **options).message_id for number in range(count)]


def someone_serves(*queues):
    now = timezone.now()
    return Worker.objects.create(
        hostname="h", pid=1, queues=list(queues), started_at=now, seen_at=now, lease_until=now + timedelta(hours=1)
    )


def test_an_actor_that_fails_three_times_in_a_row_is_an_incident_until_it_succeeds(rule, drain):
    rule("failures_in_row")
    found = []
    for _ in range(3):
        fail.send()
        drain(limit=1)
        found.append(evaluate())
    fail_job = Attempt.objects.latest("id")
    Attempt.objects.filter(id=fail_job.id).update(outcome="succeeded")
    Bookmark.objects.update(counted_id=fail_job.id - 1, next_id=fail_job.id - 1)

    assert found == [{}, {}, {"tests.fail": 3}]
    assert evaluate() == {}


def test_another_actors_success_does_not_end_a_streak(rule, drain):
    rule("failures_in_row")
    fail.send()
    for _ in range(3):
        note.send(word="x")
        drain()
        services.dispatch()

    assert evaluate() == {"tests.fail": 3}


def test_a_queue_over_its_length_is_an_incident_and_one_at_it_is_not(rule):
    rule("queue_length", over=2)
    send(2)
    first = evaluate()
    send(1)

    assert (first, evaluate()) == ({}, {"default": 3})


def test_an_open_incident_shows_the_newest_value(rule):
    rule("queue_length", over=0)
    send(1)
    evaluate()
    send(4)

    assert (evaluate(), Alert.objects.count()) == ({"default": 5}, 1)


def test_jobs_for_later_do_not_make_a_queue_long(rule):
    rule("queue_length", over=0)
    send(3, delay=timedelta(hours=1))

    assert evaluate() == {}


def test_a_queue_whose_oldest_job_waits_too_long_is_an_incident(rule):
    rule("queue_wait", seconds=60)
    send(2)
    Job.objects.filter(arguments__word="0").update(run_at=timezone.now() - timedelta(seconds=61))

    assert list(evaluate()) == ["default"]
    assert evaluate(clock.now() - timedelta(seconds=5)) == {}


def test_a_job_that_runs_for_more_than_ten_minutes_is_told_to_the_log(rule, worker, caplog):
    rule("job_runs_long")
    from tests.jobs.test_dispatch import start

    start(Job.objects.get(id=send(1)[0]), runner.worker_id)
    before = evaluate(clock.now() + timedelta(minutes=9, seconds=50))
    with caplog.at_level(logging.WARNING, logger="backroom.alerts"):
        after = evaluate(clock.now() + timedelta(minutes=10, seconds=10))

    job = Job.objects.get(actor="tests.note")
    assert (before, list(after)) == ({}, [f"tests.note {job.id}"])
    assert f"tests.note {job.id} has been running for 610 s" in caplog.text


def schedule(**fields):
    common = {"actor": "tests.note", "default_cron": "* * * * *", "default_timezone": "UTC"}
    return JobSchedule.objects.create(**{"key": "tests.one", "evaluated_until": clock.now(), **common, **fields})


@pytest.mark.parametrize(
    "fields", [{"problem": "No actor is called 'gone'."}, {"evaluated_until": clock.now() - timedelta(minutes=10)}]
)
def test_a_schedule_that_cannot_run_or_is_late_is_an_incident(rule, fields):
    rule("schedule_missed")
    schedule(**fields)

    assert list(evaluate()) == ["tests.one"]


def test_a_schedule_that_is_switched_off_is_no_incident(rule):
    rule("schedule_missed")
    schedule(problem="x", is_enabled=False)

    assert evaluate() == {}


def test_a_missed_time_is_an_incident_until_the_next_one_is_met(rule):
    rule("schedule_missed")
    one, now = schedule(), clock.now()
    ScheduleFiring.objects.create(schedule=one, due_at=now - timedelta(hours=1), fired_at=now, outcome="missed")
    first = evaluate()
    ScheduleFiring.objects.create(schedule=one, due_at=now, fired_at=now, outcome="fired")

    assert (first, evaluate()) == ({"tests.one": 0}, {})


def test_a_scheduler_that_no_longer_ticks_is_an_incident(rule):
    rule("schedule_missed")
    services.note_tick(now=clock.now() - timedelta(minutes=10))
    first = evaluate()
    services.note_tick(now=clock.now())

    assert (list(first), evaluate()) == (["jobs.tick"], {})


def test_waiting_jobs_that_no_living_worker_serves_are_an_incident(rule):
    rule("no_worker", seconds=60)
    send(2)
    young = evaluate()
    Job.objects.update(run_at=timezone.now() - timedelta(seconds=61))
    old = evaluate()
    someone_serves("default")

    assert (young, old, evaluate()) == ({}, {"default": 2}, {})


def test_jobs_in_quarantine_are_an_incident_until_they_are_dealt_with(rule):
    rule("quarantined")
    job_id = send(1)[0]
    now = timezone.now()
    Job.objects.filter(id=job_id).update(state="running", attempt=1, started_at=now, deadline_at=now, worker_id=job_id)
    Job.objects.filter(id=job_id).update(state="quarantined", finished_at=now)
    first = evaluate()
    services.discard([job_id])

    assert (first, evaluate()) == ({"tests.note": 1}, {})


def dead_letter():
    job_id = send(1)[0]
    now, job = timezone.now(), Job.objects.filter(id=job_id)
    job.update(state="running", attempt=1, fence=1, started_at=now, deadline_at=now, worker_id=job_id)
    job.update(state="failed", finished_at=now, error_type="ValueError", error_message="no", fingerprint="a" * 16)
    return job_id


def fail_again(job_id):
    now, job = timezone.now(), Job.objects.filter(id=job_id)
    job.update(state="running", fence=2, started_at=now, deadline_at=now, worker_id=job_id)
    job.update(state="failed", finished_at=now)


def test_a_replay_whose_cause_returned_is_an_incident_until_somebody_ends_it(rule):
    rule("replay_stopped")
    ids = [dead_letter() for _ in range(6)]
    started = services.start_replay(jobs=Job.objects.filter(id__in=ids), what="x" * 300, by="eva")
    running = evaluate()
    fail_again(Job.objects.filter(state="queued").order_by("id").first().id)
    services.continue_replays()
    stopped = evaluate()
    services.cancel_replay(started.pk)

    assert (running, stopped, evaluate()) == ({}, {f"#{started.pk} {'x' * 300}"[:300]: 1}, {})
    assert Alert.objects.count() == 1


def test_a_replay_that_somebody_stopped_is_no_incident(rule):
    rule("replay_stopped")
    started = services.start_replay(jobs=Job.objects.filter(id__in=[dead_letter() for _ in range(6)]), what="x", by="e")
    services.stop_replay(started.pk, by="eva")

    assert evaluate() == {}


def test_a_job_that_has_run_and_rests_for_days_is_an_incident(rule):
    rule("job_waits_long", seconds=3600)
    resting, far = (send_for_later() for _ in range(2))
    long_ago = timezone.now() - timedelta(seconds=3700)
    Job.objects.filter(id=far).update(created_at=long_ago)  # has not run yet
    Job.objects.filter(id=resting).update(fence=1)
    young = evaluate()
    Job.objects.filter(id=resting).update(created_at=long_ago)
    old = evaluate()
    services.cancel([resting])

    assert (young, list(old), round(old["tests.note"], -2), evaluate()) == ({}, ["tests.note"], 3700, {})


def send_for_later():
    return services.enqueue("tests.note", kwargs={"word": "x"}, delay=timedelta(days=1))


def test_a_rule_may_look_at_some_subjects_only(rule):
    rule("queue_length", over=0, only=["import"])
    send(1)
    services.enqueue("tests.note", kwargs={"word": "x"}, queue="import")

    assert evaluate() == {"import": 1}


def test_an_incident_is_told_once_to_each_channel_and_once_when_it_is_over(rule, mailbox, private_hooks, drain):
    rule("queue_length", over=0, only=["default"], channels=["email", "webhook"])
    ids = send(1)
    for _ in range(3):
        evaluate()
    services.cancel(ids)
    drain()
    for _ in range(3):
        evaluate()
    drain()

    assert messages() == [("opened", "email"), ("opened", "webhook"), ("closed", "email"), ("closed", "webhook")]
    assert [request["json"]["text"].splitlines()[0] for request in private_hooks.requests] == [
        "The queue default has 1 ready jobs",
        "Over: The queue default has 1 ready jobs",
    ]
    mails = [(to, message_from_string(text)["Subject"]) for to, text in mailbox.messages]
    assert mails == [
        (["operator@example.com"], "[Backroom] The queue default has 1 ready jobs"),
        (["operator@example.com"], "[Backroom] Over: The queue default has 1 ready jobs"),
    ]


def test_an_incident_that_comes_back_is_a_new_one(rule):
    rule("queue_length", over=0)
    for _ in range(2):
        ids = send(1)
        evaluate()
        services.cancel(ids)
        evaluate()

    assert (Alert.objects.count(), open_alerts()) == (2, {})


def test_many_looks_at_once_open_one_incident_and_send_one_message(rule, mailbox):
    rule("queue_length", over=0, only=["default"], channels=["email"])
    send(1)
    barrier, changes = threading.Barrier(4), []

    def look():
        barrier.wait(10)
        changes.append(services.evaluate_alerts(now=clock.now()))
        connection.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (sorted(changes), Alert.objects.count(), messages()) == ([0, 0, 0, 1], 1, [("opened", "email")])


def test_the_database_refuses_a_second_open_incident_of_a_subject(rule):
    one = rule("queue_length")
    Alert.objects.create(rule=one, subject="default", opened_at=clock.now(), last_value=1)

    with pytest.raises(IntegrityError), transaction.atomic():
        Alert.objects.create(rule=one, subject="default", opened_at=clock.now(), last_value=1)


def test_an_incident_and_its_messages_come_together_or_not_at_all(rule, mailbox, monkeypatch):
    rule("queue_length", over=0, channels=["email"])
    send(1)

    def die(*_args, **_kwargs):
        raise RuntimeError("killed")

    monkeypatch.setattr("modules.jobs.services._alerts._announce", die)
    with pytest.raises(RuntimeError, match="killed"):
        services.evaluate_alerts(now=clock.now())

    assert (Alert.objects.count(), messages()) == (0, [])


def test_a_message_that_failed_is_sent_again_and_not_a_third_time(rule, mailbox, drain):
    mailbox.refusals = 1
    rule("queue_length", over=0, channels=["email"])
    ids = send(1)
    evaluate()
    services.cancel(ids)
    drain()
    job = Job.objects.get(actor="jobs.notify")
    assert (job.state, job.error_type, mailbox.messages) == ("retrying", "SMTPDataError", [])
    Job.objects.filter(id=job.id).update(run_at=timezone.now())
    services.dispatch()
    drain()

    again = services.notify(alert_id=Alert.objects.get().id, event="opened", channel="email", now=clock.now())
    assert (again, len(mailbox.messages), Job.objects.get(id=job.id).state) == (False, 1, "succeeded")


def test_a_webhook_that_refuses_ends_in_the_dead_letters_without_its_address(rule, private_hooks, drain, caplog):
    private_hooks.status = 404
    rule("queue_length", over=0, channels=["webhook"])
    send(1)
    with caplog.at_level(logging.DEBUG):
        evaluate()
        drain()

    job = Job.objects.get(actor="jobs.notify")
    assert (job.state, job.error_message) == ("failed", "The webhook answered 404.")
    assert "SECRETPATH" not in caplog.text + Attempt.objects.get(job=job).traceback


def test_a_rules_own_webhook_is_kept_encrypted_and_wins(rule, private_hooks, drain, settings):
    own = private_hooks.url.replace("SECRETPATH", "OWNPATH")
    one = rule("queue_length", over=0, channels=["webhook"])
    services.set_webhook(key=one.key, url=own)
    send(1)
    evaluate()
    drain()

    assert private_hooks.requests[0]["path"] == "/services/T0/OWNPATH"
    assert "OWNPATH" not in AlertRule.objects.get().webhook_secret


def test_a_channel_that_leads_nowhere_is_noted_and_the_incident_is_kept(rule, settings):
    settings.ADMINS = []
    rule("queue_length", over=0, channels=["email", "webhook"])
    send(1)
    evaluate()

    told = Alert.objects.get().notified
    assert told == {"opened:email": "not configured", "opened:webhook": "not configured"}
    assert messages() == []


def test_a_message_goes_by_a_queue_that_is_served_when_its_own_is_not(rule, mailbox):
    rule("queue_length", over=0, channels=["email"])
    someone_serves("customers")
    send(1)
    evaluate()

    assert Job.objects.get(actor="jobs.notify").queue == "customers"


def test_modules_above_hear_of_incidents_after_the_commit(rule):
    heard = []

    def hear(signal_name):
        return lambda **payload: heard.append((signal_name, payload["rule"], payload["subject"]))

    opened, closed = hear("opened"), hear("closed")
    events.alert_opened.connect(opened)
    events.alert_closed.connect(closed)
    rule("queue_length", over=0)
    ids = send(1)
    evaluate()
    services.cancel(ids)
    evaluate()

    assert heard == [("opened", "tests.queue_length", "default"), ("closed", "tests.queue_length", "default")]


def test_a_rule_that_is_switched_off_closes_its_incidents_without_a_word(rule, mailbox):
    rule("queue_length", over=0, channels=["email"])
    send(1)
    evaluate()
    AlertRule.objects.update(is_enabled=False)

    assert (evaluate(), messages()) == ({}, [("opened", "email")])


def test_a_rule_whose_limits_make_no_sense_says_so_and_the_others_go_on(rule):
    rule("queue_length", over=0)
    bad = AlertRule.objects.create(key="a.bad", kind="queue_wait", params={"minutes": 3})
    send(1)

    assert evaluate() == {"default": 1}
    bad.refresh_from_db()
    assert bad.problem == "queue_wait knows no 'minutes'; it takes only, seconds."


def test_a_corrected_rule_has_no_problem_any_more(rule):
    rule("queue_wait", seconds=1)
    AlertRule.objects.update(problem="old")
    evaluate()

    assert AlertRule.objects.get().problem == ""


def test_a_rule_of_a_kind_that_is_not_known_yet_is_marked_and_the_others_are_looked_at(rule):
    rule("of_tomorrow")
    AlertRule.objects.create(key="tests.z", kind="queue_length", default_params={"over": 0})
    send(1)

    assert evaluate() == {"default": 1}
    assert "of_tomorrow" in AlertRule.objects.get(key="tests.of_tomorrow").problem


def test_a_deploy_brings_the_platforms_rules_and_leaves_an_operators_changes():
    services.sync_alert_rules()
    AlertRule.objects.filter(key="jobs.queue_length").update(params={"over": 5}, channels=["email"], is_enabled=False)

    assert services.sync_alert_rules() == AlertRule.objects.count() == len(domain.PLATFORM_RULES)
    one = AlertRule.objects.get(key="jobs.queue_length")
    assert (one.effective_params, one.effective_channels, one.watches) == ({"over": 5}, ["email"], False)


def test_the_platforms_rules_say_what_the_readme_says():
    services.sync_alert_rules()
    found = {one.key: domain.rule_params(one.kind, one.effective_params) for one in AlertRule.objects.all()}

    assert found == {
        "jobs.failures_in_row": {"times": 3, "only": []},
        "jobs.queue_length": {"over": 1000, "only": []},
        "jobs.queue_wait": {"seconds": 900, "only": []},
        "jobs.job_runs_long": {"seconds": 600, "only": []},
        "jobs.schedule_missed": {"seconds": 300, "only": []},
        "jobs.no_worker": {"seconds": 60, "only": []},
        "jobs.quarantined": {"over": 0, "only": []},
        "jobs.replay_stopped": {"over": 0, "only": []},
        "jobs.job_waits_long": {"seconds": 259_200, "only": []},
        "jobs.queue_monitor": {"only": []},
    }


def test_a_quiet_platform_has_no_incidents():
    services.sync_alert_rules()

    assert evaluate() == {}


@pytest.mark.parametrize(
    "params", [{"over": -1}, {"over": "many"}, {"over": True}, {"only": "import"}, {"only": [1]}, {"seconds": 1}]
)
def test_limits_that_make_no_sense_are_refused(params):
    with pytest.raises(domain.InvalidRule):
        domain.rule_params("queue_length", params)


def test_watching_counts_and_evaluates_each_in_its_time(rule, drain):
    rule("failures_in_row", times=1)
    fail.send()
    drain(limit=1)
    now = clock.now()
    services.keep_watch(now=now)
    first = open_alerts()
    note.send(word="x")
    Alert.objects.all().delete()
    services.keep_watch(now=now + timedelta(seconds=59))
    early = open_alerts()
    services.keep_watch(now=now + timedelta(seconds=60))

    assert (first, early, open_alerts()) == ({"tests.fail": 1}, {}, {"tests.fail": 1})


def monitor(*arguments):
    output = StringIO()
    code = 0
    try:
        call_command("queue_monitor", *arguments, stdout=output)
    except SystemExit as ended:
        code = ended.code
    return code, output.getvalue()


def test_queue_monitor_exits_with_1_and_raises_the_alert_until_the_queue_is_short(mailbox):
    ids = send(2)

    assert monitor("default", "import", "--max", "1")[0] == 1
    assert open_alerts() == {"default": 2}
    services.evaluate_alerts(now=clock.now())
    assert open_alerts() == {"default": 2}
    services.cancel(ids)
    code, output = monitor("default,import", "--max", "1", "--json")
    assert (code, output) == (0, '{"queues": {"default": 0, "import": 0}, "max": 1, "over": []}\n')
    assert open_alerts() == {}


def test_queue_monitor_leaves_the_incidents_of_other_queues_alone():
    send(2)
    monitor("default", "--max", "1")

    assert (monitor("import", "--max", "1")[0], open_alerts()) == (0, {"default": 2})


def test_queue_monitor_accepts_a_queue_at_its_limit():
    send(1)

    assert (monitor("default", "--max", "1")[0], open_alerts()) == (0, {})


def test_jobs_alerts_lists_what_is_open_and_its_exit_code_says_so(rule):
    rule("queue_length", over=0)
    send(1)
    output = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("jobs_alerts", "--evaluate", stdout=output)
    assert (ended.value.code, "tests.queue_length" in output.getvalue()) == (1, True)
    services.cancel(list(Job.objects.values_list("id", flat=True)))
    call_command("jobs_alerts", "--evaluate", stdout=output)
    assert output.getvalue().splitlines()[-1] == "0 open"


def test_a_webhooks_address_is_read_from_the_terminal_never_from_the_command_line(rule, monkeypatch):
    rule("queue_length")
    monkeypatch.setattr("sys.stdin", StringIO("https://hooks.example.com/SECRETPATH\n"))
    output = StringIO()
    call_command("jobs_alerts", "--set-webhook", "tests.queue_length", stdout=output)

    assert output.getvalue() == "Kept, encrypted.\n"
    assert AlertRule.objects.get().webhook_secret != ""
    monkeypatch.setattr("sys.stdin", StringIO(""))
    with pytest.raises(CommandError, match="no rule 'gone'"):
        call_command("jobs_alerts", "--set-webhook", "gone")

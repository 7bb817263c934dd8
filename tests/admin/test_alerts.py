"""Incidents and the rules behind them, changed by readers of all tenants."""

from datetime import timedelta

import pytest

from modules.jobs import services
from modules.jobs.models import Alert, AlertRule
from modules.kernel import clock
from tests.admin.factories import make_job, make_staff
from tests.admin.pages import detail, listing, press, told, words

SECRET = "https://hooks.slack.example/services/T0/SECRETPATH"


@pytest.fixture
def rules(db):
    """The platform's rules by name."""
    services.sync_alert_rules()
    return {rule.key.removeprefix("jobs."): rule for rule in AlertRule.objects.all()}


def change(client, rule, **fields):
    return client.post(
        detail("jobs_alertrule", rule), {"is_enabled": "", "only": "", "tells": "", **fields}, follow=True
    )


def test_an_incident_shows_what_since_when_and_who_was_told(root, rules):
    rule, now = rules["queue_length"], clock.now()
    told_to = {"opened:webhook": "not configured", "opened:email": now.isoformat()}
    Alert.objects.create(rule=rule, subject="low", opened_at=now, last_value=1234, notified=told_to)
    Alert.objects.create(rule=rule, subject="high", opened_at=now, closed_at=now, last_value=2)

    shown, only_open = words(root.get(listing("jobs_alert"))), words(root.get(listing("jobs_alert", "?state=open")))

    assert "The queue low has 1234 ready jobs jobs.queue_length notifications_active Going on" in shown
    assert "opened:email ✓ opened:webhook not configured" in shown
    assert ("queue high" in shown, "queue high" in only_open) == (True, False)
    assert [card.value for card in root.get("/admin/").context["cards"] if card.label == "Alerts"] == [1]


def test_a_rule_is_changed_and_goes_back_to_the_code(root, rules):
    rule = rules["queue_length"]

    change(root, rule, is_enabled="no", limit="5", only="low, high", tells="email,webhook")
    rule.refresh_from_db()
    changed = (rule.watches, rule.effective_params, rule.effective_channels)
    change(root, rule)
    rule.refresh_from_db()

    assert changed == (False, {"over": 5, "only": ["low", "high"]}, ["email", "webhook"])
    assert (rule.is_enabled, rule.params, rule.channels) == (None, None, None)


def test_nobody_is_a_choice_of_its_own(root, rules):
    change(root, rules["no_worker"], tells="-")
    rules["no_worker"].refresh_from_db()

    assert rules["no_worker"].effective_channels == []
    assert 'value="-" selected' in root.get(detail("jobs_alertrule", rules["no_worker"])).content.decode()


def test_a_rule_says_what_it_finds_now(root, rules):
    make_job("queued", queue="low")
    make_job("queued", queue="low")
    change(root, rules["queue_length"], limit="1", is_enabled="no")

    shown = words(root.get(detail("jobs_alertrule", rules["queue_length"])))

    assert "As saved, this is what it finds now: The queue low has 2 ready jobs" in shown
    assert "0 incidents in the last 7 days" in shown
    assert Alert.objects.count() == 0


@pytest.mark.parametrize("limit", ["-1", "many", "1.5"])
def test_a_limit_that_makes_no_sense_is_refused(root, rules, limit):
    response = change(root, rules["queue_length"], limit=limit)

    rules["queue_length"].refresh_from_db()
    assert (response.status_code, rules["queue_length"].params) == (200, None)
    assert "errorlist" in response.content.decode() or "Enter a whole number" in words(response)


def test_a_webhooks_address_is_kept_encrypted_never_shown_and_forgotten(root, rules):
    rule = rules["queue_length"]
    change(root, rule, webhook=SECRET)
    rule.refresh_from_db()
    page = root.get(detail("jobs_alertrule", rule)).content.decode()
    kept = rule.webhook_secret

    forgotten = root.post(press("jobs_alertrule", rule, "forget_webhook"), follow=True)
    rule.refresh_from_db()

    assert kept
    assert "SECRETPATH" not in kept + page
    assert "One is kept, encrypted" in page
    assert (told(forgotten), rule.webhook_secret) == (["The address is forgotten."], "")


def test_a_rule_without_a_number_asks_for_none(root, rules):
    page = root.get(detail("jobs_alertrule", rules["queue_monitor"]))

    assert page.status_code == 200
    assert 'name="limit"' not in page.content.decode()


def test_staff_of_one_tenant_neither_see_nor_change(login, alice, rules):
    may = ["jobs.view_alert", "jobs.view_alertrule", "jobs.change_alertrule"]
    client = login(make_staff("watcher", tenants=[alice], permissions=may))

    assert client.get(listing("jobs_alert")).status_code == 403
    assert client.get(listing("jobs_alertrule")).status_code == 403
    assert change(client, rules["queue_length"], limit="1").status_code == 403
    assert client.post(press("jobs_alertrule", rules["queue_length"], "forget_webhook")).status_code == 403
    assert "Alerts" not in words(client.get("/admin/"))


def preview(client, rule, **typed):
    return words(client.get(f"/admin/jobs/alertrule/{rule.pk}/preview/", typed))


def test_limits_that_nobody_has_saved_are_tried_on_the_last_days(root, rules):
    now = clock.now()
    for minutes in (30, 200):
        waits = {"run_at": now - timedelta(minutes=minutes + 20), "started_at": now - timedelta(minutes=minutes)}
        make_job(queue=f"queue{minutes}", **waits)

    assert "With these limits it would have told 2 times." in preview(root, rules["queue_wait"], limit="600")
    assert "it would have told 1 time." in preview(root, rules["queue_wait"], limit="600", only="queue200, other")
    assert "it would have told of nothing." in preview(root, rules["queue_wait"], limit="7200")
    assert "With these limits it would have told 2 times." in preview(root, rules["queue_wait"])
    rules["queue_wait"].refresh_from_db()
    assert rules["queue_wait"].params is None


@pytest.mark.parametrize("limit", ["-1", "many", "9" * 10])
def test_a_limit_that_is_none_is_told(root, rules, limit):
    assert "The limit is a whole number." in preview(root, rules["queue_wait"], limit=limit)


def test_a_rule_without_a_past_says_so(root, db):
    rule = AlertRule.objects.create(key="jobs.queue_monitor", kind="queue_monitor")

    assert "This rule is told of by a command" in preview(root, rule)


def test_every_rule_looks_back_at_an_empty_ledger(root, rules):
    says = {name: preview(root, rule) for name, rule in rules.items() if name != "queue_monitor"}

    assert [name for name, text in says.items() if "it would have told of nothing." not in text] == []


def test_a_reader_of_one_tenant_does_not_look_back(viewer, rules):
    assert viewer.get(f"/admin/jobs/alertrule/{rules['queue_wait'].pk}/preview/").status_code in {403, 404}
